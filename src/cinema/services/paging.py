"""Read a list in pages and point to the neighbours (RFC 8288)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Query, Request
from sqlalchemy import Connection, Select, Table, func, select
from starlette.responses import Response

from cinema.database.records import records
from cinema.services.answers import json_answer

__all__ = ["Limit", "ListPage", "Offset", "joined", "page_answer", "page_links", "read_page"]

Limit = Annotated[int, Query(ge=1, le=1_000, description="How many at most", examples=[100])]
Offset = Annotated[int, Query(ge=0, le=2_147_483_647, description="How many to pass over", examples=[0])]

# The other parameters of a request stand in each link, up to three times as long: what does not fit is left out.
# A head that a client can make as long as it likes is refused by the gateway, as the service's own failure.
_LONGEST: Final = 8_000
_RELATIONS: Final = ("next", "prev", "first", "last")


@dataclass(frozen=True, slots=True)
class ListPage:
    """Hold one page of a list, where it lies, and the size of the whole."""

    rows: list[dict[str, Any]]
    limit: int
    offset: int
    total: int


def read_page(connection: Connection, table: Table, limit: int, offset: int) -> ListPage:
    """Read one page of a table, by id."""
    statement: Select[Any] = select(table).order_by(table.c.id).limit(limit).offset(offset)
    return ListPage(
        records(connection, statement),
        limit,
        offset,
        connection.execute(select(func.count()).select_from(table)).scalar_one(),
    )


def page_answer(request: Request, page: ListPage) -> Response:
    """Answer a page as a bare array, with `X-Total-Count` and `Link`."""
    links = page_links(request.url.path, request.url.query, page)
    return json_answer(page.rows, {"X-Total-Count": str(page.total), "Link": links})


def page_links(path: str, query: str, page: ListPage) -> str:
    """Return the value of `Link`: first, prev, next and last as far as they exist, other parameters kept."""
    last = max(0, (page.total - 1) // page.limit * page.limit)
    targets = {"first": 0}
    if page.offset > 0:
        targets["prev"] = min(max(0, page.offset - page.limit), last)
    if page.offset + page.limit < page.total:
        targets["next"] = page.offset + page.limit
    targets["last"] = last
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in {"limit", "offset"}]
    return joined(
        {
            rel: f"{path}?{urlencode([*kept, ('limit', page.limit), ('offset', target)])}"
            for rel, target in targets.items()
        }
    )


def joined(targets: Mapping[str, str]) -> str:
    """Return the value of `Link` from targets by relation; of those that are too long together, the more useful."""
    links = {rel: f'<{target}>; rel="{rel}"' for rel, target in targets.items()}
    left, fitting = _LONGEST, set[str]()
    for rel in filter(links.__contains__, _RELATIONS):
        left -= len(links[rel]) + 2
        if left >= 0:
            fitting.add(rel)
    return ", ".join(link for rel, link in links.items() if rel in fitting)
