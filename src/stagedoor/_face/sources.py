"""Sources of one's own at work: an `async def` with policies round it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from stagedoor._aggregate.part import signature_of
from stagedoor._cache.store import Store
from stagedoor._call import Call, Env
from stagedoor._deadline import DueTime
from stagedoor._face.caller import caller_here, noted
from stagedoor._face.declared import Source
from stagedoor._face.functions import Calling, Made, MadeCodec, asked, through
from stagedoor._face.remote import AnyPolicy, cached, renewal_of
from stagedoor._face.uses import SOURCE
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
        use = asked(self._function, declared.signature, given, named, b"", tags)
        called = through(self.upstream, self._operation, use)
        return await (called if declared.safe else noted(caller, called))


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
