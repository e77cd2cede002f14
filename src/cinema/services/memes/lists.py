"""Read the list of memes in pages: by cursor, which neither loses nor repeats, or by offset, which can jump."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Request

from cinema.database import Database
from cinema.services.memes import queries
from cinema.services.memes.cursors import CursorPlace, Cursors
from cinema.services.memes.models import wrong
from cinema.services.memes.queries import MemePortion
from cinema.services.paging import joined
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["ListRequest", "asked_of", "links", "next_cursor", "read"]

_OWN: Final = frozenset({"limit", "offset", "cursor"})


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which page: behind a place, from an offset on, or the first."""

    limit: int
    offset: int | None
    place: CursorPlace | None


def asked_of(request: Request, cursors: Cursors, limit: int, offset: int) -> ListRequest:
    """Return which page a request asks for; raises `RequestRefused`, 422, for a cursor that is none of ours."""
    said = request.query_params
    cursor = said.get("cursor")
    if cursor is None:
        return ListRequest(limit, offset if "offset" in said else None, None)
    if "offset" in said:
        row = wrong("query", "cursor", msg="must not be given together with offset", kind="cursor")
        raise RequestRefused(problems.validation(row))
    place = cursors.read(cursor)
    if place is None:
        row = wrong("query", "cursor", msg="must be one that a Link of this list has given", kind="cursor")
        raise RequestRefused(problems.validation(row))
    return ListRequest(limit, None, place)


async def read(database: Database, asked: ListRequest) -> MemePortion:
    """Return a page."""
    if asked.offset is not None:
        return await database.read(partial(queries.from_offset, limit=asked.limit, offset=asked.offset))
    return await database.read(partial(queries.behind, limit=asked.limit, place=asked.place))


def links(request: Request, asked: ListRequest, portion: MemePortion, cursors: Cursors) -> str:
    """Return the value of `Link` (RFC 8288), other parameters kept."""
    kept = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] not in _OWN]
    targets = _by_offset(asked, portion) if asked.offset is not None else _by_cursor(portion, cursors)
    return joined(
        {
            rel: f"{request.url.path}?{urlencode([*kept, ('limit', asked.limit), *place])}"
            for rel, place in targets.items()
        }
    )


def _by_cursor(portion: MemePortion, cursors: Cursors) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {"first": []}
    if portion.more:
        found["next"] = [("cursor", next_cursor(portion, cursors))]
    return found


def next_cursor(portion: MemePortion, cursors: Cursors) -> str:
    """Return the cursor of what comes behind a page that is not empty."""
    last = portion.rows[-1]
    return cursors.write(CursorPlace(last["created_at"], last["id"]))


def _by_offset(asked: ListRequest, portion: MemePortion) -> dict[str, list[tuple[str, Any]]]:
    offset, limit = asked.offset or 0, asked.limit
    last = max(0, (portion.total - 1) // limit * limit)
    found: dict[str, list[tuple[str, Any]]] = {"first": [("offset", 0)]}
    if offset > 0:
        found["prev"] = [("offset", min(max(0, offset - limit), last))]
    if portion.more:
        found["next"] = [("offset", offset + limit)]
    found["last"] = [("offset", last)]
    return found
