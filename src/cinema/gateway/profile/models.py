"""What a profile is made of, in the shapes the services speak.

Typed dictionaries, not classes: what a service adds to a user or an order is passed on as it came, and numbers
leave as they arrived (P6). Only what is declared here is checked.
"""

from pydantic import BaseModel, ConfigDict, with_config
from typing_extensions import TypedDict

from stagedoor.aggregate.verdict import VerdictJson

__all__ = ["Metadata", "Order", "OrderItem", "Product", "Profile", "User"]

_AS_SENT = ConfigDict(extra="allow", strict=True)


@with_config(_AS_SENT)
class User(TypedDict):
    """A customer."""

    id: str
    username: str
    email: str
    full_name: str
    is_active: bool
    created_at: str


@with_config(_AS_SENT)
class OrderItem(TypedDict):
    """One line of an order; `price` is for one piece, at the time of the order."""

    product_id: str
    quantity: int
    price: int | float


@with_config(_AS_SENT)
class Order(TypedDict):
    """An order with its lines."""

    id: str
    user_id: str
    status: str
    total_amount: int | float
    items: list[OrderItem]
    created_at: str


@with_config(_AS_SENT)
class Product(TypedDict):
    """A product as the shop sells it now."""

    id: str
    name: str
    description: str
    price: int | float
    category: str
    stock_quantity: int


class Metadata(TypedDict):
    """How the answer came about.

    Times are milliseconds; `aggregated_at` and `aggregation_time_ms` stay as first measured when the answer comes
    from the cache. `parts` holds the verdict of each part: `status`, `ms`, and `reason` where something failed.
    """

    user_id: str
    orders_count: int
    products_count: int
    aggregated_at: str
    aggregation_time_ms: float
    cache_ttl: int
    cached: bool
    services_used: int
    response_time_ms: float
    parts: dict[str, VerdictJson]


class Profile(BaseModel):
    """The answer the profile screen needs."""

    user: User
    orders: list[Order]
    products: dict[str, Product]
    metadata: Metadata
