"""Refuse the methods that a path does not have, naming all that it has (RFC 9110 15.5.6).

Of several routes on one path the framework names the first one's method only.
"""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

__all__ = ["refuse_other_methods"]


class _Refusing:
    """An application that refuses every request."""

    def __init__(self, path: str, methods: set[str]) -> None:
        self.path_format = path
        self._allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        raise HTTPException(405, headers={"Allow": self._allow})


def refuse_other_methods(app: FastAPI, routers: Mapping[str, Sequence[APIRouter]]) -> None:
    """Put a refusal behind the routes of each path; `routers` are those below each prefix.

    It names the methods that documents list; where they list none, all.
    """
    listed: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for prefix, below in routers.items():
        for route in [one for router in below for one in router.routes if isinstance(one, APIRoute)]:
            methods = listed if route.include_in_schema else others
            methods.setdefault(prefix + route.path_format, set()).update(route.methods or ())
    app.router.routes += [Route(path, _Refusing(path, known)) for path, known in (others | listed).items()]
