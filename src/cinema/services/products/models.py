"""What the product service answers, and what it is asked."""

from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

__all__ = ["MOST_IDS", "Batch", "Product"]

MOST_IDS: Final = 10_000  # the products in a thousand orders, and what one statement may name
# An order may name what no product can be called: that one is unknown, and the others are answered.
_AnyId = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class Product(BaseModel):
    """Describe what is sold."""

    id: str
    name: str
    description: str
    price: float
    category: str
    stock_quantity: int


class Batch(BaseModel):
    """Ask for several products at once."""

    product_ids: Annotated[
        list[_AnyId], Field(min_length=1, max_length=MOST_IDS, examples=[["prod1", "prod2"]])
    ]
