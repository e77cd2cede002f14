"""What the product service answers, and what it is asked."""

from typing import Annotated

from pydantic import BaseModel, Field

from cinema.services.identifiers import Id

__all__ = ["Batch", "Product"]


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

    product_ids: Annotated[list[Id], Field(min_length=1, max_length=1_000, examples=[["prod1", "prod2"]])]
