"""Build what every service has: about page, health, metrics, and refusals in one form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Connection, Table, select
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from cinema import __version__
from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.services.answers import json_answer, problem_answer
from cinema.services.journal import Journal
from cinema.services.rim import Meters, Rim
from cinema.settings import Settings

__all__ = ["Frame", "open_frame"]


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
        await frame.database.read(probe)
        return json_answer({"status": "healthy", "service": name})

    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        return Response(frame.meters.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _refuse_in_form(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DatabaseUnavailable, _away)
    app.add_exception_handler(Exception, _fault)


def _problem(request: Request, status: int, detail: str, **rest: object) -> Response:
    return problem_answer(
        status, detail, instance=request.scope["path"], request_id=request.scope["request_id"], **rest
    )


# What the framework says by itself, in our words.
_PLAIN = {
    "Not Found": "no such path",
    "Method Not Allowed": "this path does not take this method",
    "There was an error parsing the body": "the body is not valid JSON",
}


def _refused(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    detail = _PLAIN.get(error.detail, error.detail)
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"
    return _problem(request, error.status_code, detail, headers=headers)


def _invalid(request: Request, error: RequestValidationError) -> Response:
    faults = [
        {"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]} for fault in error.errors()
    ]
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _problem(request, 400, "the body is not valid JSON")
    first = faults[0]
    where = " ".join(str(step) for step in first["loc"])
    return _problem(request, 422, f"{where}: {first['msg']}", errors=faults[:20])


def _away(request: Request, _: DatabaseUnavailable) -> Response:
    return _problem(request, 503, "the database does not answer", headers={"Retry-After": "1"})


def _fault(request: Request, _: Exception) -> Response:
    return _problem(request, 500, "an unexpected fault; it has been logged under this request id")
