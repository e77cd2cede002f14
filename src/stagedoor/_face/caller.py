"""Who asks: what a request brought, and what its route lets services see of it."""

from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, TypeVar

from stagedoor import _context as context
from stagedoor import _requests as requests
from stagedoor._face.fields import Cookie, Picker
from stagedoor._face.roles import AtWork
from stagedoor.errors import ConfigError, UpstreamRejected

__all__ = ["NO_INPUTS", "Caller", "Rules", "caller_here", "entered", "noted", "tags_noted"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rules:
    """What one route, screen or block of code allows.

    `where` names it in messages. `vary` is what identifies its answers; None where answers are never kept or joined,
    so that everything may be forwarded. `guard` is the name of the one that stands before it.
    """

    where: str
    vary: Picker | None = None
    guard: str = ""


NO_INPUTS: Mapping[str, Any] = {}  # of a request that nothing has read yet


class Caller:
    """One request, or block of code, as services see it."""

    __slots__ = (
        "_forwarded",
        "brought",
        "fields",
        "inputs",
        "method",
        "rules",
        "running",
        "tags",
        "visitor",
        "wrote",
    )

    def __init__(
        self,
        running: AtWork,
        fields: requests.Headers,
        rules: Rules,
        inputs: Mapping[str, Any],
    ) -> None:
        self.running = running
        self.fields = fields
        self.brought = fields  # for guards, with what nobody else sees
        self.method = "GET"  # for guards, where it makes a difference to any
        self.rules = rules
        self.inputs = inputs
        self.tags: dict[str, None] = {}
        self.visitor: object | None = None  # whom the guard of the route let in
        self.wrote = False  # a call that is no question was made, and was not refused
        self._forwarded: dict[object, requests.Headers] | None = None

    def within(self, rules: Rules, inputs: Mapping[str, Any]) -> "Caller":
        """Return the same caller at the beginning of an answer, with tags of its own."""
        inner = Caller(self.running, self.fields, rules, inputs)
        inner.visitor = self.visitor
        inner.brought, inner.method = self.brought, self.method
        return inner

    def tag(self, name: str) -> None:
        """Add a tag to the answer that is being made, and to what of it is kept by itself."""
        self.tags[name] = None
        kept = _KEPT_BY_ITSELF.get()
        if kept is not None:
            kept[name] = None

    def forwarded(self, service: object, name: str, picker: Picker) -> requests.Headers:
        """Return the fields that a service sees; raises `ConfigError` if the answer does not vary by them."""
        if self._forwarded is None:
            self._forwarded = {}
        known = self._forwarded.get(service)
        if known is None:
            validate_covered(self.rules, name, picker)
            known = self._forwarded[service] = picker.pick(self.fields)
        return known


_KEPT_BY_ITSELF: ContextVar[dict[str, None] | None] = ContextVar(
    "tags of what is kept by itself", default=None
)


@contextmanager
def tags_noted() -> Iterator[dict[str, None]]:
    """Note the tags that are said within, for a value that is kept apart from the answers it is part of."""
    found: dict[str, None] = {}
    token = _KEPT_BY_ITSELF.set(found)
    try:
        yield found
    finally:
        _KEPT_BY_ITSELF.reset(token)


async def noted(caller: Caller, write: Awaitable[T]) -> T:
    """Wait for a call that is no question; unless it was refused, something may have been written."""
    try:
        done = await write
    except UpstreamRejected:
        raise
    except BaseException:
        caller.wrote = True
        raise
    caller.wrote = True
    return done


def validate_covered(rules: Rules, name: str, picker: Picker) -> None:
    """Raise `ConfigError` if a service would see fields that do not identify the answer."""
    missing = uncovered(rules, picker)
    if missing:
        raise ConfigError(f"{rules.where}: {unvaried(name, missing)}")


def uncovered(rules: Rules, picker: Picker) -> frozenset[str | Cookie]:
    """Return the fields that a service would see though the answer does not vary by them."""
    return frozenset() if rules.vary is None else rules.vary.covers(picker)


def unvaried(name: str, missing: frozenset[str | Cookie]) -> str:
    """Say that a service would see fields that do not identify the answer, and what to do."""
    shown = ", ".join(sorted(repr(one) for one in missing))
    return (
        f"the service {name!r} forwards {shown}, but the answer does not vary by it, so that one caller could get "
        f"another's: say vary={{{shown}}}"
    )


def unlike(name: str, missing: frozenset[str | Cookie]) -> str:
    """Say that a screen inside varies by what the answer does not, and what to do."""
    shown = ", ".join(sorted(repr(one) for one in missing))
    return (
        f"the screen {name!r}, which it runs, varies by {shown}, and the answer does not, so that one caller could get "
        f"another's: say vary={{{shown}}}"
    )


def caller_here() -> Caller:
    """Return who asks; raises `RuntimeError` outside a request."""
    found = context.current().caller
    if not isinstance(found, Caller):
        raise RuntimeError(  # noqa: TRY004 - it is the place that is wrong, not a type
            "services and screens are used inside a request; elsewhere write "
            "`async with app.running() as running, running.request(): ...`"
        )
    return found


def entered(asked: context.RequestContext, caller: Caller) -> Token[context.RequestContext]:
    """Make a context with this caller the current one; `context.leave` the token to return."""
    # By position, for every request: with names it takes a third longer, by dataclasses.replace five times as long.
    return context.enter(
        context.RequestContext(
            asked.request_id,
            asked.deadline,
            asked.identity,
            asked.forward,
            asked.record,
            asked.attempt,
            asked.route_deadline,
            asked.parent,
            caller,
            asked.priority,
        )
    )
