"""What the order service asks of its database.

An order and its lines come in one statement, a row a line, and are folded here: one trip instead of two.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Subquery, bindparam, func, select

from cinema.database.tables import order, order_item
from cinema.services.paging import ListPage

__all__ = ["MOST_ORDERS", "fold", "of_user", "page"]


MOST_ORDERS = 1_000  # of one user in one answer


def _with_lines(chosen: Subquery, *by: str) -> Select[Any]:
    item = order_item.c
    return (
        select(chosen, item.product_id, item.quantity, item.price)
        .select_from(chosen.outerjoin(order_item, item.order_id == chosen.c.id))
        .order_by(*(chosen.c[name] for name in by), item.position)
    )


_OF_USER = _with_lines(
    select(order)
    .where(order.c.user_id == bindparam("user_id"))
    .order_by(order.c.created_at, order.c.id)
    .limit(MOST_ORDERS)
    .subquery(),
    "created_at",
    "id",
)
_PAGE = _with_lines(
    select(order).order_by(order.c.id).limit(bindparam("limit")).offset(bindparam("offset")).subquery(), "id"
)
_COUNT = select(func.count()).select_from(order)


def of_user(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """Return a user's orders, oldest first; none for a user nobody knows."""
    return fold(connection.execute(_OF_USER, {"user_id": user_id}))


def page(connection: Connection, limit: int, offset: int) -> ListPage:
    """Return a page of all orders."""
    rows = fold(connection.execute(_PAGE, {"limit": limit, "offset": offset}))
    return ListPage(rows, limit, offset, connection.execute(_COUNT).scalar_one())


def fold(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Gather the lines of each order under it; an order without lines has one row, its product None."""
    orders: dict[str, dict[str, Any]] = {}
    for order_id, user_id, status, total, created_at, product_id, quantity, price in rows:
        found = orders.get(order_id)
        if found is None:
            found = orders[order_id] = {
                "id": order_id,
                "user_id": user_id,
                "status": status,
                "total_amount": total,
                "items": [],
                "created_at": created_at,
            }
        if product_id is not None:
            found["items"].append({"product_id": product_id, "quantity": quantity, "price": price})
    return list(orders.values())
