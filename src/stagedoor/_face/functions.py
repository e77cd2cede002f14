"""Functions behind policies: sources of one's own, and parts that are kept one by one."""

import copy
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import pydantic_core
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from stagedoor import _context as context
from stagedoor._call import Call, Env
from stagedoor._context import Record
from stagedoor._deadline import TimeoutScope
from stagedoor._face.caller import caller_here, tags_noted
from stagedoor._face.exact import exact
from stagedoor._face.fields import digest
from stagedoor._face.places import Place, place_of_code
from stagedoor._face.problems import Problem, alone, carried
from stagedoor._value import MaybePartial, value
from stagedoor._web.rendering import adapted
from stagedoor.errors import ConfigError, StagedoorError, UpstreamTimeout, UpstreamUnavailable
from stagedoor.policies._decorators import BUGS

__all__ = ["Calling", "FunctionCall", "Made", "MadeCodec", "asked"]

Function: TypeAlias = Callable[..., Awaitable[Any]]


@value()
class FunctionCall:
    """One use of a function: its arguments, and bytes that are equal only for equal ones."""

    call: Callable[[], Awaitable[Any]]
    key: Callable[[], bytes]
    tags: tuple[str, ...] = ()


class Made(MaybePartial):
    """What a function returned: the value goes to the first who takes it, the others get copies.

    Of one that is shared all get copies: the first could change it before the next has come. `record` is what the
    function did: what is made of old or partial things is not kept as if it were new and whole.
    """

    __slots__ = ("_taken", "_value", "complete", "record", "tags")

    def __init__(self, value: Any, tags: tuple[str, ...] = (), record: Record | None = None) -> None:  # noqa: ANN401 - of any type
        self._value = value
        self._taken = False
        self.tags = tags
        self.record = record
        self.complete = record is None or record.whole

    def take(self) -> Any:  # noqa: ANN401 - of any type
        """Return the value, or a copy that nobody else has."""
        if self._taken:
            return copy.deepcopy(self._value)
        self._taken = True
        return self._value

    def share(self) -> None:
        """Let it be nobody's own."""
        self._taken = True

    def look(self) -> Any:  # noqa: ANN401 - of any type
        """Return the value without taking it."""
        return self._value


class MadeCodec:
    """Keeps values as JSON, by the type that the function says it returns; raises `ConfigError` for none.

    Before it stand its tags, in a line: what is made of a kept value bears them too.
    """

    def __init__(self, returns: Any, place: Place) -> None:  # noqa: ANN401 - a type form
        self._adapter = adapted(returns, f"{place}: what it returns cannot be kept")
        if _holds_secret(self._adapter):
            raise ConfigError(f"{place}: what it returns cannot be kept: a secret is written as stars")
        self.schema = f"made2 {returns!r}"

    def encode(self, value: Made, /) -> bytes:
        """Return the bytes; field names, not aliases: what is kept is read by the same type."""
        body = self._adapter.dump_json(value.look(), by_alias=False, round_trip=True)
        return b"%b\n%b" % (json.dumps(value.tags).encode(), body)

    def decode(self, body: bytes, /) -> Made:
        """Return the value."""
        tags, _, said = body.partition(b"\n")
        return Made(self._adapter.validate_json(said, by_alias=False, by_name=True), tuple(json.loads(tags)))


def _holds_secret(adapter: TypeAdapter[Any]) -> bool:
    """Tell whether a type has a part that pydantic hides when it writes it."""
    try:
        schema = adapter.json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema:
        return False
    return b'"writeOnly":true' in pydantic_core.to_json(schema)


class Calling:
    """The transport that calls a function; what it raises for the world's sake becomes an `UpstreamError`."""

    def __init__(self, name: str, env: Env, *, safe: bool, foreign: bool) -> None:
        self._name = name
        self._clock = env.clock
        self._safe = safe
        self._foreign = foreign

    async def send(self, call: Call[FunctionCall], /) -> Made:
        """Call the function once, until the call's deadline."""
        if call.attempt == 1:
            return await self._called(call)
        # As the repetition that it is: what it asks is not repeated again (R7).
        token = context.enter(replace(context.current(), attempt=call.attempt))
        try:
            return await self._called(call)
        finally:
            context.leave(token)

    async def _called(self, call: Call[FunctionCall]) -> Made:
        asked = call.payload
        try:
            with TimeoutScope(self._clock, call.deadline), tags_noted() as found, _recorded() as record:
                made = await asked.call()
            return Made(made, tuple(dict.fromkeys((*asked.tags, *found))), record)
        except Problem as problem:
            raise carried(call.operation, problem) from problem
        except TimeoutError as error:
            raise UpstreamTimeout(call.operation, "no value by the deadline", retryable=True) from error
        except (StagedoorError, *BUGS):
            raise
        except ExceptionGroup as several:
            raise self._told(call.operation, several) from None
        except Exception as error:
            if not self._foreign:
                raise
            raise UpstreamUnavailable(call.operation, type(error).__name__, retryable=True) from error

    def _told(self, operation: str, several: ExceptionGroup[Exception]) -> Exception:
        """Return what a function failed of that did several things side by side."""
        error = alone(several)
        if isinstance(error, Problem):
            return carried(operation, error)
        if error is not several or not self._foreign or several.subgroup(BUGS) is not None:
            return error
        return UpstreamUnavailable(operation, type(several.exceptions[0]).__name__, retryable=True)

    def key_of(self, payload: FunctionCall, /) -> bytes:
        """Return the key of the arguments."""
        return b"?" + payload.key()

    def idempotent(self, _: FunctionCall, /) -> bool:
        """Tell whether the function may be called again."""
        return self._safe

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return f"<Calling {self._name}>"


def asked(
    function: Function,
    signature: inspect.Signature,
    given: Sequence[Any],
    named: dict[str, Any],
    identity: bytes,
    tags: tuple[str, ...] = (),
) -> FunctionCall:
    """Return one use of a function; raises `TypeError` for arguments that it does not take."""

    def key() -> bytes:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        try:
            said = exact(dict(bound.arguments))
        except pydantic_core.PydanticSerializationError as error:
            name = getattr(function, "__name__", "it")
            raise TypeError(
                f"{place_of_code(function)}: {name} is kept or joined by its arguments: {error}"
            ) from error
        return digest(b"%d:%b%b" % (len(identity), identity, said))

    return FunctionCall(partial(function, *given, **named), key, tags)


@contextmanager
def _recorded() -> Iterator[Record]:
    """Note what is done within apart from all else that the request does meanwhile, and then as part of it."""
    asked = context.current()
    record, outer = Record(), asked.record
    token = context.enter(replace(asked, record=record))
    try:
        yield record
    finally:
        context.leave(token)
        outer.take_in(record)


async def through(upstream: Any, operation: str, one: FunctionCall, send: Any = None) -> Any:  # noqa: ANN401
    """Call a function through policies and return its value; what is being made bears its tags."""
    context_now = context.current()
    transport = upstream.transport
    call = Call(
        operation,
        one,
        b"",
        "",
        context_now.deadline,
        transport.idempotent(one),
        context_now.attempt,
        transport.key_of,
        None,
    )
    made: Made = await (send or upstream.layers[0])(call)
    if made.record is not None:
        context_now.record.note(made.record.stale, made.record.lacking)
    if made.tags:
        caller = caller_here()
        for name in made.tags:
            caller.tag(name)
    return made.take()
