"""What the order service answers."""

from datetime import datetime

from pydantic import BaseModel

__all__ = ["Item", "Order"]


class Item(BaseModel):
    """Describe one line of an order; the price is that of one piece on the day."""

    product_id: str
    quantity: int
    price: float


class Order(BaseModel):
    """Describe an order with its lines."""

    id: str
    user_id: str
    status: str
    total_amount: float
    items: list[Item]
    created_at: datetime
