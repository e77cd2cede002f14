"""Build what every service has: about page, health, metrics, and refusals in one form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from cinema import __version__
from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.services.answers import json_answer, problem_answer
from cinema.services.journal import Journal
from cinema.services.rim import Meters, Rim
from cinema.settings import Settings
from stagedoor import problems
from stagedoor.problems import Problem

__all__ = ["Frame", "open_frame", "problem_for"]

_FAULTS = 20  # of a body in one answer; a thousand bad ids need no thousand rows


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold a service in the making: routes go on `app`, `finish` puts the rim around it."""

    app: FastAPI
    database: Database
    journal: Journal
    meters: Meters

    def finish(self) -> ASGIApp:
        """Return the whole service."""
        return Rim(self.app, self.journal, self.meters)


def open_frame(settings: Settings, journal: Journal, name: str, about: str, table: Table) -> Frame:
    """Start a service of this name whose health depends on this table; nothing connects yet."""
    database = open_database(settings.database_url, settings.database_pool_size)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

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
    frame = Frame(app, database, journal, Meters())
    _refuse_in_form(app)
    _operate(frame, name, about, table)
    return frame


def _operate(frame: Frame, name: str, about: str, table: Table) -> None:
    app = frame.app
    anything = select(table.c.id).limit(1)

    def probe(connection: Connection) -> None:
        connection.execute(anything).first()

    @app.get("/", summary="What this is")
    async def about_page() -> Response:
        endpoints = [
            f"{method.upper()} {path}"
            for path, methods in app.openapi()["paths"].items()
            for method in methods
        ]
        return json_answer(
            {"name": name, "description": about, "version": __version__, "endpoints": endpoints}
        )

    @app.get("/health", summary="Whether the database answers")
    async def health() -> Response:
        try:
            await frame.database.read(probe)
        except SQLAlchemyError as error:  # it answers, and has no such table yet
            raise DatabaseUnavailable(str(error)) from error
        return json_answer({"status": "healthy", "service": name})

    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        return Response(frame.meters.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _refuse_in_form(app: FastAPI) -> None:
    for kind in (HTTPException, RequestValidationError, DatabaseUnavailable, Exception):
        app.add_exception_handler(kind, _refuse)


def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, DatabaseUnavailable):
        request.scope["reason"] = type(
            error.__cause__ or error
        ).__name__  # for the log line; its text may name hosts
    return problem_answer(request, problem_for(error))


def problem_for(error: Exception) -> Problem:
    """Return what a caller is told about an error that left a route."""
    match error:
        case DatabaseUnavailable():
            return replace(problems.upstream_unavailable(1.0), detail="the database does not answer")
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _refused(error)
        case _:
            return problems.internal()


def _refused(error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            return problems.not_found("no such path" if error.detail == "Not Found" else error.detail)
        case 405:
            allow = (error.headers or {}).get("Allow", "")
            return problems.method_not_allowed(f"{allow}, HEAD" if "GET" in allow else allow)
        case 413:
            return problems.too_large(error.detail)
        case _:  # all that is left is the framework's refusal of a body that is no text
            return problems.bad_request("the body is not valid JSON")


def _invalid(error: RequestValidationError) -> Problem:
    faults = [
        {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]} for fault in error.errors()
    ]
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problems.bad_request("the body is not valid JSON")
    return problems.validation(*faults[:_FAULTS])
