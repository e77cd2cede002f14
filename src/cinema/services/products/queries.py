"""What the product service asks of its database."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select

from cinema.database.records import records
from cinema.database.tables import product
from cinema.services.paging import ListPage, read_page

__all__ = ["find", "known", "page"]

_BY_ID = select(product).where(product.c.id == bindparam("product_id"))
_BY_IDS = select(product).where(product.c.id.in_(bindparam("product_ids", expanding=True)))


def find(connection: Connection, product_id: str) -> dict[str, Any] | None:
    """Return a product; None if there is none of this id."""
    return next(iter(records(connection, _BY_ID, {"product_id": product_id})), None)


def known(connection: Connection, product_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return those of the products that exist, in the order asked for, each once."""
    asked = list(dict.fromkeys(product_ids))
    found = {row["id"]: row for row in records(connection, _BY_IDS, {"product_ids": asked})}
    return [found[product_id] for product_id in asked if product_id in found]


def page(connection: Connection, limit: int, offset: int) -> ListPage:
    """Return a page of all products."""
    return read_page(connection, product, limit, offset)
