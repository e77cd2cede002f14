"""A search node is asked before users ask it."""

import asyncio

import pytest

from cinema.gateway.catalogue.warm import QUESTIONS, Warming
from cinema.indices import INDICES
from stagedoor._call import Call
from stagedoor.errors import UpstreamUnavailable
from stagedoor.search.memory import MemorySearch
from stagedoor.search.query import Query, Result
from stagedoor.testing import ManualClock

QUICK = 0.14


class Node(MemorySearch):
    """Answers after a while, or refuses where that is None, and at once after these."""

    def __init__(self, clock: ManualClock, *takes: float | None) -> None:
        super().__init__(INDICES, clock=clock)
        self.clock, self.takes, self.asked = clock, [*takes], 0
        self.patience: list[float] = []

    async def send(self, call: Call[Query], /) -> Result:
        self.asked += 1
        self.patience.append(call.deadline.remaining(self.clock.now()))
        takes = self.takes.pop(0) if self.takes else 0.0
        if takes is None:
            raise UpstreamUnavailable(call.operation, "there is no such index yet")
        if takes:
            await self.clock.sleep(takes)
        return Result(total=0, documents=())


async def passed(clock: ManualClock, seconds: float) -> None:
    """Let time pass in steps, so that who waits may go on."""
    for _ in range(round(seconds / 0.25)):
        await clock.advance(0.25)
        await asyncio.sleep(0)


def test_every_list_and_every_search_is_asked_for() -> None:
    """Issue 15: each compiles to a query of its own kind, and warms what the next of it needs."""
    kinds = {(query.index, query.clause is None) for query in QUESTIONS}

    assert {index for index, _ in kinds} == {"movies", "genres", "persons"}
    assert ("movies", False) in kinds


async def test_a_cold_node_is_asked_again_until_it_is_quick_and_then_rarely(clock: ManualClock) -> None:
    """Issue 15: the first search through nginx was 504; the patience is ours, not a client's."""
    node = Node(clock, 3.0, 1.0)
    async with Warming(node, clock, QUICK).followed():
        await passed(clock, 4.0)
        while_cold = node.asked
        await passed(clock, 1.25)
        again = node.asked
        await passed(clock, 14.0)
        at_rest = node.asked
        await passed(clock, 2.0)

    assert while_cold == len(QUESTIONS)
    assert again == at_rest == 2 * len(QUESTIONS)
    assert node.asked == 3 * len(QUESTIONS)
    assert min(node.patience) > 5.0


async def test_a_node_without_an_index_is_asked_one_question_at_a_time(clock: ManualClock) -> None:
    """Issue 15: before the first index there is nothing to warm, and as soon as there is, it is warmed."""
    node = Node(clock, None, None)
    async with Warming(node, clock, QUICK).followed():
        await passed(clock, 0.25)
        first = node.asked
        await passed(clock, 2.0)

    assert first == 1
    assert node.asked == 2 + len(QUESTIONS)


@pytest.mark.parametrize(("takes", "warm"), [((), True), ((0.2,), False), ((None,), False)])
async def test_warm_is_what_answers_everything_in_time(
    clock: ManualClock, takes: tuple[float | None, ...], warm: bool
) -> None:
    """Issue 15: one late answer is one that a client would not have had."""
    asking = asyncio.create_task(Warming(Node(clock, *takes), clock, QUICK).ask())
    await passed(clock, 1.0)

    assert await asking is warm
