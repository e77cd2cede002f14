"""Handlers at work: read the inputs and the body, call the function, write what it returns, purge after writes."""

import copy
from collections.abc import Iterable, Mapping
from functools import partial
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from stagedoor import _context as context
from stagedoor._aggregate.hints import broken_promise, is_instance, kinds
from stagedoor._aggregate.part import ABSENT, Argument
from stagedoor._cache.store import Store
from stagedoor._call import Call, Env
from stagedoor._context import Record
from stagedoor._deadline import TimeoutScope
from stagedoor._face.answers import NO_CONTENT, Answer
from stagedoor._face.arguments import Arguments
from stagedoor._face.bodies import is_bodiless, json_body
from stagedoor._face.caller import Caller, caller_here, entered
from stagedoor._face.declared import Handler
from stagedoor._face.docstrings import words_of
from stagedoor._face.guarding import claimed_values, rules_of, who_of
from stagedoor._face.problems import Problem, Refusals, alone, carried
from stagedoor._face.purging import Purging
from stagedoor._face.readable import ReadableKey
from stagedoor._face.remote import cached
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._value import value
from stagedoor._web.answer import WebAnswer as Written
from stagedoor._web.answer import conditional, etag_of, repeat_of
from stagedoor._web.cached import KeptCodec, Page
from stagedoor._web.freshness import NO_STORE, cache_status, provenance
from stagedoor._web.rendering import adapter_of
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import ConfigError, UpstreamError, UpstreamTimeout
from stagedoor.policies._single_flight import SingleFlight

__all__ = ["Handling"]

_JSON = (b"content-type", b"application/json")
_STATUS = b":status"  # no field has such a name (RFC 9110 5.1)
_CONTROL = b"cache-control"
_OWN = frozenset({b"set-cookie", _CONTROL})
_TAGGED = {
    "ETag": "The answer's entity tag. Sent back as `If-None-Match` it is answered 304 while nothing has changed.",
    "Cache-Control": "How long a client may keep the answer.",
}


@value()
class _Visit:
    """One use of a handler, as the transport of its own upstream sees it."""

    values: Mapping[str, Any]
    key: bytes
    identity: bytes


def _readable(key: ReadableKey, call: Call[_Visit]) -> str:
    """Return a key of the user's own choice."""
    return key.of(call.payload.values, call.payload.identity)


class Handling:
    """One handler of a running gateway."""

    def __init__(
        self,
        declared: Handler,
        *,
        deadline: float,
        refusals: Refusals,
        store: Store,
        env: Env,
        running: object = None,
    ) -> None:
        self.declared = declared
        self.where = f"{declared.method} {declared.path}"
        self._deadline = deadline
        self._clock = env.clock
        self._refusals = refusals
        takes = Arguments(declared, running)
        self.inputs = takes.inputs
        self.vary = takes.vary
        self._read, self._given = takes.read, takes.given
        self._body, self._body_adapter = takes.body, takes.body_adapter
        self._returns = _returned(takes.returns)
        self._free = get_origin(takes.returns) is Answer and self._returns is bytes  # its type is its own
        if declared.status in NO_CONTENT and self._returns is not type(None):
            raise ConfigError(
                f"{declared.place}: {self.where}: status={declared.status} has no content: it returns None"
            )
        self._kinds = kinds(self._returns)
        self._write = adapter_of(
            self._returns, f"{declared.place}: what {self.where} returns"
        ).serializer.to_json
        self.safe = declared.method == "GET"
        self._claimed, self.guard = takes.claimed, takes.guard
        self.rules = rules_of(self.where, self.vary if self.safe else None, self.guard, self._claimed)
        self._who = who_of(self.vary, self.guard, self._claimed)
        private = self.vary.secret or (declared.cache is not None and declared.cache.private)
        self._scope = b"private" if private else b"public"
        self._purging = Purging(declared.purges, takes.names, store, str(declared.place))
        self.upstream = self._upstream(store, env)

    def _upstream(self, store: Store, env: Env) -> Upstream[_Visit, Page] | None:
        cache = self.declared.cache
        if cache is None:
            return None
        options: dict[str, Any] = {"storable": _shareable, "refresh_deadline": max(1.0, self._deadline)}
        if cache.key is not None:
            options["key"] = partial(_readable, ReadableKey(cache.key, self.inputs))
        joined = SingleFlight(shareable=_shareable, store=store)
        policies = (cached(cache, store, KeptCodec(Page), **options), joined)
        name = self.declared.function.__name__
        return Upstream(name, self, *policies, env=env, observed=False)

    async def handle(self, request: Request) -> Written:
        """Answer one request."""
        error: BaseException | None = None
        values: dict[str, Any] = {}
        started, caller = False, caller_here()
        try:
            values = self._read(request)
            if self._claimed:
                values |= claimed_values(self._claimed, caller)
            if self._body is not None and self._body_adapter is not None:
                values[self._body.name] = await self._body_of_request(request, self._body, self._body_adapter)
            started = True
            caller.inputs = values
            written = await self._answered(values)
            return _tagged(written, request) if self.declared.etag else written
        except (UpstreamError, Problem) as failed:
            error = failed
            raise RequestRefused(self._refusals(failed)) from failed
        except BaseException as failed:
            error = failed
            raise
        finally:
            if started:
                await self._purging.after(values, error, wrote=caller.wrote)

    async def _body_of_request(self, request: Request, body: Argument, adapter: TypeAdapter[Any]) -> Any:  # noqa: ANN401
        """Return the body as a value, or a default of its own where a request has none."""
        if body.default is not ABSENT and is_bodiless(request):
            return copy.deepcopy(body.default)
        return await json_body(request, adapter, self.declared.limit)

    async def _answered(self, values: Mapping[str, Any]) -> Written:
        if self.upstream is None:
            made = await self._called(values)
            fields = (
                made.lines if any(name == _CONTROL for name, _ in made.lines) else (*made.lines, NO_STORE)
            )
            return self._written(made, fields)
        identity = self._who(caller_here())
        visit = _Visit(values, self._key(values, identity), identity)
        return self._delivered(await self.upstream.call("answer", visit))

    def _delivered(self, page: Page) -> Written:
        """Return the answer of a page that was made now, or kept."""
        record = context.current().record
        fields = [field for field in page.fields if field[0] != _STATUS]
        status = next((int(said) for name, said in page.fields if name == _STATUS), 200)
        if page.body and not _typed(fields):
            fields.insert(0, _JSON)
        if self.vary.names:
            fields.append((b"vary", ", ".join(self.vary.names).encode()))
        own = any(name == _CONTROL for name, _ in fields)
        told = (cache_status(record),) if own else self._told(record)
        repeat = repeat_of(record, tuple(fields), self._told_again, page.body) if status == 200 else None
        return Written(status, (*fields, *told), page.body, None, repeat)

    def _told(self, record: Record) -> Headers:
        """Return how long an answer may be kept, and where it comes from."""
        fresh = record.ttl is not None and record.ttl >= 0
        return provenance(record, scope=self._scope, fresh=fresh)

    def _told_again(self, left: float) -> Headers:
        return self._told(Record(lookup="hit", ttl=left))

    async def _called(self, values: Mapping[str, Any]) -> Answer[Any]:
        """Call the function; raises `TypeError` for a value of another type than it promises."""
        try:
            with TimeoutScope(self._clock, context.current().deadline):
                said = await self.declared.function(**values, **self._given)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{self.declared.function.__name__}.call", "not done by the deadline"
            ) from error
        except ExceptionGroup as several:
            raise alone(several) from None
        made = said if isinstance(said, Answer) else Answer(said)
        if self._kinds and not isinstance(made.value, self._kinds):
            raise TypeError(f"{self.declared.place}: {self.where} {broken_promise(made.value, self._kinds)}")
        return made

    def _written(self, made: Answer[Any], fields: Headers) -> Written:
        status = self._status(made)
        if made.value is None:
            return Written(status, fields)
        return Written(status, fields if _typed(fields) else (_JSON, *fields), self._body_of(made))

    def _status(self, made: Answer[Any]) -> int:
        return made.status or self.declared.status or (204 if made.value is None else 200)

    def _body_of(self, made: Answer[Any]) -> bytes:
        """Return bytes with a type of their own as they stand, a str of a text type as text, all else as JSON."""
        said = dict(made.lines).get(_JSON[0])
        if isinstance(made.value, bytes) and said is not None:
            return made.value
        if isinstance(made.value, str) and said is not None and said.lower().startswith(b"text/"):
            return made.value.encode()
        return b"" if made.value is None else self._rendered(made.value)

    def _rendered(self, said: object) -> bytes:
        try:
            body: bytes = self._write(said, by_alias=True, warnings="error")
        except PydanticSerializationError as error:
            raise TypeError(
                f"{self.declared.place}: what {self.where} returned has no JSON form: {error}"
            ) from error
        return body

    def _key(self, values: Mapping[str, Any], identity: bytes) -> bytes:
        where = self.where.encode()  # two handlers may have one name
        parts = [b"%d:%b%d;%b" % (len(where), where, len(values), identity)]
        parts += [one.key(values[one.argument]) for one in self.inputs]
        return b"".join(parts)

    # What follows is the transport of its own upstream, where answers are kept.

    async def send(self, call: Call[_Visit], /) -> Page:
        """Call the function and render what it returns."""
        asked, values = context.current(), call.payload.values
        caller = asked.caller
        if not isinstance(caller, Caller):
            raise TypeError("a handler is asked by a caller")
        fresh = caller.within(self.rules, values)
        token = entered(asked, fresh)
        try:
            made = await self._called(values)
        except Problem as problem:
            raise carried(call.operation, problem) from problem
        finally:
            context.leave(token)
        cache = self.declared.cache
        tags = (*fresh.tags, *(() if cache is None else cache.tagged(values, self.where)))
        fields = ((_STATUS, b"%d" % self._status(made)), *made.lines)
        return Page(self._body_of(made), b"", fields, tags, asked.record.whole)

    def key_of(self, payload: _Visit, /) -> bytes:
        """Return the key of a use."""
        return payload.key

    def idempotent(self, _: _Visit, /) -> bool:
        """Return True: only handlers of GET are kept."""
        return True

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return f"<Handling {self.where}>"

    def route(self) -> Route:
        """Return the route."""
        declared = self.declared
        summary, description = words_of(declared.function)
        nothing, free = self._returns is type(None), self._free
        status = declared.status or (204 if nothing else 200)
        perhaps = status == 200 and declared.status is None and is_instance(None, self._returns)
        return Route(
            path=declared.path,
            handle=self.handle,
            method=declared.method,
            parameters=self.inputs,
            public=True,
            live=declared.live,
            priority=declared.priority,
            kind="handler",
            cached=None if declared.cache is None else declared.cache.max_age,
            deadline=self._deadline,
            varies=self.vary.names,
            compress=declared.compress,
            repeats=None if declared.purges or self.guard is not None else self.vary.repeats,
            documentation=Documentation(
                summary=summary,
                description=description,
                tags=declared.tags,
                model=None if nothing or free else _documented(self._returns),
                media_type="" if nothing else "*/*" if free else "application/json",
                status=status,
                also=(204,) if perhaps else (),
                problems=self._problems(),
                headers=_TAGGED if declared.etag else {},
                body=None if self._body is None else self._body.hint,
                body_required=self._body is None or self._body.default is ABSENT,
                deprecated=declared.deprecated,
            ),
        )

    def _problems(self) -> tuple[int, ...]:
        """Return the statuses of the problems that a client has to reckon with."""
        body = set() if self._body is None else {400, 413, 415, 422}
        inputs = {404, 422} if self.inputs else set()
        limited = set() if self.declared.live else {429}
        return tuple(sorted({*body, *inputs, *limited, 500, 502, 503, 504}))


def _tagged(written: Written, request: Request) -> Written:
    """Return an answer with its entity tag, or 304 to who holds it."""
    if written.status != 200:
        return written
    return conditional(written, etag_of(written.body), request.listed(b"if-none-match"))


def _documented(returns: Any) -> Any:  # noqa: ANN401 - an annotation
    """Return what documents show of a type: bytes beside something else are an answer of another kind, None is none."""
    if get_origin(returns) not in {Union, UnionType}:
        return returns
    left = tuple(one for one in get_args(returns) if one not in {bytes, type(None)})
    return Union[left] if left else bytes  # noqa: UP007 - its members are known at run time only


def _returned(hint: Any) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of the body: of an `Answer` what it holds."""
    if get_origin(hint) is Answer:
        return _returned(get_args(hint)[0])
    return type(None) if hint is None else hint


def _typed(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether fields name a content type."""
    return any(name == _JSON[0] for name, _ in fields)


def _shareable(page: Page) -> bool:
    """Tell whether an answer is for others too: it sets no cookie, and says nothing else of its own."""
    return not any(name in _OWN for name, _ in page.fields)
