"""Handlers that hand on what a service streams: their own inputs and refusals, the service's octets.

    @app.get("/pictures/{name}", cache=Cache(max_age=3600, tags=["picture:{name}"]))
    async def picture(name: str) -> Stream:
        return await pictures.open("/files/{}", name)

Conditions and ranges of the caller go along, and are answered here where the whole is kept. Fields of the connection,
and those that `Connection` names, end here both ways (H1); the stream is given back whatever happens (X1).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor._aggregate.hints import broken_promise
from stagedoor._aggregate.part import signature_of
from stagedoor._cache.store import Store
from stagedoor._call import Env
from stagedoor._deadline import TimeoutScope
from stagedoor._face.arguments import Arguments
from stagedoor._face.caller import caller_here
from stagedoor._face.declared import Handler, validate_unnamed
from stagedoor._face.docstrings import words_of
from stagedoor._face.fields import digest, may_be_secret
from stagedoor._face.guarding import claimed_values, rules_of
from stagedoor._face.hops import OWN_ANSWER, PARTIAL, named, passed_by
from stagedoor._face.keeping import Keeping, KeptAnswer, partly
from stagedoor._face.problems import Problem, Refusals, alone
from stagedoor._face.replies import Stream, handed_on
from stagedoor._requests import HttpResponse
from stagedoor._web.answer import WebAnswer as Written
from stagedoor._web.answer import repeat_of
from stagedoor._web.coding import accepted_coding
from stagedoor._web.etags import CONDITIONS, asked_by_own
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import ConfigError, UpstreamError, UpstreamGarbled, UpstreamTimeout

__all__ = ["Streaming", "hands_on"]

_PROBLEMS: Final = (
    *(404, 422, 429, 500, 502, 503, 504),
    problems.precondition_failed(),
    problems.range_not_satisfiable(1),
)
_HEADERS: Final = {
    "ETag": "Names what is answered. Sent back as `If-None-Match` it is answered 304",
    "Cache-Status": "Whether the answer was kept (RFC 9211)",
}
_TOLD: Final = 2  # fields that tell the time of a kept answer, the last ones
# What a service may answer, and the fields of a client of which one must have asked for it (RFC 9110 13.2.2, 14.2).
_GIVEN: Final = {200: frozenset[bytes](), 206: frozenset({b"range"}), 304: PARTIAL}
_LISTS: Final = frozenset({b"if-match", b"if-none-match"})  # several lines of one are one list


def hands_on(declared: Handler) -> bool:
    """Tell whether a handler returns what a service streams."""
    try:
        return signature_of(declared.function).returns is Stream
    except ConfigError:
        return False  # said where other handlers are checked


class Streaming:
    """One such handler of a running gateway."""

    upstream = None  # what is kept is kept by itself

    def __init__(
        self,
        declared: Handler,
        *,
        name: str,
        deadline: float,
        refusals: Refusals,
        store: Store,
        env: Env,
        codes: bool = False,
    ) -> None:
        self.declared = declared
        self.where = f"{declared.method} {declared.path}"
        takes = Arguments(declared, self)
        self._claimed, self.guard = takes.claimed, takes.guard
        self.inputs, self.vary, self._read = takes.inputs, takes.vary, takes.read
        self.rules = rules_of(self.where, self.vary, self.guard, self._claimed)
        self._via = name.encode()
        self._deadline = deadline
        self._refusals = refusals
        self._clock = env.clock
        self._keeping = self._kept(store, env)
        self._codes = codes and declared.compress is not False
        self._secrets = frozenset(name for name in map(str.encode, self.vary.names) if may_be_secret(name))

    def _kept(self, store: Store, env: Env) -> Keeping | None:
        declared = self.declared
        if declared.method != "GET":
            raise ConfigError(f"{declared.place}: {self.where}: only GET hands on what a service streams")
        if declared.etag:
            raise ConfigError(
                f"{declared.place}: {self.where}: a stream has the entity tag of its service: etag= is for values"
            )
        if declared.cache is None:
            return None
        if self.vary.wanted or self.guard is not None:
            raise ConfigError(
                f"{declared.place}: {self.where}: a stream that is kept is the same for everybody"
            )
        validate_unnamed(declared.cache, declared.place)
        return Keeping(declared.cache, store, env, declared.function.__name__)

    async def handle(self, request: Request) -> Written:
        """Answer one request."""
        if self._via in passed_by(request.listed(b"via")):
            raise RequestRefused(problems.loop_detected())
        caller = caller_here()
        ended = named(caller.fields) | (frozenset() if request.method == "GET" else {b"range", b"if-range"})
        caller.fields = tuple(field for field in caller.fields if field[0] not in ended)
        try:
            values = self._read(request)
            if self._claimed:
                values |= claimed_values(self._claimed, caller)
            caller.inputs = values
            fields = dict(caller.fields)
            for name in _LISTS & fields.keys():
                fields[name] = request.listed(name) or b""
            if self._codes and not CONDITIONS.isdisjoint(fields):
                coding = accepted_coding(request.headers, request.scope["headers"])
                caller.fields = tuple(asked_by_own(caller.fields, coding))
            return await self._answered(request.method, fields, values)
        except (UpstreamError, Problem) as failed:
            raise RequestRefused(self._refusals(failed)) from failed

    async def _answered(
        self, method: str, fields: Mapping[bytes, bytes], values: Mapping[str, Any]
    ) -> Written:
        make, keeping, cache = partial(self._made, values, fields), self._keeping, self.declared.cache
        if keeping is None or cache is None:
            return _handed_on(await make())
        key, found = self._key(values), None
        if PARTIAL.isdisjoint(fields):
            tags, said = cache.tagged(values, self.where), caller_here().tags
            answer = await keeping.fetched(key, lambda: (*tags, *said), make)
        else:
            found, _ = await keeping.find(key)
            answer = await make() if found is None else found
        if isinstance(answer, Stream):
            return _handed_on(answer)
        answer = _bare(answer)
        return _repeated(partly(answer, fields, method), answer)

    async def _made(self, values: Mapping[str, Any], fields: Mapping[bytes, bytes]) -> Stream:
        """Call the function; the deadline holds until the head of the answer is there."""
        try:
            with TimeoutScope(self._clock, context.current().deadline):
                stream = await self.declared.function(**values)
        except TimeoutError as error:
            raise UpstreamTimeout(f"{self._name}.call", "not done by the deadline") from error
        except ExceptionGroup as several:
            raise alone(several) from None
        if not isinstance(stream, Stream):
            raise TypeError(f"{self.declared.place}: {self.where} {broken_promise(stream, (Stream,))}")
        asked_by = _GIVEN.get(stream.status)
        if asked_by is None or (asked_by and asked_by.isdisjoint(fields)):
            await stream.aclose()
            raise UpstreamGarbled(f"{self._name}.call", f"answered {stream.status}, which nobody asked for")
        return stream

    @property
    def _name(self) -> str:
        return self.declared.function.__name__

    def _key(self, values: Mapping[str, Any]) -> bytes:
        parts = [self.where.encode(), *(one.key(values[one.argument]) for one in self.inputs)]
        whole = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return self._name.encode() + b":" + digest(whole).hex().encode()

    def route(self) -> Route:
        """Return the route."""
        declared = self.declared
        summary, description = words_of(declared.function)
        return Route(
            path=declared.path,
            handle=self.handle,
            parameters=self.inputs,
            public=True,
            live=declared.live,
            priority=declared.priority,
            kind="stream",
            repeats=() if self._keeping is not None else None,
            compress=declared.compress,
            foreign=True,
            secret=lambda names: not self._secrets.isdisjoint(names),
            cached=None if declared.cache is None else declared.cache.max_age,
            deadline=self._deadline,
            varies=self.vary.names,
            documentation=Documentation(
                summary=summary,
                description=description,
                tags=declared.tags,
                media_type="*/*",
                problems=_PROBLEMS,
                headers=_HEADERS if declared.cache is not None else {},
                also=(206,),
                deprecated=declared.deprecated,
            ),
        )


def _bare(response: HttpResponse) -> HttpResponse:
    """Return an answer without the fields of the connection that it came over."""
    dropped = OWN_ANSWER | named(response.headers)
    return replace(response, headers=tuple(field for field in response.headers if field[0] not in dropped))


def _repeated(written: Written, answer: HttpResponse) -> Written:
    """Return an answer that may be given again, if all of it was kept and asked for."""
    if written.status != 200 or not isinstance(answer, KeptAnswer):
        return written
    fields = tuple(field for field in answer.headers[:-_TOLD] if field[0] != b"content-length")
    repeat = repeat_of(context.current().record, fields, answer.told, answer.body)
    if repeat is not None:
        repeat = replace(repeat, etag=answer.header(b"etag"))
    return replace(written, repeat=repeat)


def _handed_on(stream: Stream) -> Written:
    dropped = OWN_ANSWER | named(stream.lines)
    fields = tuple(field for field in stream.lines if field[0] not in dropped)
    return Written(stream.status, fields, stream=handed_on(stream))
