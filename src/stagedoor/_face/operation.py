"""What a pass-through route promises of one method: documented, and held against what the service answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stagedoor import _problems as problems
from stagedoor._face.inputs import Input
from stagedoor._face.problems import Problem
from stagedoor._face.shapes import shape_of
from stagedoor._requests import HttpResponse
from stagedoor._transports.statuses import retry_after
from stagedoor._web.routes import Documentation, RequestRefused
from stagedoor.errors import UpstreamGarbled, UpstreamUnavailable

__all__ = ["Operation", "held"]

_PROBLEM: Final = b"application/problem+json"
_PAGE: Final = b"text/html"
_LONGEST: Final = 1_048_576
_AWAY: Final = frozenset({502, 503, 504})
# A head goes on with some fields of ours, and the service's bound may be lower than the door's: it is the client's.
_OF_THE_HEAD: Final = frozenset({414, 431})
_OURS: Final = (429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of a proxy: what documents say of it, and which answers are let through.

    A success has `status`, and JSON of the type `answers` if one is given; `also` are other statuses below 400 that
    pass. A refusal passes if its status is among `refusals`, or says that target or head are too long (414, 431). All
    else is what it is on every other route: an answer that makes no sense is 502, a failure of the service 503. A page
    (text/html) passes with any status that is named.

    `inputs` are the types of path and query parameters, `body` and `body_type` that of the request's body, `headers`
    the fields of the answer, by name with what they mean. `listed` is False for what no document shows; `pages` says
    that it answers with pages as well: then those pass too by which it tells a person that it cannot (502, 503, 504).
    """

    summary: str
    description: str = ""
    tags: tuple[str, ...] = ()
    status: int = 200
    also: frozenset[int] = frozenset()
    answers: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    body_type: str = "application/json"
    refusals: frozenset[int] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    listed: bool = True
    pages: bool = False

    def documentation(self) -> Documentation | None:
        """Return what documents say."""
        if not self.listed:
            return None
        return Documentation(
            summary=self.summary,
            description=self.description,
            tags=self.tags,
            model=self.answers,
            status=self.status,
            problems=tuple(sorted({*self.refusals, *_OURS})),
            headers=self.headers,
            body=self.body,
            body_type=self.body_type,
            also=tuple(sorted(self.also)),
            pages=self.pages,
        )

    def parameters(self, names: tuple[str, ...]) -> tuple[Input, ...]:
        """Return the inputs: those of the path, then those of the query."""
        of_path = [Input(name, name, "path", self.inputs.get(name, str)) for name in names]
        of_query = [
            Input(name, name, "query", hint, self.defaults[name])
            for name, hint in self.inputs.items()
            if name not in names
        ]
        return (*of_path, *of_query)


async def held(
    operation: Operation, name: str, response: HttpResponse, *, conditional: bool, bodiless: bool, wall: float
) -> HttpResponse:
    """Return a service's answer if it is one that the operation promises.

    Raises:
        Refused: it is none; the client hears the same as on a screen or from a handler.
        UpstreamGarbled: it is none, or not of the promised type.

    """
    status, kind = response.status, response.header(b"content-type") or b""
    if status in _AWAY and operation.pages and kind.startswith(_PAGE):
        return response
    if status >= 500:
        problem = problems.upstream_unavailable(retry_after(response.header(b"retry-after"), wall))
        raise RequestRefused(problem) from UpstreamUnavailable(name, f"answered {status}")
    if status >= 400:
        if status not in operation.refusals | _OF_THE_HEAD:
            raise UpstreamGarbled(name, f"answered {status}, which nobody promised")
        if not kind.startswith((_PROBLEM, _PAGE)):
            raise RequestRefused(Problem(status).said())
        return response
    if status == 304 and conditional:
        return response
    if status != operation.status and status not in operation.also:
        raise UpstreamGarbled(name, f"answered {status}, which nobody promised")
    reads = operation.answers is not None and status == operation.status and not bodiless
    return await _read(operation, name, response) if reads and not kind.startswith(_PAGE) else response


async def _read(operation: Operation, name: str, response: HttpResponse) -> HttpResponse:
    whole = response if response.stream is None else await _whole(name, response)
    if len(whole.body) > _LONGEST:
        raise UpstreamGarbled(name, "is longer than what is read whole")
    shape_of(operation.answers).read(name, whole)
    return whole


async def _whole(name: str, response: HttpResponse) -> HttpResponse:
    stream, body = response.stream, bytearray()
    assert stream is not None  # noqa: S101 - asked for by the one caller
    try:
        async for chunk in stream:
            body += chunk
            if len(body) > _LONGEST:
                raise UpstreamGarbled(name, "is longer than what is read whole")
    finally:
        await stream.aclose()
    return HttpResponse(status=response.status, headers=response.headers, body=bytes(body))
