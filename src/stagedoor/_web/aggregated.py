"""The answer of an aggregate: rendered once, kept if it is complete, told part by part each time it leaves.

    outcome ─▶ Rendered ─▶ [ kept ] ─▶ delivered answer

What is kept is rendered JSON; only the summary is written anew for each answer, so that a hit costs no validation and
no rendering of the parts.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import lru_cache, partial
from typing import Any, ClassVar, TypeAlias, TypeVar

import orjson
from pydantic_core import PydanticSerializationError

from stagedoor._aggregate.outcome import Outcome
from stagedoor._aggregate.part import ABSENT
from stagedoor._aggregate.plan import Plan
from stagedoor._aggregate.verdict import PartVerdict, parts_header, recalled, server_timing
from stagedoor._context import Record
from stagedoor._requests import Headers
from stagedoor._value import MaybePartial, value
from stagedoor._web.answer import WebAnswer, repeat_of
from stagedoor._web.cached import JSON, deliver
from stagedoor._web.freshness import provenance
from stagedoor._web.rendering import Renderer
from stagedoor.errors import UpstreamGarbled

__all__ = [
    "Finish",
    "Rendered",
    "delivered",
    "fields_of",
    "rendered",
    "renderer_of",
    "verdicts_of",
    "whole_body",
]

M = TypeVar("M")


@value()
class Rendered(MaybePartial):
    """A complete or partial answer, ready but for its summary: `body` is the JSON object without its last brace."""

    SCHEMA: ClassVar[str] = "rendered2"

    body: bytes
    summary: Any  # what the plan's summary returned
    verdicts: Mapping[str, PartVerdict]
    complete: bool
    tags: tuple[str, ...] = ()
    outcome: Outcome[Any] | None = field(
        default=None, compare=False, repr=False
    )  # None for one that was kept

    def head(self) -> object:
        """Return what is kept beside the body."""
        verdicts = {name: [one.status, one.reason, one.ms, one.age] for name, one in self.verdicts.items()}
        return [self.summary, verdicts, self.complete, self.tags]

    @classmethod
    def revived(cls, head: Any, body: bytes) -> "Rendered":  # noqa: ANN401 - JSON
        """Return the answer that was kept as this."""
        summary, verdicts, complete, tags = head
        told = {name: PartVerdict(*one) for name, one in verdicts.items()}
        return cls(body, summary, told, complete, tuple(tags))


# Completes a summary with what is only known when an answer leaves: its verdicts, whether it was kept, and the seconds
# that this very answer took.
Finish: TypeAlias = Callable[[Any, Mapping[str, PartVerdict], bool, float], object]

_LOGGER = logging.getLogger("stagedoor._web")
_KEPT = frozenset({"hit", "stale"})


def renderer_of(plan: Plan[M]) -> Renderer[M]:
    """Return what writes a plan's answers; raises `ConfigError` if its model has no JSON form."""
    summary = plan.summary
    said = None if summary is None else plan.design.signatures[summary].returns
    return Renderer(plan.model, summary=summary, summarised=said)


def rendered(
    plan: Plan[M],
    renderer: Renderer[M],
    values: Mapping[str, Any],
    outcome: Outcome[M],
    lifetime: float,
    *,
    tags: tuple[str, ...] = (),
    keep: bool = False,
) -> Rendered:
    """Render an outcome: its fields as JSON, its summary as a value that the delivery completes.

    `keep` lets the answer carry the outcome, for whoever wants the values and not the bytes.
    """
    try:
        fields = renderer.render(_brought(outcome))
    except PydanticSerializationError:
        outcome = _mended(plan, renderer, outcome)
        fields = renderer.render(_brought(outcome))
    complete, summary = outcome.complete, None
    if outcome.shape.summary is not None:
        report = outcome.report(lifetime=lifetime if complete else 0.0, elapsed=outcome.seconds)
        summary = renderer.summary(plan.summarise(values, outcome, report))
    return Rendered(fields, summary, outcome.verdicts, complete, tags, outcome if keep else None)


def _brought(outcome: Outcome[M]) -> dict[str, object]:
    brought = outcome.values
    return {name: brought[name] for name in outcome.shape.fields}


def _mended(plan: Plan[M], renderer: Renderer[M], outcome: Outcome[M]) -> Outcome[M]:
    """Let fallbacks stand in for what has no JSON form; raises `UpstreamGarbled` for a part that has none."""
    values, verdicts = dict(outcome.values), dict(outcome.verdicts)
    for name, why in renderer.culprits(_brought(outcome), outcome.shape.fields).items():
        part = plan.design.by_name[name]
        _LOGGER.warning("%s.%s: its value has no JSON form: %s", plan.name, name, why)
        if part.required or part.fallback is ABSENT:
            raise UpstreamGarbled(f"{plan.name}.{name}", "its value has no JSON form")
        values[name] = copy.deepcopy(part.fallback)
        verdicts[name] = PartVerdict("fallback", "garbled", verdicts[name].ms)
    return replace(outcome, values=values, verdicts=verdicts)


def delivered(
    plan: Plan[M],
    value: Rendered,
    record: Record,
    seconds: float,
    finish: Finish,
    *,
    scope: bytes = b"private",
    more: Headers = (),
) -> WebAnswer:
    """Return the answer: body, verdicts, and what caches may do with it (`scope` is b"public" or b"private").

    `more` are further fields. Only one without a summary can be given again: a summary is written anew for each.
    """
    verdicts = verdicts_of(value, record)
    body = whole_body(plan, value, finish, verdicts, record.lookup in _KEPT, seconds)
    again = None
    if record.kept is not None and plan.summary is None:
        fields = (JSON, *_told(verdicts, record, 0.0), *more)
        again = repeat_of(record, fields, partial(_told_again, scope), body)
    told = (*_told(verdicts, record, seconds), *more)
    fresh = _is_fresh(value.complete, record)
    return deliver(body, told, record, scope=scope, fresh=fresh, repeat=again)


def _told_again(scope: bytes, left: float) -> Headers:
    return provenance(Record(lookup="hit", ttl=left), scope=scope, fresh=True)


def fields_of(
    verdicts: Mapping[str, PartVerdict], complete: bool, record: Record, seconds: float, *, scope: bytes
) -> Headers:
    """Return the fields that say how an answer came about, and what caches may do with it."""
    fresh = _is_fresh(complete, record)
    return (*_told(verdicts, record, seconds), *provenance(record, scope=scope, fresh=fresh))


def _told(verdicts: Mapping[str, PartVerdict], record: Record, seconds: float) -> Headers:
    total = b"total;dur=%.1f" % (seconds * 1000)
    if record.lookup == "hit":  # a matter of the names alone
        return (_all_cached(tuple(verdicts)), (b"server-timing", total))
    timing = server_timing(verdicts).encode()
    return (
        (b"stagedoor-parts", parts_header(verdicts).encode()),
        (b"server-timing", b"%b, %b" % (timing, total) if timing else total),
    )


@lru_cache(maxsize=256)
def _all_cached(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    return (b"stagedoor-parts", parts_header(recalled(dict.fromkeys(names, PartVerdict("cached")))).encode())


def _is_fresh(complete: bool, record: Record) -> bool:
    return complete and record.lookup != "stale" and record.ttl is not None


def whole_body(
    plan: Plan[M],
    value: Rendered,
    finish: Finish,
    verdicts: Mapping[str, PartVerdict],
    cached: bool,
    seconds: float,
) -> bytes:
    """Return the JSON object of an answer that leaves now, its summary included."""
    summary = plan.summary
    if summary is None:
        return value.body + b"}"
    # What was made now is kept, and may be for several: who completes it gets a copy.
    own = value.summary if cached else _copied(value.summary)
    said = finish(own, verdicts, cached, seconds)
    comma = b"" if value.body == b"{" else b","
    return value.body + b'%b"%b":%b}' % (comma, summary.encode(), orjson.dumps(said))


def _copied(summary: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of a summary, as it would come out of a store; `deepcopy` takes six times as long."""
    try:
        return orjson.loads(orjson.dumps(summary))
    except TypeError:  # it has no such form yet: who completes it sees to that
        return copy.deepcopy(summary)


def verdicts_of(value: Rendered, record: Record) -> Mapping[str, PartVerdict]:
    """Return the verdicts as they are for this answer: those of a kept one are all `cached`, or all `stale`."""
    if record.lookup == "hit":
        return recalled(value.verdicts)
    if record.lookup == "stale":
        return dict.fromkeys(value.verdicts, PartVerdict("stale", age=record.stale))
    return value.verdicts
