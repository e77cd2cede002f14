"""Routes that hand one checked value straight to their function.

FastAPI solves a route's dependencies anew for each request, which costs more than all else it does. What is asked
most often needs one id or one body and nothing more: these two kinds of route check that one value and call. The
declaration is FastAPI's as before: the OpenAPI document and the places named in a refusal come from it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias, get_type_hints

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from cinema.services.bodies import parsed_json

__all__ = ["BodyRoute", "PathRoute"]

Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class PathRoute(APIRoute):
    """A route whose function takes the one parameter of its path."""

    def get_route_handler(self) -> Handler:
        """Return what checks the parameter and calls the function."""
        name, check, answer = _argument_of(self.endpoint)

        async def handle(request: Request) -> Response:
            return await answer(_checked(check, request.path_params[name], "path", name))

        return handle


class BodyRoute(APIRoute):
    """A route whose function takes the JSON of its body."""

    def get_route_handler(self) -> Handler:
        """Return what reads and checks the body and calls the function."""
        _, check, answer = _argument_of(self.endpoint)

        async def handle(request: Request) -> Response:
            _validate_json(request.headers)
            return await answer(_checked(check, _parsed(await request.body()), "body"))

        return handle


def _argument_of(
    endpoint: Callable[..., Awaitable[Response]],
) -> tuple[str, Callable[[object], Any], Callable[[Any], Awaitable[Response]]]:
    """Return the name of a function's one argument, what checks it, and the function."""
    hints = get_type_hints(endpoint, include_extras=True)
    ((name, kind),) = ((name, kind) for name, kind in hints.items() if name != "return")
    return name, TypeAdapter(kind).validate_python, endpoint


def _checked(check: Callable[[object], Any], value: object, *place: str) -> Any:  # noqa: ANN401 - each has a type of its own
    try:
        return check(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**fault, "loc": (*place, *fault["loc"])} for fault in faults]
        ) from None


def _validate_json(headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, "the body must be application/json")


def _parsed(body: bytes) -> object:
    if not body:
        raise RequestValidationError([{"loc": ("body",), "msg": "Field required", "type": "missing"}])
    return parsed_json(body)
