"""Which documents there are, and what data routes say when only documents are served."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from cinema import __version__
from stagedoor import problems
from stagedoor.web.answer import Answer
from stagedoor.web.docs import DocumentSet, documentation_routes
from stagedoor.web.request import Request
from stagedoor.web.routes import Refused, Route

__all__ = ["documentation", "without_data"]

TITLE = "cinema"
DESCRIPTION = (
    "An online cinema behind one door. Every error is a problem document (RFC 9457); every answer carries "
    "`X-Request-ID`. Paths work with and without one trailing slash; HEAD works wherever GET does."
)
_SETS = (
    DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc"),
    DocumentSet(
        openapi="/api/openapi.json", prefix="/api", swagger=("/api/docs", "/api/openapi"), redoc="/api/redoc"
    ),
    DocumentSet(openapi="/v1/openapi.json", prefix="/v1", swagger=("/v1/docs",)),
)


def documentation(routes: Callable[[], Sequence[Route]]) -> list[Route]:
    """Return the routes of every document; `routes` is asked when the first is wanted."""
    return documentation_routes(
        _SETS,
        routes=routes,
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        nonce=lambda: secrets.token_urlsafe(16),
        namespace=TITLE,
    )


def without_data(routes: Sequence[Route]) -> list[Route]:
    """Return the same routes, each saying that only documentation is served."""
    return [replace(route, handle=_docs_only) for route in routes]


async def _docs_only(_: Request) -> Answer:
    raise Refused(problems.docs_only())
