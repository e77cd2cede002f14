"""Answer, take and change memes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated

from dishka import make_async_container
from dishka.integrations.fastapi import DishkaRoute, FromDishka, inject, setup_dishka
from fastapi import APIRouter, FastAPI, Query, Request
from starlette.responses import Response

from cinema.database import Database
from cinema.database.tables import meme
from cinema.services.answers import json_answer, problem_answer
from cinema.services.frame import open_frame
from cinema.services.memes import lists, queries, replies
from cinema.services.memes.bodies import read_texts
from cinema.services.memes.cleanup import HOUR, Cleanup
from cinema.services.memes.cursors import Cursors
from cinema.services.memes.demo.sowing import sow_memes
from cinema.services.memes.documents import CREATE_BODY, IMAGE_BODY, PAGE, SEE_OTHER, TEXTS_BODY
from cinema.services.memes.entities import as_json, as_meme, not_found
from cinema.services.memes.keys import scope_of
from cinema.services.memes.media import Media
from cinema.services.memes.methods import refuse_other_methods
from cinema.services.memes.models import PLAIN, Meme, MemeId
from cinema.services.memes.providers import Lifetimes
from cinema.services.memes.uploads import read_picture
from cinema.services.memes.wall.routes import WallPage, added, declare_wall, is_for_people
from cinema.services.memes.writing import Writing
from cinema.services.refusals import refusals
from cinema.settings import Settings
from cinema.texts import AROUND_PICTURE
from stagedoor._clock import SystemClock
from stagedoor._observers import fan_out
from stagedoor._observers.logs import LogStream
from stagedoor._problems import problem_of
from stagedoor._supervision import supervised
from stagedoor._web.middleware import CAUSE, RequestMiddleware
from stagedoor.errors import UpstreamError

__all__ = ["build"]

_GRACE = 5.0  # seconds for what is under way in the background
Limit = Annotated[int, PLAIN, Query(ge=1, le=100, description="How many at most", examples=[20])]
Offset = Annotated[
    int, PLAIN, Query(ge=0, le=2_147_483_647, description="How many to pass over", examples=[0])
]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the meme service."""

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        cleanup = await container.get(Cleanup)
        clock, media, stopping = SystemClock(), await container.get(Media), asyncio.Event()
        cleaning = asyncio.create_task(supervised(cleanup.run, clock, "cleanup"))
        sow = partial(sow_memes, frame.database, media, clock, settings.memes, stopping)
        sowing = asyncio.create_task(supervised(sow, clock, "demo"))
        try:
            yield
        finally:
            stopping.set()
            await cleanup.stop()
            await asyncio.wait({sowing}, timeout=_GRACE)
            sowing.cancel()
            cleaning.cancel()
            await container.close()

    frame = open_frame(settings, stream, "meme-service", "Pictures with a title", meme, life)
    container = make_async_container(Lifetimes(settings, frame.database, fan_out(frame.logs), frame.tracer))
    router = APIRouter(route_class=DishkaRoute)
    _declare_reading(router)
    _declare_writing(router, settings.media_max_bytes)
    wall = APIRouter(route_class=DishkaRoute)
    declare_wall(wall, settings.media_max_bytes)
    frame.app.include_router(router)
    frame.app.include_router(wall)
    frame.app.include_router(router, prefix="/api", include_in_schema=False)
    _declare_sweep(frame.app)
    frame.app.add_exception_handler(UpstreamError, _media_failed)
    setup_dishka(container, frame.app)
    refuse_other_methods(frame.app, {"": [router, wall], "/api": [router]})
    return frame.finish(settings.media_max_bytes + AROUND_PICTURE)


def _media_failed(request: Request, error: Exception) -> Response:
    request.scope[CAUSE] = f"media_service: {error.reason}" if isinstance(error, UpstreamError) else ""
    # By `component` a gateway knows that it is not this service that is away.
    return problem_answer(request, replace(problem_of(error), members={"component": "media_service"}))


def _declare_reading(router: APIRouter) -> None:
    @router.get(
        "/memes",
        response_model=list[Meme],
        summary="Memes, newest first",
        responses=PAGE | refusals(422, 503, pages=True),
    )
    async def list_memes(
        request: Request,
        database: FromDishka[Database],
        cursors: FromDishka[Cursors],
        page: FromDishka[WallPage],
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Answer a page, with `X-Total-Count` and `Link`.

        Asked without `offset`, `next` carries a `cursor` in its place: a walk along it neither loses nor repeats.
        """
        if is_for_people(request):
            return await page.shown(request, limit, offset)
        # The wall is on one of the two paths; its own answers vary by what is accepted (RFC 9110 12.5.5).
        vary = {"Vary": "Accept"} if request.url.path == "/memes" else {}
        asked = lists.asked_of(request, cursors, limit, offset)
        portion = await lists.read(database, asked)
        fields = {
            "X-Total-Count": str(portion.total),
            "Link": lists.links(request, asked, portion, cursors),
            **vary,
        }
        return replies.tagged(request, as_json([as_meme(row) for row in portion.rows]), fields=fields)

    @router.get(
        "/memes/{meme_id}", response_model=Meme, summary="One meme", responses=refusals(404, 422, 503)
    )
    async def get_meme(request: Request, meme_id: MemeId, database: FromDishka[Database]) -> Response:
        row = await database.read(partial(queries.find, meme_id=meme_id))
        if row is None:
            raise not_found(meme_id)
        return replies.one_answer(request, row)


def _declare_writing(router: APIRouter, most: int) -> None:
    @router.post(
        "/memes",
        status_code=201,
        response_model=Meme,
        summary="Add a meme",
        openapi_extra=CREATE_BODY,
        responses=SEE_OTHER | refusals(400, 409, 413, 415, 422, 502, 503, 504, pages=True),
    )
    async def create_meme(
        request: Request, writing: FromDishka[Writing], page: FromDishka[WallPage]
    ) -> Response:
        """Add a picture with its texts. `Idempotency-Key` makes it safe to send again, for 24 hours."""
        if is_for_people(request):
            return await added(request, writing, page, most)
        scope = scope_of(request.headers)
        texts = (await read_picture(request, writing.spool, most)).texts()
        return replies.created(await writing.create(texts, scope))

    @router.put(
        "/memes/{meme_id}",
        response_model=Meme,
        summary="Write other texts",
        openapi_extra=TEXTS_BODY,
        responses=refusals(400, 404, 412, 413, 415, 422, 503),
    )
    async def put_meme(request: Request, meme_id: MemeId, writing: FromDishka[Writing]) -> Response:
        """Write title and description anew; the picture stays. `If-Match` holds it to the state that you saw."""
        texts = await read_texts(request)
        row = await writing.rewrite(meme_id, texts, _condition(request))
        return replies.written(as_json(as_meme(row)))

    for path, listed in (("/memes/{meme_id}/image", True), ("/memes/{meme_id}/update_image", False)):

        @router.patch(
            path,
            response_model=Meme,
            summary="Show another picture",
            openapi_extra=IMAGE_BODY,
            responses=refusals(400, 404, 412, 413, 415, 422, 502, 503, 504),
            include_in_schema=listed,
        )
        async def patch_image(request: Request, meme_id: MemeId, writing: FromDishka[Writing]) -> Response:
            """Put another picture in the place of the present one, which is removed. `If-Match` as with PUT."""
            await read_picture(request, writing.spool, most)
            row, old = await writing.replace(meme_id, _condition(request))
            return replies.written(as_json(as_meme(row)), fields=replies.purging(old))

    @router.delete(
        "/memes/{meme_id}",
        status_code=204,
        response_class=Response,
        summary="Remove a meme",
        responses=refusals(404, 412, 422, 503),
    )
    async def delete_meme(request: Request, meme_id: MemeId, writing: FromDishka[Writing]) -> Response:
        """Remove a meme and its picture. `If-Match` as with PUT."""
        return replies.gone(await writing.remove(meme_id, _condition(request)))


def _declare_sweep(app: FastAPI) -> None:
    @app.post("/sweep", include_in_schema=False)
    @inject
    async def sweep(
        cleanup: FromDishka[Cleanup],
        older_than: Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)] = HOUR,
    ) -> Response:
        """Remove what no meme has, for `cinema sweep`; whoever asks can only take away what nobody can see."""
        return json_answer({"removed": await cleanup.sweep(older_than)})


def _condition(request: Request) -> str | None:
    said = request.headers.getlist("if-match")
    return ", ".join(said) if said else None
