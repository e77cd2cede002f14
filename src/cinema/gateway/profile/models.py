"""What a profile is made of, in the shapes the services speak.

Typed dictionaries, not classes: what a service adds to a user or an order is passed on as it came, and numbers
leave as they arrived (P6). Only what is declared here is checked.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator, with_config
from typing_extensions import TypedDict

__all__ = ["USER", "Metadata", "Order", "OrderItem", "Product", "Profile", "Unknown", "User", "UserId"]

_DOTS = (".", "..")  # no segment of a path can be one of them (RFC 3986 5.2.4)


def _no_dots(text: str) -> str:
    if text in _DOTS:
        raise ValueError(f"must not be {text!r}")
    return text


UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
        description="The customer's id: any text without control characters.",
        examples=["user123"],
        json_schema_extra={
            "not": {"type": "string", "enum": [*_DOTS]}
        },  # with a type: else it reads as "never"
    ),
    AfterValidator(_no_dots),
]
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


class Unknown(BaseModel):
    """The foreign way to say that there is no such user: 200 with an `error`, and no `id` (P8)."""

    model_config = ConfigDict(extra="allow")

    error: object

    @model_validator(mode="after")
    def _has_no_id(self) -> Self:
        if "id" in (self.model_extra or {}):
            raise ValueError("it has an id")
        return self


USER: TypeAdapter[User | Unknown] = TypeAdapter(Annotated[User | Unknown, Field(union_mode="left_to_right")])


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
    parts: dict[str, dict[str, str | float | None]]


class Profile(BaseModel):
    """A customer's profile.

    The user, their orders and the products in them, asked in parallel. The user is required; orders and products that
    cannot be had are empty, and `metadata.parts` and `Stagedoor-Parts` say why. Complete answers are kept for a moment;
    an incomplete one never is.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    user: User
    orders: list[Order] = []
    products: dict[str, Product] = {}
    metadata: Metadata
