"""A service: the declaration of an upstream, and its typed client."""

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, LiteralString, TypeVar, overload

from pydantic import TypeAdapter

from stagedoor import requests
from stagedoor._face.caller import Caller, caller_here, noted
from stagedoor._face.fields import Cookie, Picker, lower_fields
from stagedoor._face.kept import Cache
from stagedoor._face.places import Place
from stagedoor._face.remote import AnyPolicy
from stagedoor._face.replies import ABSENT_STATUSES, Asking, Reply, Response, Stream
from stagedoor._face.shapes import shape_of, written
from stagedoor._face.templates import path_of, query_of
from stagedoor.errors import UpstreamError, UpstreamGarbled, UpstreamRejected
from stagedoor.requests import HttpRequest, HttpResponse

__all__ = ["Service"]

T = TypeVar("T")
_ACCEPT: Final[requests.Headers] = ((b"accept", b"application/json"),)
_JSON: Final[requests.Headers] = (*_ACCEPT, (b"content-type", b"application/json"))
_SAFE: Final = frozenset({"GET", "HEAD"})


class _Missing:
    def __repr__(self) -> str:
        return "..."


_NOTHING: Final[Any] = _Missing()


class Service:
    """A typed client of one upstream, made by `Gateway.service`.

    Each `{}` of a path takes one argument, encoded as one segment; an empty one, `.` and `..` cannot be, and are the
    caller's 422. `shape` is a class, a generic (`list[Item]`) or, for unions and the like, a `TypeAdapter`. The
    methods raise `UpstreamError` for an answer that cannot be had, `TypeError` for a mistake in the call, and
    `RuntimeError` outside a request.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        forward: AbstractSet[str | Cookie],
        headers: Mapping[str, str],
        attempt: float | None,
        policies: Sequence[AnyPolicy] | None,
        cache: Cache | None,
        coalesce: bool,
        label: str = "",
        health: str = "",
        pool: tuple[int, float, bool] = (100, 0.05, False),
        place: Place,
    ) -> None:
        self.name = name
        self.label = label or name
        self.health = health
        self.connections, self.connect, self.decompress = pool
        self.url = url
        self.forward = Picker(forward, f"service {name!r}")
        self.headers = lower_fields(headers)
        self.attempt = attempt
        self.policies = policies
        self.cache = cache
        self.coalesce = coalesce
        self.place = place
        self._plain = not self.headers and not forward  # nothing is sent but what a call says

    @overload
    async def get(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        cache: Cache | None = None,
    ) -> T: ...
    @overload
    async def get(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        cache: Cache | None = None,
        absent: T,
    ) -> T: ...
    def get(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        cache: Cache | None = None,
        absent: T = _NOTHING,
    ) -> Coroutine[Any, Any, T]:
        """Ask for a value. `absent` is what 404, 410 and 204 mean; without it they are errors."""
        target = path_of(path, segments) + query_of(query) if query else path_of(path, segments)
        return self._ask("GET", shape, path, target, _ACCEPT, headers, b"", True, cache, absent)

    @overload
    async def post(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        cache: Cache | None = None,
    ) -> T: ...
    @overload
    async def post(
        self,
        shape: None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
    ) -> None: ...
    def post(
        self,
        shape: type[T] | TypeAdapter[T] | None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        cache: Cache | None = None,
    ) -> Coroutine[Any, Any, T | None]:
        """Send a value; `shape` None where the answer has none.

        `safe`: a question in a body, which may be repeated, joined and kept.
        """
        target = path_of(path, segments) + query_of(query)
        return self._ask("POST", shape, path, target, _JSON, headers, written(json), safe, cache)

    @overload
    async def put(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T: ...
    @overload
    async def put(
        self,
        shape: None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    async def put(
        self,
        shape: type[T] | TypeAdapter[T] | None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        """Put a value in a place; `shape` None where the answer has none."""
        target = path_of(path, segments) + query_of(query)
        found: T | None = await self._ask("PUT", shape, path, target, _JSON, headers, written(json))
        return found

    @overload
    async def patch(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T: ...
    @overload
    async def patch(
        self,
        shape: None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    async def patch(
        self,
        shape: type[T] | TypeAdapter[T] | None,
        path: LiteralString,
        *segments: object,
        json: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        """Change a value in part; `shape` None where the answer has none."""
        target = path_of(path, segments) + query_of(query)
        found: T | None = await self._ask("PATCH", shape, path, target, _JSON, headers, written(json))
        return found

    @overload
    async def delete(
        self,
        shape: type[T] | TypeAdapter[T],
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T: ...
    @overload
    async def delete(
        self,
        shape: None,
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...
    async def delete(
        self,
        shape: type[T] | TypeAdapter[T] | None,
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        """Delete what is there; `shape` None where the answer has none."""
        target = path_of(path, segments) + query_of(query)
        found: T | None = await self._ask("DELETE", shape, path, target, _ACCEPT, headers, b"")
        return found

    async def request(
        self,
        method: str,
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> Response:
        """Return the answer as it came, whatever its status; raises `UpstreamError` if none came."""
        caller, operation = caller_here(), f"{self.name}.{method} {path}"
        target = path_of(path, segments) + query_of(query)
        asking = self._asking(caller, method, target, headers, body, streamed=False)
        return Response(operation, (await self._raw(caller, operation, asking)).response)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> AsyncIterator[Stream]:
        """Return the answer as it came, its body in chunks; raises `UpstreamError` if none came, or in the middle."""
        caller, operation = caller_here(), f"{self.name}.{method} {path}"
        target = path_of(path, segments) + query_of(query)
        asking = self._asking(caller, method, target, headers, body, streamed=True)
        stream = Stream((await self._raw(caller, operation, asking)).response)
        try:
            yield stream
        finally:
            await stream.aclose()

    async def pass_on(self, caller: Caller, template: str, request: HttpRequest) -> HttpResponse:
        """Send a request that is somebody else's, and return the answer as it came."""
        forwarded = caller.forwarded(self, self.name, self.forward)
        whole = Asking(
            method=request.method,
            target=request.target,
            headers=_merged(request.headers, self.headers, forwarded),
            body=request.body,
            streamed=True,
            raw=True,
        )
        return (await self._raw(caller, f"{self.name}.{request.method} {template}", whole)).response

    async def _ask(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        shape: Any,  # noqa: ANN401 - a type form
        path: str,
        target: bytes,
        usual: requests.Headers,
        headers: Mapping[str, str] | None,
        body: bytes,
        safe: bool = False,
        cache: Cache | None = None,
        absent: Any = _NOTHING,  # noqa: ANN401 - of the shape's type
    ) -> Any:  # noqa: ANN401 - of the shape's type
        """Make a typed call. What calls it is no coroutine, since each costs every call something."""
        caller, operation = caller_here(), f"{self.name}.{method} {path}"
        form = None if shape is None and method != "GET" else shape_of(shape)
        running = caller.running
        remote = running.at_work.get(self) or running.remote(self)
        tags: tuple[str, ...] = ()
        if cache is not None or self.cache is not None:
            tags = remote.tags(cache, safe, caller)
            for name in tags:
                caller.tag(name)
        asking = Asking(
            method=method,
            target=target,
            headers=usual if self._plain and not headers else self._fields(caller, usual, headers),
            body=body,
            shape=form,
            absent=absent is not _NOTHING,
            tags=tags,
        )
        asked = remote.call(operation, asking, safe, cache)
        try:
            reply = await (asked if safe else noted(caller, asked))
        except UpstreamRejected as error:
            if absent is _NOTHING or error.response is None or error.response.status not in ABSENT_STATUSES:
                raise
            return absent
        if form is None:
            return None
        if reply.response.status == 204 and absent is not _NOTHING:
            return absent
        return reply.take(operation, form)

    async def _raw(self, caller: Caller, operation: str, asking: Asking) -> Reply:
        """Make a call whose answer counts whatever its status."""
        safe = asking.method in _SAFE
        asked = caller.running.remote(self).call(operation, asking, safe, None)
        try:
            return await (asked if safe else noted(caller, asked))
        except UpstreamError as error:
            if error.response is None or isinstance(error, UpstreamGarbled):
                raise
            return Reply(error.response)

    def _asking(
        self,
        caller: Caller,
        method: str,
        target: bytes,
        headers: Mapping[str, str] | None,
        body: bytes | AsyncIterator[bytes],
        *,
        streamed: bool,
    ) -> Asking:
        """Return a request whose answer is taken as it comes."""
        if isinstance(body, str):
            raise TypeError("body is bytes, not str: encode it")
        if not method.isupper():
            raise TypeError(f"methods are written in capitals: {method.upper()!r}, not {method!r}")
        fields = self._fields(caller, (), headers)
        return Asking(method=method, target=target, headers=fields, body=body, streamed=streamed, raw=True)

    def _fields(
        self, caller: Caller, usual: requests.Headers, headers: Mapping[str, str] | None
    ) -> requests.Headers:
        """Return the fields of a call: its own, those of every call, the usual ones, and what is forwarded."""
        forwarded = caller.forwarded(self, self.name, self.forward)
        own = lower_fields(headers)
        if own or self.headers:
            return _merged(own, _merged(self.headers, usual, ()), forwarded)
        return usual + forwarded

    def __repr__(self) -> str:
        return f"<Service {self.name}>"


def _merged(first: requests.Headers, second: requests.Headers, third: requests.Headers) -> requests.Headers:
    """Return the fields of all three, those of a name from the first that has it."""
    names = {name for name, _ in first}
    merged = [*first, *[field for field in second if field[0] not in names]]
    names |= {name for name, _ in second}
    merged += [field for field in third if field[0] not in names]
    return tuple(merged)
