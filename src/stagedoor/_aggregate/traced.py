"""Parts as spans: each one that runs is told with its verdict, and what it asks is asked under it."""

from dataclasses import replace
from functools import wraps
from typing import TypeVar

from stagedoor import _context as context
from stagedoor._aggregate import verdict as judge
from stagedoor._aggregate.part import ABSENT
from stagedoor._aggregate.plan import Plan
from stagedoor._aggregate.schedule import PartStep
from stagedoor._tracing import SpanScope, Tracer
from stagedoor.errors import UpstreamError

__all__ = ["traced"]

M = TypeVar("M")
_STATUS = "stagedoor.part.status"


def traced(plan: Plan[M], tracer: Tracer) -> Plan[M]:
    """Return a plan whose parts are spans. A part that is skipped is none: nothing of it ran."""
    schedule = plan.schedule
    steps = tuple(_step(step, tracer) for step in schedule.steps)
    roots = tuple(steps[root.index] for root in schedule.roots)
    return replace(plan, schedule=replace(schedule, steps=steps, roots=roots))


def _step(step: PartStep, tracer: Tracer) -> PartStep:
    call, failed = step.call, "missing" if step.fallback is ABSENT else "fallback"

    @wraps(call)
    async def part(*given: object) -> object:
        with SpanScope(tracer, step.task, "internal", {}) as within:
            try:
                value = await call(*given)
            except UpstreamError:
                within.note(_STATUS, failed)
                raise
            within.note(_STATUS, judge.answered(context.current().record, 0.0).status)
            return value

    return replace(step, call=part)
