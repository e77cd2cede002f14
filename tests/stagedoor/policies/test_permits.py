"""Who waits for a place, and in which order they have one; that no permit is lost or doubled stands with bulkheads."""

import asyncio
from collections import Counter

import pytest

from stagedoor import _context as context
from stagedoor._context import WEIGHTS, Priority, RequestContext
from stagedoor._deadline import NEVER
from stagedoor.policies._permits import Permits
from stagedoor.testing import ManualClock, settle

AT_ONCE = 1


class Lines:
    """One place, taken; who comes waits."""

    def __init__(self, clock: ManualClock, *, newest_first: bool = False) -> None:
        self.permits = Permits(clock, newest_first=newest_first)
        self.permits.taken = AT_ONCE
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def wait(self, name: str, priority: Priority = "detail", end: float = NEVER.at) -> None:
        self.tasks.append(asyncio.ensure_future(self._waiting(name, priority, end)))

    async def _waiting(self, name: str, priority: Priority, end: float) -> None:
        context.enter(RequestContext(priority=priority))
        self.order.append(name if await self.permits.wait(end) else f"no {name}")

    async def served(self, times: int) -> list[str]:
        for _ in range(times):
            self.permits.give_back(AT_ONCE)
            await settle()
        return self.order


async def test_o6_within_a_line_it_is_first_come_first_served(clock: ManualClock) -> None:
    """Whoever is let in only if its turn comes in time shall have its turn then."""
    lines = Lines(clock)
    for name in ("a", "b", "c"):
        lines.wait(name)
    await settle()

    assert await lines.served(3) == ["a", "b", "c"]


async def test_o6_permits_go_to_the_lines_by_their_weights(clock: ManualClock) -> None:
    """O6: while all of them wait, each has its share; none starves."""
    lines = Lines(clock)
    for name in WEIGHTS:
        for _ in range(30):
            lines.wait(name, name)
    await settle()
    shares = Counter(await lines.served(30))
    for task in lines.tasks:
        task.cancel()
    await settle()

    assert shares == Counter({"operations": 16, "detail": 8, "list": 4, "search": 2})
    assert (lines.permits.taken, lines.permits.waiting) == (AT_ONCE, 0)


async def test_o6_a_line_that_was_empty_has_saved_nothing_up(clock: ManualClock) -> None:
    """Start-time fairness: who comes back after a calm does not overtake everybody for as long."""
    lines = Lines(clock)
    for _ in range(40):
        lines.wait("detail", "detail")
    await settle()
    await lines.served(20)
    for _ in range(10):
        lines.wait("search", "search")
    await settle()
    late = Counter((await lines.served(10))[20:])
    for task in lines.tasks:
        task.cancel()
    await settle()

    assert late["search"] <= 3


async def test_a_place_that_comes_free_passes_over_who_has_gone(clock: ManualClock) -> None:
    """X1: cancelled in the tick before, it is still in line; the place goes to the next, or is free."""
    lines = Lines(clock)
    lines.wait("a")
    await settle()
    lines.tasks[0].cancel()
    lines.permits.give_back(AT_ONCE)
    await settle()

    assert (lines.permits.taken, lines.permits.waiting) == (0, 0)


async def test_more_places_are_given_out_as_soon_as_there_are_more(clock: ManualClock) -> None:
    """A limit that has grown lets in all that it has room for."""
    lines = Lines(clock)
    for name in ("a", "b", "c", "d"):
        lines.wait(name)
    await settle()
    lines.permits.give_back(3)
    await settle()

    assert (lines.order, lines.permits.taken) == (["a", "b", "c"], 3)
    assert await lines.served(1) == ["a", "b", "c"]
    lines.tasks[3].cancel()
    await settle()


async def test_o1_who_goes_in_the_tick_of_its_turn_hands_on_one_place_however_many_there_once_were(
    clock: ManualClock,
) -> None:
    """O1, X1: the limit fell while they waited; a cancellation must not let in as many as there were places before."""
    lines = Lines(clock)
    for name in ("a", "b", "c", "d"):
        lines.wait(name)
    await settle()
    lines.permits.give_back(1)
    lines.tasks[0].cancel()
    await settle()

    assert lines.order == ["b"]
    assert (lines.permits.taken, lines.permits.waiting) == (1, 2)


async def full(clock: ManualClock, newest_first: bool, **lengths: int) -> Lines:
    """Return lines of these lengths, by priority; who waits is called by it and its number."""
    lines = Lines(clock, newest_first=newest_first)
    for name, length in lengths.items():
        for number in range(length):
            lines.wait(f"{name} {number}", name)  # type: ignore[arg-type]
    await settle()
    return lines


@pytest.mark.parametrize(
    ("newest_first", "lengths", "newcomer", "gone"),
    [
        (True, {"detail": 1, "search": 2}, "detail", "no search 0"),
        (False, {"detail": 1, "search": 2}, "detail", "no search 1"),
        (False, {"search": 3}, "operations", "no search 2"),
        (False, {"operations": 17, "list": 1}, "search", "no operations 16"),  # more than its share, too
        (True, {"search": 3}, "search", "no search 0"),
        (False, {"search": 3}, "search", None),
        (True, {"operations": 3}, "search", None),
        (True, {}, "detail", None),
    ],
)
async def test_o6_the_line_that_is_longest_for_its_weight_makes_room(
    clock: ManualClock, newest_first: bool, lengths: dict[str, int], newcomer: Priority, gone: str | None
) -> None:
    """O6: a class keeps its share of a full queue, whichever floods; who would be served last goes."""
    lines = await full(clock, newest_first, **lengths)
    turned_away = lines.permits.turn_away(newcomer)
    await settle()

    assert turned_away == (gone is not None)
    assert lines.order == ([] if gone is None else [gone])
    assert lines.permits.waiting == sum(lengths.values()) - turned_away
    for task in lines.tasks:
        task.cancel()
    await settle()


async def test_a_newcomer_knows_how_many_are_before_it(clock: ManualClock) -> None:
    """By its own line, and by what others have a right to meanwhile; never more than there are."""
    permits = Lines(clock).permits
    alone = permits.ahead("detail")
    lines = Lines(clock)
    for _ in range(8):
        lines.wait("detail", "detail")
    await settle()
    seen = {name: lines.permits.ahead(name) for name in WEIGHTS}
    for task in lines.tasks:
        task.cancel()
    await settle()

    assert alone == 1.0
    assert seen == {"operations": 1.5, "detail": 9.0, "list": 3.0, "search": 5.0}
    assert repr(lines.permits) == "<Permits 1 taken, 0 waiting>"
