"""Routes as data, and the pure decision which one a path means.

Routing works on the raw bytes of the path, split at "/" before anything is decoded, so that an encoded slash or
an encoded dot stays inside its segment and never reaches another route (T8). One trailing slash is the same path.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from stagedoor import _problems as problems
from stagedoor._asgi import Scope
from stagedoor._context import Priority
from stagedoor._parameters import InputFault, Invalid, Parameter
from stagedoor._problems import ProblemDetails
from stagedoor._value import value
from stagedoor._web.answer import WebAnswer
from stagedoor._web.request import Request
from stagedoor.errors import ConfigError

__all__ = [
    "UNMATCHED",
    "Documentation",
    "Handler",
    "RequestRefused",
    "Route",
    "RouteMatch",
    "Router",
    "Security",
]

UNMATCHED = "unmatched"
_PERCENT = ord("%")  # as a number: given bytes, `in` makes a TypeError first, and drops it
_REST = ":path}"  # a last parameter that takes all the segments that are left, as they stand

Handler: TypeAlias = Callable[[Request], Awaitable[WebAnswer]]


class RequestRefused(Exception):
    """An answer that is a problem, raised by whoever knows."""

    def __init__(self, problem: problems.ProblemDetails) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Security:
    """What documents say of who may come in: a name, its scheme (OpenAPI 4.8.27), and the scopes that are needed."""

    name: str
    scheme: Mapping[str, str]
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """What the OpenAPI document says of a route beyond its path and parameters."""

    summary: str
    description: str = ""
    tags: tuple[str, ...] = ()
    model: Any = None  # the type of the answer's body, as pydantic understands it
    media_type: str = "application/json"  # "" where its answer has no body
    status: int = 200
    problems: tuple[int | ProblemDetails, ...] = ()  # a status, or exactly what is said with it
    headers: Mapping[str, str] = field(default_factory=dict)  # field name -> description
    body: Any = None  # the type of the request's body
    body_type: str = "application/json"  # its media type
    body_required: bool = True
    deprecated: bool = False
    security: Security | None = None  # None: everybody may come in
    also: tuple[int, ...] = ()  # other statuses below 400, without a body that a program would read
    pages: bool = False  # whether it answers with a page for people as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path with one method. GET serves HEAD too.

    `public` declares that everybody gets the same answer: credentials are neither read nor forwarded, and no
    identity enters a key. `counted` is False for routes that stay out of the request metrics. `live` routes are
    answered however often a client has asked, and however much there is to do; of the others the more urgent are, by
    their `priority`.
    """

    path: str
    handle: Handler
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    public: bool = False
    counted: bool = True
    live: bool = False
    priority: Priority = "detail"
    documentation: Documentation | None = None
    kind: str = "route"
    cached: float | None = None  # seconds an answer may be kept, for the routes table
    varies: tuple[str, ...] = ()  # the fields of a request that its answer depends on
    # The fields of a request, in lower case, that with its target decide the whole of an answer that is kept, so that
    # it may be given again without asking the handler; None where more than that decides, or it is not to be.
    repeats: tuple[bytes, ...] | None = None
    compress: bool | None = None  # as a rule (`coding`), always where it can be, or never
    # Its answers are a service's, their entity tags too, and it asks by the service's own.
    foreign: bool = False
    # Tells by the names of a request's fields whether its answer may be somebody's own, though no guard knows of it.
    secret: Callable[[Iterable[bytes]], bool] | None = None
    raw: bool = False  # the handler wants the path's parameters as they came too
    deadline: float | None = None  # seconds for the whole request, where it is not the gateway's
    # The subject of a key or token that is known to be good, "" if there is none: who asks, for the throttle. Only
    # what was verified may be named: else whoever invents credentials would be a new client with each request.
    subject: Callable[[Scope], str] | None = None
    caller: Callable[[Scope], object] | None = None  # makes what the context of a request knows of who asks


@value()
class RouteMatch:
    """A route and the raw segments its parameters stand in."""

    route: Route
    names: tuple[str, ...] = ()
    segments: Sequence[bytes] = ()

    def raw(self) -> dict[str, bytes] | None:
        """Return the parameters as they came, where the route asks for them."""
        return dict(zip(self.names, self.segments, strict=True)) if self.route.raw else None

    def params(self) -> dict[str, str]:
        """Return the decoded parameters; raises `Invalid` for text that is not UTF-8."""
        return {name: _decoded(name, raw) for name, raw in zip(self.names, self.segments, strict=True)}


class _Node:
    """The routes of one path pattern, by method."""

    __slots__ = ("methods", "names", "pattern", "refusing", "rest", "shape", "template")

    def __init__(self, template: str) -> None:
        self.template = template
        segments = template.strip("/").split("/")
        self.pattern = tuple(None if part.startswith("{") else part.encode() for part in segments)
        self.rest = segments[-1].endswith(_REST)
        shapes = [b"/([^/]+)" if part is None else b"/" + re.escape(part) for part in self.pattern]
        if self.rest:
            shapes[-1] = b"/(.+)"
        self.shape = re.compile(b"".join(shapes), re.DOTALL)
        self.names = tuple(part[1:-1].removesuffix(":path") for part in segments if part.startswith("{"))
        self.methods: dict[str, Route] = {}
        self.refusing = Route(path=template, handle=_not_found)


class Router:
    """Finds the route of a path: a dictionary for fixed paths, few candidates by length for the others."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[bytes, _Node] = {}
        self._open: dict[int, list[_Node]] = {}
        self._rest: list[_Node] = []  # of any length, asked last
        nodes: dict[str, _Node] = {}
        for route in routes:
            node = nodes.get(route.path) or nodes.setdefault(route.path, self._node(route.path))
            if node.methods.setdefault(route.method, route) is not route:
                raise ConfigError(f"{route.method} {route.path} is declared twice")
        for node in nodes.values():
            if "GET" in node.methods:
                node.methods.setdefault("HEAD", node.methods["GET"])
            node.refusing = _refusing(node.template, sorted(node.methods))

    def _node(self, template: str) -> _Node:
        node = _Node(template)
        if node.rest:
            self._rest.append(node)
            self._rest.sort(key=lambda other: (-len(other.pattern), [part is None for part in other.pattern]))
        elif None in node.pattern:
            siblings = self._open.setdefault(len(node.pattern), [])
            siblings.append(node)
            # The more fixed segments, the sooner asked: /films/search before /films/{id}.
            siblings.sort(key=lambda other: [part is None for part in other.pattern])
        else:
            self._fixed[b"/" + template.strip("/").encode()] = node
        return node

    def match(self, method: str, path: bytes) -> RouteMatch:
        """Return what a raw path means; what has no route gets one that refuses, and says why."""
        node, segments = self._find(path)
        if node is None:
            return _UNMATCHED
        route = node.methods.get(method) or node.refusing
        return RouteMatch(route, node.names, segments) if segments else RouteMatch(route)

    def allowed(self, path: bytes) -> str | None:
        """Return the methods of a raw path, as in "GET, HEAD"; None for one that has no route."""
        node, _ = self._find(path)
        return None if node is None else ", ".join(sorted(node.methods))

    def _find(self, path: bytes) -> tuple[_Node | None, Sequence[bytes]]:
        short = _unslashed(path)
        fixed = self._fixed.get(short)
        if fixed is not None:
            return fixed, ()
        for node in self._open.get(short.count(b"/"), ()):
            found = node.shape.fullmatch(short)
            if found is not None:
                return node, found.groups()
        return self._find_rest(path)

    def _find_rest(self, path: bytes) -> tuple[_Node | None, Sequence[bytes]]:
        """Find a route that takes the rest of a path, a trailing slash included."""
        for node in self._rest:
            found = node.shape.fullmatch(path)
            if found is not None:
                return node, found.groups()
        return None, ()


def _unslashed(path: bytes) -> bytes:
    return path[:-1] if path.endswith(b"/") and path != b"/" else path


async def _not_found(_: Request) -> WebAnswer:
    raise RequestRefused(problems.not_found("no such path"))


def _refusing(template: str, allow: Sequence[str]) -> Route:
    """Return the route that answers the methods a path does not have."""

    async def refuse(_: Request) -> WebAnswer:
        raise RequestRefused(problems.method_not_allowed(", ".join(allow)))

    return Route(path=template, handle=refuse, public=True)


_UNMATCHED = RouteMatch(Route(path=UNMATCHED, handle=_not_found, public=True))


def _decoded(name: str, raw: bytes) -> str:
    """Decode one segment as UTF-8; %2F becomes a slash of the value, not of the path."""
    try:
        return (unquote_to_bytes(raw) if _PERCENT in raw else raw).decode()
    except UnicodeDecodeError:
        raise Invalid(InputFault(("path", name), "must be UTF-8, percent-encoded", "encoding")) from None
