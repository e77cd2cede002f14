"""Sources of one's own at work: an `async def` with policies round it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stagedoor import _context as context
from stagedoor._aggregate.part import signature_of
from stagedoor._cache.store import Store
from stagedoor._call import Call, Env
from stagedoor._deadline import DueTime
from stagedoor._face.caller import Caller, Rules, caller_here, entered, noted, validate_covered
from stagedoor._face.client import ServiceClient
from stagedoor._face.declared import Source
from stagedoor._face.fields import Cookie, Picker
from stagedoor._face.functions import Calling, Made, MadeCodec, asked, through
from stagedoor._face.guarding import visitor_of
from stagedoor._face.remote import AnyPolicy, cached, renewal_of
from stagedoor._face.uses import SOURCE, used_by
from stagedoor._upstream import Upstream
from stagedoor.errors import ConfigError
from stagedoor.policies._single_flight import SingleFlight

__all__ = ["Sourcing", "returned", "wrapped"]

P = ParamSpec("P")
T = TypeVar("T")


class Sourcing:
    """One source of a running gateway."""

    def __init__(
        self,
        declared: Source,
        function: Callable[..., Awaitable[Any]] | None,
        policies: Sequence[AnyPolicy],
        *,
        store: Store,
        env: Env,
    ) -> None:
        self.declared = declared
        self._function = function or declared.function
        self.name = declared.name
        # A flight that would be refused is not begun.
        outer: list[AnyPolicy] = []
        if declared.safe:
            outer.append(SingleFlight(gate=self._gate, sharing=Made.share, store=store))
        if declared.cache is not None and declared.safe:
            codec = MadeCodec(returned(declared), declared.place)
            renewal = renewal_of(policies)
            outer.insert(0, cached(declared.cache, store, codec, refresh_deadline=renewal))
        self._sees, self._sent_token = _seen_by(declared, set())
        rules = Rules(f"source {self.name!r}", self._sees)
        self._shown = _showing(self._function, rules, visitor=self._sent_token)
        calling = Calling(declared.name, env, safe=declared.safe, foreign=True)
        self.upstream: Upstream[Any, Any] = Upstream(declared.name, calling, *outer, *policies, env=env)
        self._operation = f"{declared.name}.call"

    def _gate(self, call: Call[Any]) -> None:
        self.upstream.check("call", call.deadline)

    @property
    def policies(self) -> Sequence[object]:
        """Return the policies, outermost first."""
        return self.upstream.policies

    def check(self, operation: str, deadline: DueTime, *, promise: bool = False) -> None:
        """Raise `Overloaded` where the function would not be called now, unless its values may be kept ones."""
        if self.declared.cache is None:
            self.upstream.check(operation, deadline, promise=promise)

    def withdraw(self) -> None:
        """Take back what was promised to `check`."""
        if self.declared.cache is None:
            self.upstream.withdraw()

    async def call(self, given: Sequence[Any], named: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call the function through its policies; raises `UpstreamError`, and what is a mistake in the code."""
        caller, declared = caller_here(), self.declared
        cache = declared.cache
        tags = (
            ()
            if cache is None or not cache.tags
            else cache.tagged(_named(declared, given, named), f"source {self.name!r}")
        )
        for one in tags:
            caller.tag(one)
        if not declared.safe:
            use = asked(self._function, declared.signature, given, named, b"", tags)
            return await noted(caller, through(self.upstream, self._operation, use))
        validate_covered(caller.rules, self.name, self._sees)
        use = asked(self._shown, declared.signature, given, named, self._who(caller), tags)
        return await through(self.upstream, self._operation, use)

    def _who(self, caller: Caller) -> bytes:
        """Return what tells callers apart to whom the services of the source may answer differently (T4)."""
        who = self._sees.identity(caller.fields)
        return who + visitor_of(caller).identity if self._sent_token else who


def _showing(
    function: Callable[..., Awaitable[Any]], rules: Rules, *, visitor: bool
) -> Callable[..., Awaitable[Any]]:
    """Return a function that sees of a caller no more than what its values are told apart by."""

    @wraps(function)
    async def shown(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function
        caller = caller_here()
        inner = caller.within(rules, caller.inputs)
        if not visitor:
            inner.visitor = None
        token = entered(context.current(), inner)
        try:
            return await function(*given, **named)
        finally:
            context.leave(token)
            caller.wrote |= inner.wrote

    return shown


def _seen_by(declared: Source, seen: set[int]) -> tuple[Picker, bool]:
    """Return the fields of a caller that the services of a source see, and whether one is sent a session's token."""
    seen.add(id(declared))
    fields, token = frozenset[str | Cookie](), False
    for one in used_by(declared.function):
        if isinstance(one, ServiceClient):
            fields, token = fields | one.forward.wanted, token or one.token is not None
        elif isinstance(one, Source) and id(one) not in seen:
            inner, sent = _seen_by(one, seen)
            fields, token = fields | inner.wanted, token or sent
    return Picker(fields, str(declared.place)), token


def _named(declared: Source, given: Sequence[Any], named: dict[str, Any]) -> dict[str, Any]:
    bound = declared.signature.bind(*given, **named)
    bound.apply_defaults()
    return dict(bound.arguments)


def returned(declared: Source) -> Any:  # noqa: ANN401 - a type form
    """Return the type of a source's value; raises `ConfigError` if it does not say."""
    try:
        return signature_of(declared.function).returns
    except ConfigError as error:
        raise ConfigError(f"{declared.place}: source {declared.name!r}: {error}") from error


def wrapped(declared: Source, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Return the function as its users call it: through the gateway that is running."""

    @wraps(function)
    async def call(*given: P.args, **named: P.kwargs) -> T:
        found: T = await caller_here().running.source(declared).call(given, dict(named))
        return found

    setattr(call, SOURCE, declared)
    return call
