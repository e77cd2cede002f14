"""What the README's example takes for granted: models, sources, an Env, and the address of a remote."""

import random

from pydantic import BaseModel

from cinema.gateway.profile.models import Order, Product, User
from stagedoor.call import Env
from stagedoor.testing import Events, ManualClock
from tests.docs.sources import Orders, Products, Users

__all__ = ["Order", "Orders", "Product", "Products", "Profile", "User", "Users", "env", "url"]

env = Env(ManualClock(), random.Random(1).random, Events())
url = "http://127.0.0.1:8001"


class Profile(BaseModel):
    """The answer of the README's screen."""

    user: User
    orders: list[Order]
    products: dict[str, Product]
