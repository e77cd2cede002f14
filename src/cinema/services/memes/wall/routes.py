"""`/memes` for people: the page, and what its forms do. A fault comes as the page itself, with the fault's status."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from dishka.integrations.fastapi import FromDishka
from fastapi import APIRouter, Request
from starlette.responses import Response

from cinema.accept import prefers_html
from cinema.database import Database, DatabaseUnavailable
from cinema.services.frame import problem_for
from cinema.services.memes import lists, queries, replies
from cinema.services.memes.cursors import Cursors
from cinema.services.memes.keys import scope_of
from cinema.services.memes.lists import ListRequest
from cinema.services.memes.models import MemeId, checked_texts
from cinema.services.memes.queries import MemePortion
from cinema.services.memes.uploads import Uploaded, read_picture
from cinema.services.memes.wall.forms import read_form
from cinema.services.memes.wall.page import FIELDS, NEW, Wall, render
from cinema.services.memes.writing import Writing
from cinema.subjects import subject_in
from stagedoor._problems import ProblemDetails, fields_of, problem_of
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import UpstreamError

__all__ = ["WallPage", "added", "declare_wall", "is_for_people"]

_SHOWN: Final = 24
_CREDENTIALS: Final = {"key": "an API key", "jwt": "a token"}
_TEXTS: Final = frozenset({"title", "description"})
_FAULTS: Final = (RequestRefused, UpstreamError, DatabaseUnavailable)


def is_for_people(request: Request) -> bool:
    """Tell whether a request wants the page: on the wall's own path, and by what it accepts."""
    said = ",".join(request.headers.getlist("accept"))
    return request.url.path.startswith("/memes") and prefers_html(said.encode("latin-1"))


@dataclass(frozen=True, slots=True)
class WallPage:
    """What shows the wall."""

    database: Database
    cursors: Cursors
    most: int  # octets of a picture
    writers: str = "off"  # who may write: everybody, or whom the gateway knows by a "key" or a "jwt"

    async def shown(self, request: Request, limit: int, offset: int) -> Response:
        """Answer the page that a request asks for."""
        needs = "" if self.writers == "off" or subject_in(request.headers) else _CREDENTIALS[self.writers]
        try:
            if "limit" not in request.query_params:
                limit = _SHOWN
            asked = lists.asked_of(request, self.cursors, limit, offset)
            portion = await lists.read(self.database, asked)
        except _FAULTS as error:
            return await self.failed(error, needs=needs)
        is_first = asked.place is None and not asked.offset
        body = render(self._wall(asked, portion, is_first=is_first, needs=needs))
        return replies.tagged(request, body, fields=FIELDS, media_type="text/html")

    async def failed(
        self,
        error: Exception,
        failed: str = "",
        said: Mapping[str, str] | None = None,
        *,
        pictured: bool = False,
        needs: str = "",
    ) -> Response:
        """Answer the first page with what went wrong on it; without memes where the database is what went wrong.

        `failed` is whose form it was, `pictured` tells whether that for a picture. A meme that is on another page is
        shown first, so that what was written is there; of one that is gone, or cannot be read, it stands in the form
        that adds one.
        """
        said = said or {}
        problem = _problem_of(error)
        asked, portion = ListRequest(_SHOWN, None, None), MemePortion([], more=False, total=0)
        shown = NEW if said or failed == NEW else ""
        if not isinstance(error, DatabaseUnavailable):
            with suppress(DatabaseUnavailable):  # one fault is told
                portion = await lists.read(self.database, asked)
                portion, shown = await self._with(failed, portion, shown)
        away = isinstance(error, UpstreamError)
        more: dict[str, Any] = {"failed": shown, "said": said, "pictured": pictured, "media_away": away}
        wall = self._wall(asked, portion, alert=_sentence(problem), needs=needs, **more)
        waits = {
            name.decode().title(): said.decode()
            for name, said in fields_of(problem)
            if name == b"retry-after"
        }
        headers = {**FIELDS, "Cache-Control": "no-store", **waits}
        return Response(render(wall), problem.status, headers, media_type="text/html")

    async def _with(self, meme_id: str, portion: MemePortion, instead: str) -> tuple[MemePortion, str]:
        """Return a page that has a meme on it, and whose form is open there: if there is no such meme, the other."""
        if meme_id in {"", NEW, *(row["id"] for row in portion.rows)}:
            return portion, meme_id
        row = await self.database.read(partial(queries.find, meme_id=meme_id))
        if row is None:
            return portion, instead
        return replace(portion, rows=[row, *portion.rows]), meme_id

    def _wall(self, asked: ListRequest, portion: MemePortion, **more: Any) -> Wall:  # noqa: ANN401 - fields of the wall
        older = ""
        if portion.more:
            older = f"/memes?limit={asked.limit}&cursor={lists.next_cursor(portion, self.cursors)}"
        return Wall(portion.rows, portion.total, older, most=self.most, **more)


def declare_wall(router: APIRouter, most: int) -> None:
    """Declare what the forms do; `most` is the octets of a picture."""

    @router.post("/memes/{meme_id}/edit", include_in_schema=False)
    async def edit(
        request: Request,
        meme_id: MemeId,
        writing: FromDishka[Writing],
        page: FromDishka[WallPage],
    ) -> Response:
        said: dict[str, str] = {}
        try:
            said |= await read_form(request, writing.spool)
            await writing.rewrite(meme_id, checked_texts(said), said.get("if_match") or None)
        except _FAULTS as error:
            texts = {name: text for name, text in said.items() if name in _TEXTS}
            return await page.failed(error, meme_id, texts)
        return _to_the_wall()

    @router.post("/memes/{meme_id}/image", include_in_schema=False)
    async def image(
        request: Request,
        meme_id: MemeId,
        writing: FromDishka[Writing],
        page: FromDishka[WallPage],
    ) -> Response:
        try:
            await read_picture(request, writing.spool, most)
            _, old = await writing.replace(meme_id, None)
        except _FAULTS as error:
            return await page.failed(error, meme_id, pictured=True)
        return _to_the_wall(old)

    @router.post("/memes/{meme_id}/delete", include_in_schema=False)
    async def delete(meme_id: MemeId, writing: FromDishka[Writing], page: FromDishka[WallPage]) -> Response:
        try:
            old = await writing.remove(meme_id, None)
        except _FAULTS as error:
            return await page.failed(error)
        return _to_the_wall(old)


async def added(request: Request, writing: Writing, page: WallPage, most: int) -> Response:
    """Take the form that adds a meme."""
    uploaded = Uploaded()
    try:
        scope = scope_of(request.headers)
        await read_picture(request, writing.spool, most, uploaded)
        await writing.create(uploaded.texts(), scope)
    except _FAULTS as error:
        return await page.failed(error, NEW, uploaded.said)
    return _to_the_wall()


def _to_the_wall(old: str = "") -> Response:
    fields = replies.purging(old) if old else {}
    return Response(None, 303, {"Location": "/memes", "Cache-Control": "no-store", **fields})


def _problem_of(error: Exception) -> ProblemDetails:
    return problem_of(error) if isinstance(error, UpstreamError) else problem_for(error)


def _sentence(problem: ProblemDetails) -> str:
    """Say what went wrong, without the names of a program."""
    rows = [f"{str(row['loc'][-1]).replace('_', ' ')}: {row['msg']}" for row in problem.errors]
    words = "; ".join(rows) or problem.detail
    return f"{problem.title}. {words[:1].upper()}{words[1:]}."
