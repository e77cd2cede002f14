"""Aggregates over upstreams with their whole stack of policies: what one part's fate does to the answer."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from stagedoor._aggregate import Outcome, Plan, parts_header
from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Env, Policy
from stagedoor._events import AttemptEnded, PartEnded
from stagedoor._upstream import Upstream
from stagedoor.errors import CircuitOpen, UpstreamError, UpstreamUnavailable
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._cached import Cached
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout
from stagedoor.testing import Events, ManualClock, ScriptedTransport
from tests.declared import Aggregate

BUDGET = 0.165


class Text:
    """Bytes for text."""

    schema = "text1"

    def encode(self, value: str, /) -> bytes:
        return value.encode()

    def decode(self, body: bytes, /) -> str:
        return body.decode()


class Source:
    """What parts name: one operation on one upstream."""

    def __init__(self, upstream: Upstream[str, str]) -> None:
        self.upstreams = (upstream,)
        self._upstream = upstream

    async def get(self, key: str) -> str:
        return await self._upstream.call("get", key)


@dataclass
class Profile:
    user: str
    orders: str
    products: str


class Stage:
    """Three upstreams behind one aggregate, their scripts, and time to pass."""

    def __init__(self, policies: Callable[[Env], Sequence[Policy[str, str]]]) -> None:
        self.clock, self.events = ManualClock(), Events()
        self.env = Env(self.clock, random.Random(7).random, self.events)
        self.scripts = {
            name: ScriptedTransport[str, str](self.clock) for name in ("users", "orders", "products")
        }
        self.upstreams = {
            name: Upstream(name, script, *policies(self.env), env=self.env)
            for name, script in self.scripts.items()
        }
        self.plan = self._plan()

    def _plan(self) -> Plan[Profile]:
        aggregate = Aggregate(Profile, budget=BUDGET)

        @aggregate.part(required=True)
        async def user(user_id: str, users: Source) -> str:
            return await users.get(user_id)

        @aggregate.part(fallback="")
        async def orders(user_id: str, order_book: Source) -> str:
            return await order_book.get(user_id)

        @aggregate.part(fallback="")
        async def products(orders: str, shop: Source) -> str:
            return await shop.get(orders)

        users, order_book, shop = (Source(upstream) for upstream in self.upstreams.values())
        return aggregate.plan(
            sources={"users": users, "order_book": order_book, "shop": shop}, values={"user_id": str}
        )

    def start(self, user_id: str = "u1") -> asyncio.Task[Outcome[Profile]]:
        return asyncio.create_task(self.plan.run({"user_id": user_id}, self.env))

    async def run(self, user_id: str = "u1") -> Outcome[Profile]:
        """Run once; time passes until the answer is there, and a little more."""
        task = self.start(user_id)
        await self.clock.advance(BUDGET)
        assert task.done()
        return await task

    def at_rest(self) -> bool:
        """Tell whether nothing is held, anywhere."""
        held = sum(sum(upstream.counts().values()) for upstream in self.upstreams.values())
        return held == 0 and not any(script.active for script in self.scripts.values())


def plain(_: Env) -> tuple[Policy[str, str], ...]:
    """Return the house's stack."""
    return (
        Deadline(),
        Retry(),
        CircuitBreaker(consecutive=5, probe_after=1.0),
        Bulkhead(limit=100),
        Timeout(attempt=0.08),
    )


def without_breaker(_: Env) -> tuple[Policy[str, str], ...]:
    """Return the stack that has nothing but its budget against a flood of retries."""
    return (Deadline(), Retry(), Bulkhead(limit=100), Timeout(attempt=0.08))


def joined(env: Env) -> tuple[Policy[str, str], ...]:
    """Return the stack under single flights."""
    return (SingleFlight(), *plain(env))


def cached(env: Env) -> tuple[Policy[str, str], ...]:
    """Return the stack under a cache that keeps values past their lifetime, for the day of need."""
    caching: Cached[str, str] = Cached(
        store=MemoryStore(env=env), codec=Text(), lifetime=30.0, stale_if_error=300.0
    )
    return (caching, Deadline(), Retry(), Timeout(attempt=0.08))


async def test_p4_a_cached_part_is_told_from_a_fresh_one() -> None:
    """P4: the second answer has no call, and no milliseconds."""
    stage = Stage(cached)
    for script in stage.scripts.values():
        script.after(0.006, "value")

    first, second = await stage.run(), await stage.run()

    assert parts_header(first.verdicts) == "user=fresh, orders=fresh, products=fresh"
    assert parts_header(second.verdicts) == "user=cached, orders=cached, products=cached"
    assert [verdict.ms for verdict in second.verdicts.values()] == [None] * 3
    assert first.verdicts["user"].ms == pytest.approx(6.0)
    assert second.complete


@pytest.mark.parametrize("hangs", [True, False])
async def test_d1_a_stale_value_still_arrives_when_the_upstream_hangs_until_the_deadline(
    *, hangs: bool
) -> None:
    """D1, K7: what a policy does at the deadline comes before the cut; the answer leaves inside the budget."""
    stage = Stage(cached)
    for name, script in stage.scripts.items():
        script.then(f"old {name}")
    await stage.run()
    await stage.clock.advance(60.0)
    if hangs:
        stage.scripts["orders"].hangs()
    else:
        stage.scripts["orders"].fails(UpstreamUnavailable)

    began = stage.clock.now()
    outcome = await stage.run()

    assert outcome.values["orders"] == "old orders"
    assert outcome.verdicts["orders"].status == "stale"
    assert outcome.verdicts["orders"].age == pytest.approx(30.0, abs=0.5)
    assert outcome.seconds <= BUDGET
    assert not outcome.complete
    assert stage.clock.now() - began == pytest.approx(BUDGET)


async def test_p1_a_hanging_upstream_costs_its_part_and_leaves_nothing_behind() -> None:
    """P1, X1: two attempts, then the cut-off; the answer is there inside the budget, every place is free again."""
    stage = Stage(plain)
    stage.scripts["users"].after(0.006, "anna")
    stage.scripts["orders"].hangs()

    outcome = await stage.run()

    assert parts_header(outcome.verdicts) == (
        "user=fresh, orders=fallback;reason=timeout, products=missing;reason=depends_on_orders"
    )
    assert len(stage.scripts["orders"].calls) == 2
    assert stage.scripts["products"].calls == []
    assert stage.at_rest()


async def test_p4_an_open_breaker_is_told_as_the_reason_and_costs_no_time() -> None:
    """P4, C8: nobody is called; the part has no milliseconds."""
    stage = Stage(plain)
    stage.scripts["users"].then("anna")
    stage.scripts["orders"].fails(UpstreamUnavailable, retryable=False)
    for _ in range(5):
        await stage.run()
    asked = len(stage.scripts["orders"].calls)

    verdict = (await stage.run()).verdicts["orders"]

    assert (verdict.status, verdict.reason, verdict.ms) == ("fallback", "circuit_open", None)
    assert len(stage.scripts["orders"].calls) == asked


async def test_p8_a_required_part_behind_an_open_breaker_leaves_as_that_error() -> None:
    """P8: with the open time that is left, for `Retry-After`."""
    stage = Stage(plain)
    stage.scripts["users"].fails(UpstreamUnavailable, retryable=False)
    stage.scripts["orders"].hangs()
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            await stage.run()

    with pytest.raises(CircuitOpen) as caught:
        await stage.start()

    assert caught.value.retry_after is not None
    assert stage.at_rest()


async def test_a_retry_uses_what_is_left_of_the_budget() -> None:
    """The plan counts one attempt a part; a second one fits where the first failed early."""
    stage = Stage(plain)
    stage.scripts["users"].fails(UpstreamUnavailable, after=0.02).after(0.02, "anna")
    stage.scripts["orders"].then("p1")
    stage.scripts["products"].then("laptop")

    outcome = await stage.run()

    assert outcome.complete
    assert [event.attempt for event in stage.events.of(AttemptEnded) if event.operation == "users.get"] == [
        1,
        2,
    ]


async def test_requests_that_share_a_flight_have_equal_answers_and_their_own_verdicts() -> None:
    """K4, P5: a thousand callers at once make one call to each upstream; those who joined waited as long."""
    stage = Stage(joined)
    for script in stage.scripts.values():
        script.after(0.01, "value")

    tasks = [stage.start() for _ in range(1000)]
    await stage.clock.advance(BUDGET)
    outcomes = [await task for task in tasks]

    assert [len(script.calls) for script in stage.scripts.values()] == [1, 1, 1]
    assert all(outcome.complete and outcome.values == outcomes[0].values for outcome in outcomes)
    assert {verdict.status for outcome in outcomes for verdict in outcome.verdicts.values()} == {"fresh"}
    assert all(verdict.ms is not None for outcome in outcomes for verdict in outcome.verdicts.values())


@pytest.mark.parametrize("breaker", [True, False])
async def test_a9_failing_upstreams_are_not_flooded_by_an_aggregate(*, breaker: bool) -> None:
    """A9: 2,000 requests, all failing: at most 1.2 calls each, also with the breaker off."""
    stage = Stage(plain if breaker else without_breaker)
    for script in stage.scripts.values():
        script.fails(UpstreamUnavailable)

    for _ in range(2000):
        task = stage.start()
        await stage.clock.advance(0.05)
        assert task.done()
        with pytest.raises(UpstreamUnavailable):
            await task

    assert all(len(script.calls) <= 2400 for script in stage.scripts.values())
    assert stage.at_rest()


async def test_a13_cancellations_at_random_moments_leave_nothing_behind() -> None:
    """A13, X1: places, probes, flights, tasks and timers return to rest, whatever was under way."""
    stage, chance = Stage(joined), random.Random(13)
    for script in stage.scripts.values():
        script.after(0.01, "value").fails(UpstreamUnavailable, after=0.02).hangs().after(0.03, "value")
    before = asyncio.all_tasks()

    running: list[asyncio.Task[Outcome[Profile]]] = []
    for _ in range(1000):
        running.append(stage.start(f"u{chance.randrange(5)}"))
        if chance.random() < 0.5:
            chance.choice(running).cancel()
        await stage.clock.advance(chance.random() * 0.01)
    await stage.clock.advance(1.0)
    ends = await asyncio.gather(*running, return_exceptions=True)

    assert any(isinstance(end, asyncio.CancelledError) for end in ends)
    assert all(isinstance(end, (Outcome, UpstreamError, asyncio.CancelledError)) for end in ends)
    assert stage.at_rest()
    assert asyncio.all_tasks() == before
    assert stage.clock.pending() == 0


async def test_p4_verdicts_are_events_with_the_aggregates_name() -> None:
    """P4: metrics count them without a look at the answer."""
    stage = Stage(plain)
    for script in stage.scripts.values():
        script.after(0.006, "value")

    await stage.run()

    assert [(event.aggregate, event.part, event.status) for event in stage.events.of(PartEnded)] == [
        ("profile", "user", "fresh"),
        ("profile", "orders", "fresh"),
        ("profile", "products", "fresh"),
    ]


def test_g3_the_worst_case_is_read_from_real_upstreams() -> None:
    """G3: an `Upstream` is what the proof asks; the path has two attempts of 80 ms."""
    case = Stage(plain).plan.worst_case()

    assert case.longest == pytest.approx(0.16)
    assert {name: cost.calls for name, cost in case.upstreams.items()} == {
        "users": 2,
        "orders": 2,
        "products": 2,
    }
    assert case.findings == ()
