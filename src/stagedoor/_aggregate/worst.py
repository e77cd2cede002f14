"""Prove from plan and policies what an aggregate can cost: seconds on its longest path, calls on its upstreams.

A part is counted as one call to each upstream behind its sources, one after the other. "Single" is every attempt as
late as its time-out allows and none repeated; "worst" repeats as often as policies permit, with the longest pauses,
and each attempt waits first for somebody else's probe of a breaker, which is an attempt too.
Waiting for a place is not counted: it ends with the deadline, as everything does. What has no bound of its own is
None, and ends with the deadline too.

Amplification is told twice: the most calls that one request can cause (attempts x copies), and the load that all
requests together can cause when every call fails, which budgets hold down (R4, A9).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from stagedoor._aggregate.checks import Design, NamedUpstream
from stagedoor._aggregate.part import Part, PlanFinding
from stagedoor.errors import ConfigError
from stagedoor.policies._cost import Cost, cost_of
from stagedoor.policies._retry import Retry
from stagedoor.policies._timeout import Timeout, check_attempts

__all__ = [
    "Cost",
    "HasUpstreams",
    "NamedUpstream",
    "PartCost",
    "WorstCase",
    "amplified",
    "cost_of",
    "doubts_of",
    "doubts_of_amplification",
    "impossible",
    "worst_case",
]

_MOST_ATTEMPTS = 3  # O5
_MOST_LOAD = 1.2  # A9


@runtime_checkable
class HasUpstreams(Protocol):
    """A source that says which upstreams stand behind it, `()` for none; another is a finding."""

    @property
    def upstreams(self) -> Sequence[NamedUpstream]:
        """Return the upstreams that one use of the source may call, once each."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCost:
    """One part of a worst case, in seconds; None has no bound but the deadline.

    `path` are the parts that have to end one after the other, this one last; `longest` is what they take with one
    attempt each, `with_retries` with all, never more than the budget.
    """

    part: str
    upstreams: tuple[str, ...]
    single: float | None
    path: tuple[str, ...]
    longest: float
    with_retries: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """What an aggregate can cost at worst, and what is doubtful about it."""

    aggregate: str
    budget: float
    parts: tuple[PartCost, ...]
    upstreams: Mapping[str, Cost]
    findings: tuple[PlanFinding, ...]

    @property
    def longest(self) -> float:
        """Return the seconds of the longest path with one attempt a part."""
        return max(part.longest for part in self.parts)


def worst_case(design: Design, budget: float) -> WorstCase:
    """Return what an aggregate can cost; its findings are doubts, not errors: see `impossible` for those."""
    costs = {
        remote.name: cost_of(remote.policies) for part in design.parts for remote in _behind(design, part)
    }
    return WorstCase(
        aggregate=design.name,
        budget=budget,
        parts=tuple(_paths(design, budget).values()),
        upstreams=costs,
        findings=tuple(_doubts(design, budget)),
    )


def impossible(design: Design, budget: float) -> Iterator[PlanFinding]:
    """Find what can never be in time: attempts as long as their deadline (D3), paths longer than the budget."""
    told: set[str] = set()
    for part in design.parts:
        for remote in _behind(design, part):
            try:
                check_attempts(remote.policies, _own(part, budget), f"upstream {remote.name!r}")
            except ConfigError as error:
                told.add(part.name)
                yield design.finding(part, str(error))
    for cost in _paths(design, budget).values():
        if cost.longest > budget and told.isdisjoint(cost.path):
            path, part = " → ".join(cost.path), design.by_name[cost.part]
            text = f"the path {path} takes {_ms(cost.longest)} with one attempt a part, the budget is {_ms(budget)}"
            yield design.finding(part, text)
            return


def _behind(design: Design, part: Part) -> tuple[NamedUpstream, ...]:
    """Return the upstreams that a part uses, behind the sources that it names or otherwise, each once."""
    sources = (design.sources.get(argument.name) for argument in design.signatures[part.name].arguments)
    found = [remote for source in sources if isinstance(source, HasUpstreams) for remote in source.upstreams]
    found.extend(design.uses.get(part.name, ()))
    return tuple({remote.name: remote for remote in found}.values())


def _unbacked(design: Design, part: Part) -> Iterator[str]:
    """Return the sources that a part names and that do not say which upstreams stand behind them."""
    for argument in design.signatures[part.name].arguments:
        if argument.name in design.sources and not isinstance(design.sources[argument.name], HasUpstreams):
            yield argument.name


def _own(part: Part, budget: float) -> float:
    return budget if part.limit is None else min(part.limit, budget)


def _bounded(part: Part, seconds: Iterable[float]) -> float | None:
    """Return what calls in sequence take at most, None if only the aggregate's deadline ends them."""
    total = sum(seconds)
    if part.limit is not None:
        return min(total, part.limit)
    return None if total == math.inf else total


def _paths(design: Design, budget: float) -> dict[str, PartCost]:
    """Return each part's cost with the longest path that leads to it, in the order of declaration."""
    found: dict[str, PartCost] = {}
    for part in design.parts:
        _path(design, part.name, budget, found)
    return {part.name: found[part.name] for part in design.parts}


def _path(design: Design, name: str, budget: float, found: dict[str, PartCost]) -> PartCost:
    if name in found:
        return found[name]
    before = [_path(design, need, budget, found) for need in design.needs(name)]
    remotes = _behind(design, design.by_name[name])
    costs = [cost_of(remote.policies) for remote in remotes]
    single = _bounded(design.by_name[name], (cost.single for cost in costs))
    worst = _bounded(design.by_name[name], (cost.worst for cost in costs))
    slowest = max(before, key=lambda cost: cost.longest, default=None)
    with_retries = max((cost.with_retries for cost in before), default=0.0)
    found[name] = PartCost(
        part=name,
        upstreams=tuple(remote.name for remote in remotes),
        single=single,
        path=(*(slowest.path if slowest else ()), name),
        longest=(slowest.longest if slowest else 0.0) + (single or 0.0),
        with_retries=min(budget, with_retries + (budget if worst is None else worst)),
    )
    return found[name]


def _doubts(design: Design, budget: float) -> Iterator[PlanFinding]:
    """Find waits without a bound of their own, doubtful upstreams, and what cannot be seen."""
    told: set[str] = set()
    for name, cost in _paths(design, budget).items():
        part = design.by_name[name]
        if cost.single is None and any(name in design.needs(other.name) for other in design.parts):
            text = f"has no attempt time-out: one late call takes all of {_ms(budget)}, and what waits for it is lost"
            yield design.finding(part, text)
        for remote in _behind(design, part):
            if remote.name not in told:
                told.add(remote.name)
                yield from (design.finding(part, text) for text in doubts_of(remote))
        for source in _unbacked(design, part):
            yield design.finding(
                part, f"the source {source!r} does not say what stands behind it: give it `upstreams`"
            )


def amplified(costs: Mapping[str, Cost], behind: Mapping[str, Sequence[str]]) -> dict[str, Cost]:
    """Return the costs of upstreams with what those add that ask them; `behind` says whom each asks, by names.

    Who is asked by a repetition is asked once more: it is not repeated again (R7).
    """
    return {name: _amplified(name, costs, behind, frozenset()) for name in costs}


def _amplified(
    name: str, costs: Mapping[str, Cost], behind: Mapping[str, Sequence[str]], above: frozenset[str]
) -> Cost:
    cost, above = costs[name], above | {name}
    for asking, asked in behind.items():
        if name in asked and asking in costs and asking not in above:
            outer = _amplified(asking, costs, behind, above)
            cost = replace(cost, calls=cost.calls + outer.calls - 1, load=cost.load + outer.load - 1)
    return cost


def doubts_of(remote: NamedUpstream) -> Iterator[str]:
    """Say what is doubtful about the policies of one upstream."""
    cost, name = cost_of(remote.policies), remote.name
    yield from doubts_of_amplification(name, cost)
    for policy in cost.unknown:
        yield f"upstream {name!r}: the policy {policy} does not say what it costs: give it a method `cost`"
    kinds = [type(policy) for policy in remote.policies]
    if Retry in kinds and Timeout in kinds and kinds.index(Timeout) < kinds.index(Retry):
        yield f"upstream {name!r}: Timeout stands round Retry, so that one late attempt leaves no time: put it inside"


def doubts_of_amplification(upstream: str, cost: Cost) -> Iterator[str]:
    """Say where repetition grows beyond what is wise for one request, or allowed for all of them."""
    if cost.calls > _MOST_ATTEMPTS:
        yield f"upstream {upstream!r}: one call may become {cost.calls}, at most {_MOST_ATTEMPTS} are wise (O5)"
    if cost.load > _MOST_LOAD + 1e-9:
        yield f"upstream {upstream!r}: failing calls may grow to {cost.load:.2f} times, {_MOST_LOAD} is the limit (A9)"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"
