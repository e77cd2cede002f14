"""Worst cases, reckoned by hand."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from stagedoor._aggregate import Plan, PlanError
from stagedoor._aggregate.worst import Cost, amplified, cost_of
from stagedoor._cache.codec import RawCodec
from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Env
from stagedoor.policies._budget import Account, Budget
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._cached import Cached
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._hedge import Hedge
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock
from tests.declared import Aggregate

SHARED = Account(Budget(share=0.2))
NOWHERE = MemoryStore(env=Env(ManualClock(), lambda: 0.5, Events()))


@dataclass
class Remote:
    name: str
    policies: tuple[object, ...]


@dataclass
class Shop:
    upstreams: tuple[Remote, ...]


@dataclass
class Page:
    head: str
    tail: str


@pytest.mark.parametrize(
    ("policies", "cost"),
    [
        ((), Cost(math.inf, math.inf, 1, 1.0)),
        ((Timeout(attempt=0.08),), Cost(0.08, 0.08, 1, 1.0)),
        ((Deadline(), Timeout(attempt=0.08)), Cost(0.08, 0.08, 1, 1.0)),
        ((Deadline(limit=0.05), Timeout(attempt=0.08)), Cost(0.05, 0.05, 1, 1.0)),
        # two attempts of 80 ms and one pause of at most 25 ms
        ((Retry(), Timeout(attempt=0.08)), Cost(0.08, 0.185, 2, 1.2)),
        # each of them may have waited for a probe before (F4)
        ((Retry(), CircuitBreaker(), Timeout(attempt=0.08)), Cost(0.08, 0.345, 2, 1.2)),
        ((Retry(), CircuitBreaker(max_wait=0.01), Timeout(attempt=0.08)), Cost(0.08, 0.205, 2, 1.2)),
        ((CircuitBreaker(),), Cost(math.inf, math.inf, 1, 1.0)),
        # pauses of at most 100, 200 and 250 ms
        ((Retry(attempts=4, base=0.1), Timeout(attempt=0.1)), Cost(0.1, 0.95, 4, 1.2)),
        ((Deadline(limit=0.15), Retry(), Timeout(attempt=0.08)), Cost(0.08, 0.15, 2, 1.2)),
        ((Retry(attempts=1), Timeout(attempt=0.08)), Cost(0.08, 0.08, 1, 1.0)),
        # the second copy leaves 10 ms after the first
        ((Hedge(delay=0.01), Timeout(attempt=0.08)), Cost(0.08, 0.09, 2, 1.05)),
        ((Hedge(delay=0.01), Retry(), Timeout(attempt=0.08)), Cost(0.08, 0.195, 4, 1.26)),
        # one account pays for both
        (
            (Hedge(delay=0.01, budget=SHARED), Retry(budget=SHARED), Timeout(attempt=0.08)),
            Cost(0.08, 0.195, 4, 1.2),
        ),
    ],
)
def test_g3_the_cost_of_one_call_follows_from_its_policies(policies: tuple[object, ...], cost: Cost) -> None:
    """G3: seconds of one attempt, seconds of all, calls of one request, load of all requests."""
    found = cost_of(policies)

    assert (found.single, found.worst) == pytest.approx((cost.single, cost.worst))
    assert found.calls == cost.calls
    assert found.load == pytest.approx(cost.load)


def page(budget: float, *policies: object, limit: float | None = None) -> Plan[Page]:
    aggregate = Aggregate(Page, budget=budget)

    @aggregate.part(required=True, limit=limit)
    async def head(shop: Shop) -> str:
        raise NotImplementedError

    @aggregate.part(fallback="")
    async def tail(head: str, shop: Shop, quiet: Shop) -> str:
        raise NotImplementedError

    return aggregate.plan(sources={"shop": Shop((Remote("shop", policies),)), "quiet": Shop(())}, values={})


def test_g3_the_longest_path_is_told_with_its_parts() -> None:
    """G3: one attempt a part in sequence; with retries never more than the budget."""
    case = page(0.2, Retry(), Timeout(attempt=0.08)).worst_case()
    head, tail = case.parts

    assert (case.aggregate, case.budget, case.longest) == ("page", 0.2, 0.16)
    assert (head.path, head.single, head.longest) == (("head",), 0.08, 0.08)
    assert (tail.path, tail.longest, tail.upstreams) == (("head", "tail"), 0.16, ("shop",))
    assert head.with_retries == pytest.approx(0.185)
    assert tail.with_retries == 0.2
    assert case.upstreams == {"shop": cost_of((Retry(), Timeout(attempt=0.08)))}
    assert case.findings == ()


def found(plan: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan()
    return [f"{one.part}: {one.text}" for one in caught.value.findings]


def test_g3_a_path_longer_than_the_budget_is_refused_at_start() -> None:
    """G3: with the path and both figures; the first part that is too late is enough."""
    assert found(lambda: page(0.15, Timeout(attempt=0.08))) == [
        "tail: the path head → tail takes 160 ms with one attempt a part, the budget is 150 ms"
    ]


def test_g3_a_path_as_long_as_the_budget_is_planned() -> None:
    """The figure is a bound, and may be reached."""
    assert page(0.16, Timeout(attempt=0.08)).worst_case().longest == 0.16


def test_d3_an_attempt_as_long_as_its_deadline_is_refused_at_start() -> None:
    """D3: against the budget, and against a part's own limit."""
    texts = found(lambda: page(0.08, Timeout(attempt=0.08)))
    assert texts[0].startswith(
        "head: upstream 'shop': Timeout(attempt=0.08) must be below the deadline of 0.08 s"
    )
    texts = found(lambda: page(0.3, Timeout(attempt=0.08), limit=0.05))
    assert len(texts) == 1
    assert "must be below the deadline of 0.05 s" in texts[0]


def test_g3_a_part_without_a_bound_that_others_wait_for_is_doubtful() -> None:
    """G3: it runs, but one late call takes everything; a limit of its own is a bound too."""
    case = page(0.1).worst_case()
    assert [f"{one.part}: {one.text}" for one in case.findings] == [
        "head: has no attempt time-out: one late call takes all of 100 ms, and what waits for it is lost"
    ]
    assert case.parts[0].single is None
    assert case.parts[1].with_retries == 0.1
    assert page(0.1, limit=0.05).worst_case().findings == ()


def test_g3_amplification_beyond_what_is_wise_is_doubtful() -> None:
    """O5, A9: once for each upstream, at the first part that uses it."""
    case = page(0.3, Hedge(delay=0.01), Retry(), Timeout(attempt=0.08)).worst_case()

    assert [f"{one.part}: {one.text}" for one in case.findings] == [
        "head: upstream 'shop': one call may become 4, at most 3 are wise (O5)",
        "head: upstream 'shop': failing calls may grow to 1.26 times, 1.2 is the limit (A9)",
    ]


@dataclass(frozen=True)
class Own:
    """A policy of a user's own that wraps another."""

    inner: Retry


@dataclass(frozen=True)
class Telling(Own):
    """The same, and it says what it costs."""

    def cost(self, inner: Cost) -> Cost:
        return self.inner.cost(inner)


def test_g3_a_policy_that_says_nothing_of_its_cost_is_doubtful() -> None:
    """G3: a wrapped retry counted as free; what cannot be seen is named."""
    case = page(0.3, Own(Retry()), Timeout(attempt=0.08)).worst_case()

    assert [one.text for one in case.findings] == [
        "upstream 'shop': the policy Own does not say what it costs: give it a method `cost`"
    ]


def test_g3_a_policy_that_wraps_another_costs_what_it_says() -> None:
    """G3: one that tells is counted as what it wraps."""
    case = page(0.3, Telling(Retry()), Timeout(attempt=0.08)).worst_case()

    assert case.findings == ()
    assert case.upstreams["shop"] == cost_of((Retry(), Timeout(attempt=0.08)))


def test_g3_a_timeout_round_a_retry_is_doubtful() -> None:
    """D2: the first late attempt takes the time of all."""
    case = page(0.3, Timeout(attempt=0.1), Retry(), Timeout(attempt=0.08)).worst_case()

    assert [one.text for one in case.findings] == [
        "upstream 'shop': Timeout stands round Retry, so that one late attempt leaves no time: put it inside"
    ]


def test_g3_a_source_that_does_not_say_what_stands_behind_it_is_doubtful() -> None:
    """G3: it counted as free."""
    aggregate = Aggregate(Page, budget=0.1)

    @aggregate.part(required=True)
    async def head(shop: int) -> str:
        raise NotImplementedError

    @aggregate.part(required=True)
    async def tail() -> str:
        raise NotImplementedError

    case = aggregate.plan(sources={"shop": 1}, values={}).worst_case()

    assert [f"{one.part}: {one.text}" for one in case.findings] == [
        "head: the source 'shop' does not say what stands behind it: give it `upstreams`"
    ]


@pytest.mark.parametrize(
    "policy", [Bulkhead(), SingleFlight(), Cached(store=NOWHERE, codec=RawCodec(), lifetime=1.0)]
)
def test_g3_what_only_spares_calls_costs_nothing(policy: Any) -> None:
    """At worst nobody asks the same, nothing is kept, and a place is free at once."""
    assert cost_of((policy, Timeout(attempt=0.08))) == cost_of((Timeout(attempt=0.08),))


def test_r7_who_is_asked_by_what_is_repeated_is_asked_once_more() -> None:
    """R7, G3: a service behind a source was told to get two calls of one, and got four."""
    own = cost_of((Retry(budget=Budget(share=0.1)), Timeout(attempt=0.08)))
    costs = dict.fromkeys(("service", "inner", "outer", "alone"), own)
    behind = {"inner": ["service"], "outer": ["inner", "outer"], "unknown": ["alone"]}
    told = amplified(costs, behind)

    assert {name: (cost.calls, round(cost.load, 2)) for name, cost in told.items()} == {
        "service": (4, 1.3),
        "inner": (3, 1.2),
        "outer": (2, 1.1),
        "alone": (2, 1.1),
    }
