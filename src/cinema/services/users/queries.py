"""What the user service asks of its database."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from cinema.database.records import records
from cinema.database.tables import user
from cinema.services.paging import ListPage, read_page

__all__ = ["find", "page"]

_BY_ID = select(user).where(user.c.id == bindparam("user_id"))


def find(connection: Connection, user_id: str) -> dict[str, Any] | None:
    """Return a user; None if there is none of this id."""
    return next(iter(records(connection, _BY_ID, {"user_id": user_id})), None)


def page(connection: Connection, limit: int, offset: int) -> ListPage:
    """Return a page of all users."""
    return read_page(connection, user, limit, offset)
