"""A service: the declaration of an upstream, and its typed client."""

from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString, TypeVar, overload

from pydantic import TypeAdapter

from stagedoor import _requests as requests
from stagedoor._face.cache import Cache
from stagedoor._face.caller import caller_here
from stagedoor._face.client import NOTHING, ServiceClient
from stagedoor._face.hops import PARTIAL
from stagedoor._face.replies import Asking, Response, Stream
from stagedoor._face.shapes import written
from stagedoor._face.templates import path_of, query_of

__all__ = ["Service"]

T = TypeVar("T")
_ACCEPT: Final[requests.Headers] = ((b"accept", b"application/json"),)
_JSON: Final[requests.Headers] = (*_ACCEPT, (b"content-type", b"application/json"))


class Service(ServiceClient):
    """A typed client of one upstream, made by `Gateway.service`.

    Each `{}` of a path takes one argument, encoded as one segment; an empty one, `.` and `..` cannot be, and are the
    caller's 422. `shape` is a class, a generic (`list[Item]`) or, for unions and the like, a `TypeAdapter`. The
    methods raise `UpstreamError` for an answer that cannot be had, `TypeError` for a mistake in the call, and
    `RuntimeError` outside a request.
    """

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
        absent: T = NOTHING,
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
        """Ask with any method; take the answer as it came, whatever its status. Raises `UpstreamError` if none came."""
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
        """Ask for what is too large to hold; take its body chunk by chunk. Raises `UpstreamError`, also midway."""
        caller, operation = caller_here(), f"{self.name}.{method} {path}"
        target = path_of(path, segments) + query_of(query)
        asking = self._asking(caller, method, target, headers, body, streamed=True)
        stream = Stream((await self._raw(caller, operation, asking)).response)
        try:
            yield stream
        finally:
            await stream.aclose()

    async def open(
        self,
        path: LiteralString,
        *segments: object,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """Ask for something to hand on, under the caller's own conditions and for the range it wants.

        A handler of `-> Stream` returns it; whoever else gets it reads it to its end or calls `aclose`. Raises
        `UpstreamError`, also for a refusal.
        """
        caller, operation = caller_here(), f"{self.name}.GET {path}"
        target = path_of(path, segments) + query_of(query)
        conditions = tuple(field for field in caller.fields if field[0] in PARTIAL)
        fields = self._fields(caller, conditions, headers)
        asking = Asking(method="GET", target=target, headers=fields, streamed=True, raw=True)
        return Stream((await caller.running.remote(self).call(operation, asking, True)).response)
