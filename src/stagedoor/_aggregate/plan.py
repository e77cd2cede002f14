"""A plan: an aggregate with its sources, checked once at start-up and then run for every request."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Generic, TypeVar

from stagedoor._aggregate.checks import REPORT, Design, NamedUpstream, examine, fields_of, place_of
from stagedoor._aggregate.hints import kinds
from stagedoor._aggregate.outcome import Outcome
from stagedoor._aggregate.part import (
    Part,
    PartFunction,
    PlanError,
    PlanFinding,
    Signature,
    Summary,
    signature_of,
)
from stagedoor._aggregate.run import run
from stagedoor._aggregate.schedule import ModelShape, PartStep, Schedule
from stagedoor._aggregate.verdict import Report
from stagedoor._aggregate.worst import WorstCase, impossible, worst_case
from stagedoor._call import Env
from stagedoor.errors import ConfigError

__all__ = ["Plan", "make_plan"]

M = TypeVar("M")

Pick = Callable[[Sequence[object]], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Plan(Generic[M]):
    """What `Aggregate.plan` returns: nothing in it can fail for reasons of declaration any more."""

    design: Design
    schedule: Schedule[M]

    @property
    def name(self) -> str:
        """Return the aggregate's name."""
        return self.design.name

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of its parts."""
        return tuple(part.name for part in self.design.parts)

    @property
    def budget(self) -> float:
        """Return the seconds that all parts have together."""
        return self.schedule.budget

    @property
    def model(self) -> type[M]:
        """Return the model that an outcome fills."""
        return self.schedule.shape.model

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the model's fields that parts fill, in the model's order."""
        return self.schedule.shape.fields

    @property
    def summary(self) -> str | None:
        """Return the field that the summary fills."""
        return self.schedule.shape.summary

    def run(self, values: Mapping[str, object], env: Env) -> Coroutine[Any, Any, Outcome[M]]:
        """Fetch all parts for one request's values; awaited, raises what `stagedoor._aggregate.run.run` says."""
        return run(self.schedule, values, env)

    def worst_case(self) -> WorstCase:
        """Return what the aggregate can cost at worst, in seconds and in calls."""
        return worst_case(self.design, self.budget)

    def summarise(self, values: Mapping[str, object], outcome: Outcome[M], report: Report) -> object:
        """Return the value of the summary's field, for an answer that leaves now; raises `ConfigError` if none."""
        summary = self.design.summary
        if summary is None:
            raise ConfigError(f"{self.name}: no summary is declared")
        known = {**values, **outcome.values, REPORT: report}
        return summary.call(**{name: known[name] for name in self.schedule.summarised if name in known})


def make_plan(
    *,
    name: str,
    model: type[M],
    budget: float,
    parts: Sequence[Part],
    summary: Summary | None,
    sources: Mapping[str, object],
    values: Mapping[str, Any],
    fields: Mapping[str, Any] | None = None,
    uses: Mapping[str, Sequence[NamedUpstream]] | None = None,
) -> Plan[M]:
    """Check a declaration against its sources and lay it out for the runner; raises `PlanError`.

    `fields` are the model's that parts fill, all unless given; `uses` the upstreams that a part calls without naming
    them as sources.
    """
    if not parts:
        raise ConfigError(f"{name}: an aggregate without parts")
    design = Design(
        name=name,
        fields=fields_of(model) if fields is None else fields,
        parts=tuple(parts),
        summary=summary,
        signatures=_signatures(name, [*parts, *([summary] if summary else [])]),
        sources=sources,
        values=values,
        uses=uses or {},
    )
    findings = examine(design)
    if not findings:
        findings.extend(impossible(design, budget))
    if findings:
        raise PlanError(findings)
    return Plan(design, _schedule(design, model, budget))


def _signatures(aggregate: str, parts: Sequence[Part | Summary]) -> dict[str, Signature]:
    signatures: dict[str, Signature] = {}
    findings: list[PlanFinding] = []
    for part in parts:
        try:
            signatures[part.name] = signature_of(part.call)
        except ConfigError as error:
            findings.append(PlanFinding(*place_of(part.call), aggregate, part.name, str(error)))
    if findings:
        raise PlanError(findings)
    return signatures


def _schedule(design: Design, model: type[M], budget: float) -> Schedule[M]:
    names = [part.name for part in design.parts]
    slots = {name: slot for slot, name in enumerate([*design.sources, *design.values, *names])}
    needs = [tuple(map(names.index, design.needs(name))) for name in names]
    steps = tuple(_step(design, part, index, slots, needs) for index, part in enumerate(design.parts))
    summary = design.summary.name if design.summary else None
    fields = tuple(field for field in design.fields if field != summary)
    return Schedule(
        name=design.name,
        budget=budget,
        shape=ModelShape(model, fields, summary),
        sources=tuple(design.sources.values()),
        values=tuple(design.values),
        names=tuple(names),
        steps=steps,
        # Required ones first: refused at once (an open breaker, say), they spare the others' upstreams a call.
        roots=tuple(sorted((step for step in steps if not step.needs), key=lambda step: not step.required)),
        waiting=tuple(map(len, needs)),
        summarised=tuple(item.name for item in design.signatures[summary].arguments) if summary else (),
    )


def _step(
    design: Design,
    part: Part,
    index: int,
    slots: Mapping[str, int],
    needs: Sequence[tuple[int, ...]],
) -> PartStep:
    call, names = _by_position(part.call, design.signatures[part.name], slots)
    return PartStep(
        index=index,
        name=part.name,
        task=f"{design.name}.{part.name}",
        slot=slots[part.name],
        call=call,
        arguments=_picker([slots[name] for name in names]),
        needs=needs[index],
        feeds=tuple(other for other, wanted in enumerate(needs) if index in wanted),
        required=part.required,
        fallback=part.fallback,
        limit=part.limit,
        kinds=kinds(design.signatures[part.name].returns),
        place=":".join(map(str, place_of(part.call))),
        tolerant=frozenset(other for other in needs[index] if design.parts[other].name in part.tolerant),
    )


def _by_position(
    call: PartFunction, signature: Signature, slots: Mapping[str, int]
) -> tuple[PartFunction, list[str]]:
    """Return the function as one of positions only, and the names that go there; the rest keep their defaults."""
    arguments = [argument for argument in signature.arguments if argument.name in slots]
    names = [argument.name for argument in arguments]
    if arguments != list(signature.arguments) or any(argument.keyword_only for argument in arguments):
        return partial(_named, call, names), names
    return call, names


async def _named(call: PartFunction, names: Sequence[str], *given: object) -> object:
    return await call(**dict(zip(names, given, strict=True)))


def _picker(slots: Sequence[int]) -> Pick:
    """Return a function that picks the slots in their order; of several alone `itemgetter` makes a sequence."""
    if len(slots) > 1:
        return itemgetter(*slots)
    first = slots[0] if slots else 0
    return itemgetter(slice(first, first + len(slots)))
