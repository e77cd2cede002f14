"""Serve an aggregate: run it, render it once, keep what is complete, and say how it came about.

    request ─▶ values ─▶ [ cached ▸ coalesced ] ─▶ assemble: plan.run ─▶ Rendered ─▶ delivered answer

An aggregate is an upstream of its own: the transport runs the plan, and the ordinary policies keep and join what it
brings. What is kept is rendered JSON; only the summary is written anew for each answer, so that a hit costs no
validation and no rendering of the parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from stagedoor.aggregate.plan import Plan
from stagedoor.aggregate.verdict import Verdict
from stagedoor.call import Call, Env

__all__ = ["Delivery", "Rendered", "Values", "aggregate_route", "decode", "encode"]

M = TypeVar("M")
Values: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A complete or partial answer, ready but for its summary: `fields` is the JSON object without its last brace."""

    fields: bytes
    summary: Mapping[str, Any]
    verdicts: Mapping[str, Verdict]
    complete: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is only known when an answer leaves; `seconds` is how long this very answer took."""

    verdicts: Mapping[str, Verdict]
    cached: bool
    seconds: float


class _Assembly(Generic[M]):
    """The transport that runs a plan; its payload are the request's values."""

    def __init__(self, plan: Plan[M], env: Env, lifetime: float) -> None:
        self._plan = plan
        self._env = env
        self._lifetime = lifetime

    async def send(self, call: Call[Values], /) -> Rendered:
        return _render(
            self._plan, call.payload, await self._plan.run(call.payload, self._env), self._lifetime
        )

    def key_of(self, payload: Values, /) -> bytes:
        parts = (part.encode() for pair in sorted(payload.items()) for part in pair)
        return b"".join(b"%d:%b" % (len(part), part) for part in parts)

    def idempotent(self, _: Values, /) -> bool:
        return True

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return repr(self._plan)
