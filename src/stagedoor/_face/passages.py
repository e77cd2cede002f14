"""Pass requests through to a service: both ways as they come, without anything that is not theirs to see.

Path and query go on byte for byte (H5); connection-level fields end here (H1), credentials too unless the service's
`forward` names them. The answer is the service's own, whatever its status.
"""

import asyncio
import string
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor import _requests as requests
from stagedoor._addresses import Trust
from stagedoor._cache.store import Store
from stagedoor._cache.tags import tag as purge_name
from stagedoor._face.bodies import chunks_of, length_of, validate_length
from stagedoor._face.caller import Caller, Rules
from stagedoor._face.declared import Passage
from stagedoor._face.fields import may_be_secret
from stagedoor._face.guarding import Guarding
from stagedoor._face.hops import HOP, OWN_ANSWER, named, passed_by
from stagedoor._face.inputs import Input, nearest
from stagedoor._face.operation import Operation, held
from stagedoor._face.problems import Refusals
from stagedoor._face.purging import Purging
from stagedoor._face.recognising import recognising, subject_of
from stagedoor._face.templates import route_names
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._web.answer import WebAnswer as Written
from stagedoor._web.coding import accepted_coding
from stagedoor._web.etags import CONDITIONS, asked_by_own
from stagedoor._web.request import Request, listed
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import ConfigError, UpstreamError

__all__ = ["Passing"]

_CREDENTIALS: Final = frozenset({b"authorization", b"cookie", b"x-api-key", b"proxy-authorization"})
_WHOLE = 65_536
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since"})
_SAFE: Final = frozenset({"GET", "HEAD"})
# By these some frameworks go to another path, or by another method, than was asked for here.
_OVERRIDES: Final = frozenset(
    {
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
_HEARSAY: Final = frozenset({b"forwarded", b"x-real-ip", b"x_real_ip"})


class Passing:
    """One passage of a running gateway.

    `kept` are fields of requests that end here beside the usual ones, `trusted` tells which peers are proxies.
    """

    def __init__(
        self,
        declared: Passage,
        *,
        name: str,
        deadline: float,
        refusals: Refusals,
        store: Store,
        wall: Callable[[], float],
        kept: frozenset[bytes],
        trusted: Trust,
        codes: bool = False,
        recognises: Guarding | None = None,
    ) -> None:
        self.declared = declared
        self._codes = codes and declared.compress is not False
        self._recognises = recognises
        self.where = f"proxy {declared.path}"
        guard = declared.guard
        self.rules = Rules(self.where, guard="" if guard is None else guard.name)
        # Sent with every call of the service: no client's to write.
        ours = frozenset(name for name, _ in declared.service.headers)
        self._kept_here = HOP | _CREDENTIALS | _OVERRIDES | kept | ours
        self._trusted = trusted
        self._forwarded = frozenset(name.encode() for name in declared.service.forward.names)
        self._kept_back = OWN_ANSWER | {declared.purge_field}
        self._deadline = deadline
        self._refusals = refusals
        self._store = store
        self._wall = wall
        self._via = name.encode()
        self.names = route_names(declared.path, str(declared.place))
        self._to = _target_of(declared, self.names)
        self._purging = Purging(declared.purges, self.names, store, str(declared.place))
        self._under_way: set[asyncio.Future[Any]] = set()

    async def handle(self, request: Request) -> Written:
        """Answer one request."""
        caller = context.current().caller
        if not isinstance(caller, Caller):
            raise TypeError("a passage is used by a caller")
        if self._via in passed_by(request.listed(b"via")):
            raise RequestRefused(problems.loop_detected())
        outgoing = HttpRequest(
            method=request.method,
            target=self._target(request),
            headers=(*self._onward(request), *subject_of(caller, self.declared.subject_field)),
            body=await self._body(request),
        )
        came: list[HttpResponse] = []
        try:
            return await self._passed(request, caller, outgoing, came)
        except (
            BaseException
        ):  # whoever leaves while tags are dropped: the stream is given back all the same (X1)
            for one in came:
                if one.stream is not None:
                    await one.stream.aclose()
            raise

    async def _passed(
        self, request: Request, caller: Caller, outgoing: HttpRequest, came: list[HttpResponse]
    ) -> Written:
        """Send a request and drop what it has made untrue; `came` is told of the answer."""
        error: BaseException | None = None
        asking = self._asked(caller, outgoing, came)
        if self.declared.purge_field and request.method not in _SAFE:
            asking = self._to_its_end(asking)
        try:
            response = await asking
            if self.declared.operation is not None:
                response = await self._promised(request, self.declared.operation, response)
            if 400 <= response.status < 500:
                error = RequestRefused(problems.bad_request())  # nothing was written: the service said no
            return self._handed_on(response, bodiless=request.method == "HEAD")
        except UpstreamError as failed:
            error = failed
            raise RequestRefused(self._refusals(failed)) from failed
        except BaseException as failed:
            error = failed
            raise
        finally:
            if request.method not in _SAFE:
                await self._purging.after(request.params, error, wrote=caller.wrote)

    async def _asked(self, caller: Caller, outgoing: HttpRequest, came: list[HttpResponse]) -> HttpResponse:
        """Ask the service, and drop the tags that its answer names."""
        response = await self.declared.service.pass_on(caller, self.declared.path, outgoing)
        came.append(response)
        # Before all else: an answer that nobody promised tells of a write all the same.
        await self._purge_named(response)
        return response

    async def _to_its_end(self, asking: Coroutine[Any, Any, HttpResponse]) -> HttpResponse:
        """Wait for an answer that may name tags; where the client leaves meanwhile, it is heard by nobody else.

        The service may have done it: without its answer what it removed would be shown for as long as it is kept.
        """
        task = asyncio.ensure_future(asking)
        self._hold(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._hold(asyncio.ensure_future(_given_back(task)))
            raise

    def _hold(self, task: asyncio.Future[Any]) -> None:
        self._under_way.add(task)  # else nobody would hold it
        task.add_done_callback(self._under_way.discard)

    async def _promised(self, request: Request, operation: Operation, response: HttpResponse) -> HttpResponse:
        """Return an answer that is one the operation promises; what it is not is given up."""
        return await held(
            operation,
            f"{self.declared.service.name}.{request.method} {self.declared.path}",
            response,
            conditional=not _CONDITIONS.isdisjoint(request.headers),
            bodiless=request.method == "HEAD",
            wall=self._wall(),
        )

    async def _purge_named(self, response: HttpResponse) -> None:
        """Drop the tags that the answer names (what a service removes, only the service knows)."""
        field = self.declared.purge_field
        said = listed(field, dict(response.headers), response.headers) if field else None
        if said is not None:
            names = [one.strip() for one in said.decode("latin-1").split(",")]
            await self._store.purge([purge_name(name) for name in names if name])

    def _handed_on(self, response: HttpResponse, *, bodiless: bool) -> Written:
        """Return a service's answer as it leaves here; one without a body keeps its length (RFC 9110 9.3.2)."""
        return _handed_on(response, _with(self._kept_back, named(response.headers)), bodiless=bodiless)

    def _onward(self, request: Request) -> requests.Headers:
        """Return the fields of a request that go on; conditions name what the service knows, a write's do already."""
        fields = _onward(request, self._kept_here, self._trusted)
        if not self._codes or CONDITIONS.isdisjoint(request.headers) or request.method not in _SAFE:
            return fields
        return tuple(asked_by_own(fields, accepted_coding(request.headers, request.scope["headers"])))

    def _target(self, request: Request) -> bytes:
        """Return path and query as they go on; refuses segments that would climb (T8)."""
        for raw in request.raw.values():
            _validate_level(raw)
        target = b"".join(
            [literal.encode() + (b"" if name is None else request.raw[name]) for literal, name in self._to]
        )
        if target.startswith(b"//"):
            raise RequestRefused(problems.bad_request("the path begins with two slashes"))
        return target + b"?" + request.query if request.query else target

    async def _body(self, request: Request) -> bytes | AsyncIterator[bytes]:
        """Return the body: a small one whole, so that it can be sent again, any other as it comes."""
        fields, said = request.headers, length_of(request)
        if b"content-length" not in fields and b"transfer-encoding" not in fields:
            return b""
        validate_length(request, self.declared.limit)
        chunks = chunks_of(request, self.declared.limit)
        if said is not None and said <= _WHOLE:
            return b"".join([chunk async for chunk in chunks])
        return chunks

    def _is_secret(self, names: Iterable[bytes]) -> bool:
        """Tell whether fields of these names hold a credential that the service sees."""
        gone = self._kept_here - self._forwarded
        return any(may_be_secret(name) for name in names if name not in gone)

    def routes(self) -> list[Route]:
        """Return a route for each method."""
        declared = self.declared
        inputs = tuple(Input(name, name, "path", str) for name in self.names)
        documentation: Documentation | None = Documentation(
            summary=f"Passed through to {declared.service.name}",
            problems=(413, 429, 500, 502, 503, 504),
            media_type="*/*",
        )
        if declared.operation is not None:
            inputs = declared.operation.parameters(self.names)
            documentation = declared.operation.documentation()
        routes = [
            Route(
                path=declared.path,
                handle=self.handle,
                method=method,
                parameters=inputs,
                public=True,
                kind="proxy",
                priority=declared.priority,
                deadline=self._deadline,
                varies=declared.service.forward.names,
                raw=True,
                compress=declared.compress,
                foreign=True,
                secret=self._is_secret,
                documentation=documentation,
            )
            for method in sorted(declared.methods)
        ]
        known = self._recognises
        return routes if known is None else [recognising(route, known) for route in routes]


async def _given_back(task: asyncio.Future[HttpResponse]) -> None:
    """Wait for an answer that nobody else waits for, and give its stream back (X1)."""
    with suppress(Exception, asyncio.CancelledError):
        response = await task
        if response.stream is not None:
            await response.stream.aclose()


def _target_of(declared: Passage, names: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Return the template of the service's path; raises `ConfigError` for a name that the route does not have."""
    text = declared.to or declared.path.replace(":path}", "}")
    if not text.startswith("/"):
        raise ConfigError(f"{declared.place}: to={text!r}: a path begins with a slash")
    parts = [(literal, name) for literal, name, _, _ in string.Formatter().parse(text)]
    for _, name in parts:
        if name is not None and name not in names:
            raise ConfigError(
                f"{declared.place}: to= names {name!r}, which the path does not{nearest(name, names)}"
            )
    return parts


def _validate_level(raw: bytes) -> None:
    """Refuse what would climb out of its place once somebody decodes it."""
    if b"." not in raw and b"%" not in raw:
        return
    text = unquote_to_bytes(raw).replace(b"\\", b"/")
    if any(piece in {b".", b".."} for piece in text.split(b"/")) or b"\0" in text:
        raise RequestRefused(problems.bad_request("a segment of the path must not be . or .."))


def _with(names: frozenset[bytes], more: AbstractSet[bytes]) -> AbstractSet[bytes]:
    """Return all of these names; mostly there are no more."""
    return names if more <= names else names | more


def _onward(request: Request, kept_here: frozenset[bytes], trusted: Trust) -> requests.Headers:
    """Return the fields of a request that go on; what proxies tell of a client goes on from those that are trusted."""
    fields = request.all_headers()
    dropped = _with(kept_here, named(fields))
    kept = [field for field in fields if field[0] not in dropped and not _is_twin(field[0], dropped)]
    client = request.scope.get("client")
    if client is None or not trusted(client[0]):
        kept = [field for field in kept if not _tells_of_client(field[0])]
    hops = [said for name, said in fields if name == b"x-forwarded-for"]
    if client is not None:
        hops.append(client[0].encode("latin-1"))
    if hops:
        kept.append((b"x-forwarded-for", b", ".join(hops)))
    return tuple(kept)


def _tells_of_client(name: bytes) -> bool:
    """Tell whether a field is a proxy's word on its client, which a service believes of this gateway (T5)."""
    return name in _HEARSAY or name.replace(b"_", b"-").startswith(b"x-forwarded-")


def _is_twin(name: bytes, dropped: AbstractSet[bytes]) -> bool:
    """Tell whether a service may read a name with an underscore as one that ends here: CGI and WSGI do (T3).

    The door lets none in; a gateway that another server runs may be sent such.
    """
    return b"_" in name and name.replace(b"_", b"-") in dropped


def _handed_on(response: HttpResponse, dropped: AbstractSet[bytes], *, bodiless: bool) -> Written:
    fields = tuple([field for field in response.headers if field[0] not in dropped])
    if response.stream is None and bodiless:
        return Written(response.status, fields, stream=_nothing())
    if response.stream is None:
        whole = tuple(field for field in fields if field[0] != b"content-length")
        return Written(response.status, whole, response.body)
    # The stream itself, not a generator round it: one that never begins would never give its connection back.
    return Written(response.status, fields, stream=cast(AsyncIterator[bytes | memoryview], response.stream))


async def _nothing() -> AsyncIterator[bytes]:
    """Yield no chunk at all."""
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk
