"""Build what every service has: about page, health, metrics, and refusals in one form.

What a service stands on, a database or a store, is told by `probe`, which raises `DatabaseUnavailable` or `Outage`,
or returns `StoreFailed` where reading goes on and writing does not.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cinema import __version__
from cinema.database import Database, DatabaseUnavailable, causes, open_database
from cinema.services.answers import json_answer, problem_answer
from cinema.services.lateness import WatchedDatabase
from cinema.services.refusals import refusals
from cinema.settings import Settings
from cinema.telemetry import sentry_of
from stagedoor import _problems as problems
from stagedoor._asgi import Scope
from stagedoor._clock import SystemClock
from stagedoor._events import StoreFailed
from stagedoor._observers.logs import Logs, LogStream
from stagedoor._observers.metrics import Metrics
from stagedoor._observers.sentry import Sentry
from stagedoor._observers.tracing import tracing_of
from stagedoor._problems import ProblemDetails
from stagedoor._tracing import Tracer
from stagedoor._web.access import AccessObserver
from stagedoor._web.middleware import CAUSE, Framework, RequestMiddleware
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import Reason

__all__ = ["DatabaseFrame", "Frame", "Outage", "new_frame", "open_frame", "problem_for"]

BODY_BYTES = 2 * 1024 * 1024  # a full product batch, its ids as long as those of ours ever are
_HEALTH = "/health"
_FAULTS = 20  # of a body in one answer; a thousand bad ids need no thousand rows


Life: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]


def _nothing() -> AbstractAsyncContextManager[object]:
    return nullcontext()


class Outage(Exception):
    """What a service stands on does not answer: 503. `store` is its name in the log, `detail` is for the caller.

    The log says `why`, in words that name no address, and of which kind that is.
    """

    def __init__(self, store: str, detail: str, why: tuple[Reason, str]) -> None:
        super().__init__(store, detail)
        self.store = store
        self.detail = detail
        self.why = why


def _endpoint(scope: Scope) -> str:
    route = scope.get("route")
    return route.path_format if isinstance(route, APIRoute) else ""


_FASTAPI = Framework(
    endpoint=_endpoint,
    too_large=lambda most: HTTPException(413, f"the body must be at most {most} bytes"),
    body_bytes=BODY_BYTES,
    uncounted=frozenset({"/metrics"}),
    logger=logging.getLogger("cinema.services"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold a service in the making: routes go on `app`, `finish` puts the middleware round it."""

    app: FastAPI
    about: str
    probe: Callable[[], Awaitable[object]]
    stands_on: str
    logs: Logs
    metrics: Metrics
    tracer: Tracer | None
    sentry: Sentry | None

    def is_late(self, store: str) -> None:
        """Have the log name what the service stands on, and that it has not answered in time."""
        self.logs.observe(StoreFailed(store, "timeout", "timeout"))

    def finish(self, body_bytes: int = BODY_BYTES) -> RequestMiddleware:
        """Return the whole service, whose requests may bring so many bytes."""
        _refuse_in_form(self)
        _operate(self)
        framework = replace(_FASTAPI, body_bytes=body_bytes)
        told: list[AccessObserver] = [self.metrics, self.logs]
        if self.sentry is not None:
            told.append(self.sentry)
        return RequestMiddleware(self.app, framework, told, SystemClock(), self.tracer)


@dataclass(frozen=True, slots=True)
class DatabaseFrame(Frame):
    """Hold a service in the making that stands on a database."""

    database: Database


def open_frame(
    settings: Settings, stream: LogStream | None, name: str, about: str, table: Table, life: Life = _nothing
) -> DatabaseFrame:
    """Start a service of this name whose health depends on this table; nothing connects yet.

    `life` is entered while it runs, before the database is closed.
    """
    opened = open_database(settings.database_url, settings.database_pool_size)
    database: Database = WatchedDatabase(opened, lambda: bare.is_late("database"))
    probe = partial(_look, database, table)
    bare = new_frame(settings, stream, name, about, probe, "the database", database.close, life)
    parts = (
        bare.app,
        bare.about,
        bare.probe,
        bare.stands_on,
        bare.logs,
        bare.metrics,
        bare.tracer,
        bare.sentry,
    )
    return DatabaseFrame(*parts, database)


def new_frame(
    settings: Settings,
    stream: LogStream | None,
    name: str,
    about: str,
    probe: Callable[[], Awaitable[object]],
    stands_on: str,
    close: Callable[[], Awaitable[object]],
    life: Life = _nothing,
) -> Frame:
    """Start a service of this name, whose health is what `probe` finds; `close` ends what it stands on."""
    tracer, sentry = tracing_of(os.environ, name, __version__), sentry_of(settings, name)
    logs = Logs(
        stream or sys.stdout.buffer,
        level=settings.log_level,
        format=settings.log_format,
        service=name,
        labels={"media": "media_service"},
        spans=tracer is not None,
        sample=settings.log_sample,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            logs.capture(level="WARNING")
            stack.push_async_callback(logs.aclose)
            if tracer is not None:
                tracer.open()
                stack.push_async_callback(tracer.aclose)
            if sentry is not None:
                sentry.watch()
                stack.push_async_callback(sentry.aclose)
            stack.push_async_callback(close)
            await stack.enter_async_context(life())
            yield

    app = FastAPI(
        title=name,
        description=about,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # pages for people are the gateway's; these would load files from other hosts
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    return Frame(app, about, probe, stands_on, logs, Metrics({}, process=True), tracer, sentry)


def _operate(frame: Frame) -> None:
    app, name = frame.app, frame.app.title

    @app.get("/", summary="What this is")
    async def about_page() -> Response:
        endpoints = [
            f"{method.upper()} {path}"
            for path, methods in app.openapi()["paths"].items()
            for method in methods
        ]
        return json_answer(
            {"name": name, "description": frame.about, "version": __version__, "endpoints": endpoints}
        )

    @app.get(_HEALTH, summary=f"Whether {frame.stands_on} answers", responses=refusals(503))
    async def health() -> Response:
        trouble = await frame.probe()
        if not isinstance(trouble, StoreFailed):
            return json_answer({"status": "healthy", "service": name})
        frame.logs.observe(trouble)
        told = {"component": trouble.store, "cause": trouble.error}
        return json_answer({"status": "degraded", "service": name, **told})

    @app.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        page, kind = frame.metrics.render()
        return Response(page, media_type=kind)


async def _look(database: Database, table: Table) -> None:
    """Read something of a table; raises `DatabaseUnavailable`."""
    anything = select(table.c.id).limit(1)

    def look(connection: Connection) -> None:
        connection.execute(anything).first()

    try:
        await database.read(look)
    except SQLAlchemyError as error:  # it answers, and has no such table yet
        raise DatabaseUnavailable(str(error)) from error


def _refuse_in_form(frame: Frame) -> None:
    def refuse(request: Request, error: Exception) -> Response:
        problem, trouble = problem_for(error), _trouble_of(error)
        if trouble is not None:
            request.scope[CAUSE] = f"{trouble.store}: {trouble.error}"
            frame.logs.observe(trouble)
            if request.url.path == _HEALTH:  # which only those ask who look after us
                problem = replace(problem, members={"component": trouble.store, "cause": trouble.error})
        return problem_answer(request, problem)

    for kind in (
        HTTPException,
        RequestValidationError,
        DatabaseUnavailable,
        Outage,
        RequestRefused,
        Exception,
    ):
        frame.app.add_exception_handler(kind, refuse)


def _trouble_of(error: Exception) -> StoreFailed | None:
    """Return what is wrong with what the service stands on; None for what is no fault of that."""
    if isinstance(error, DatabaseUnavailable):
        reason, told = causes.why(error)
        return StoreFailed("database", told, reason)
    if isinstance(error, Outage):
        reason, told = error.why
        return StoreFailed(error.store, told, reason)
    return None


def problem_for(error: Exception) -> ProblemDetails:
    """Return what a caller is told about an error that left a route."""
    match error:
        case DatabaseUnavailable():
            return replace(problems.upstream_unavailable(1.0), detail="the database does not answer")
        case Outage():
            return replace(problems.upstream_unavailable(1.0), detail=error.detail)
        case RequestRefused():
            return error.problem
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _refused(error)
        case _:
            return problems.internal()


def _refused(error: HTTPException) -> ProblemDetails:
    match error.status_code:
        case 404:
            return problems.not_found("no such path" if error.detail == "Not Found" else error.detail)
        case 405:
            allow = (error.headers or {}).get("Allow", "")
            return problems.method_not_allowed(f"{allow}, HEAD" if "GET" in allow else allow)
        case 413:
            return problems.too_large(error.detail)
        case 415:
            return problems.unsupported_media(error.detail)
        case _:  # all that is left is a body that is no JSON
            return problems.bad_request("the body is not valid JSON")


def _invalid(error: RequestValidationError) -> ProblemDetails:
    faults = [
        {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]} for fault in error.errors()
    ]
    return problems.validation(*faults[:_FAULTS])
