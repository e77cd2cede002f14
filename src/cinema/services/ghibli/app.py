"""Answer as the public film API does: five kinds of facts, in lists and one by one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import HTTPException, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from cinema.services.answers import json_answer
from cinema.services.frame import new_frame
from cinema.services.ghibli.facts import Fact, matching, only, read_facts
from cinema.services.ghibli.models import Film, Location, Person, Species, Vehicle
from cinema.settings import Settings
from stagedoor._observers.logs import LogStream
from stagedoor._web.middleware import RequestMiddleware

__all__ = ["build"]

KINDS: dict[str, type[BaseModel]] = {
    "films": Film,
    "people": Person,
    "locations": Location,
    "species": Species,
    "vehicles": Vehicle,
}
Id = Annotated[str, Path(description="The id", examples=["58611129-2dbc-4a81-a72f-77ddfc1b1b49"])]
Fields = Annotated[str, Query(description="Only these fields, comma-separated", examples=["id,url"])]
Limit = Annotated[int, Query(ge=1, le=250, description="How many at most", examples=[250])]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the stand-in."""
    about = "Facts of the film API, served offline"
    frame = new_frame(settings, stream, "ghibli-service", about, _nothing, "its set of facts", _nothing)
    for kind, rows in read_facts(settings.ghibli_base_url).items():
        model: Any = KINDS[kind]
        frame.app.add_api_route(
            f"/{kind}",
            _list_of(rows),
            response_model=list[model],
            summary=f"All {kind}; any field may be asked for, as in `?id=`",
        )
        frame.app.add_api_route(
            f"/{kind}/{{id:path}}",  # `:path` because an id may hold an encoded slash
            _thing_of(rows),
            response_model=model,
            summary=f"One of the {kind}",
        )
    return frame.finish()


async def _nothing() -> None:
    """Ask and close nothing: the facts are part of the program."""


def _list_of(rows: Sequence[Fact]) -> Callable[..., Awaitable[Response]]:
    async def answer(request: Request, fields: Fields = "", limit: Limit = 250) -> Response:
        found = matching(rows, dict(request.query_params))
        return json_answer([only(one, fields) for one in found[:limit]])

    return answer


def _thing_of(rows: Sequence[Fact]) -> Callable[..., Awaitable[Response]]:
    known = {one["id"]: one for one in rows}

    async def answer(id: Id, fields: Fields = "") -> Response:  # noqa: A002 - the name of the path's parameter
        if id not in known:
            raise HTTPException(404, "no such id")
        return json_answer(only(known[id], fields))

    return answer
