"""Flights that began before a purge: nobody joins them any more, and they end as all others do."""

import asyncio

import pytest

from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.tags import tag
from stagedoor._call import Env
from stagedoor.policies._single_flight import SingleFlight, SingleFlightSend
from stagedoor.testing import ManualClock, ScriptedTransport, call_of, settle

AT_REST = {"flights": 0}


class Overtaken:
    """A hundred who ask, a purge, and a hundred more; each flight takes a tenth of a second."""

    def __init__(self, env: Env, clock: ManualClock) -> None:
        self.clock = clock
        self.store = MemoryStore(env=env)
        self.script = ScriptedTransport[int, str](clock).after(0.1, "before").after(0.1, "after")
        self.send: SingleFlightSend[int, str] = SingleFlight(store=self.store).wrap(self.script.send, env)

    async def ask(self, count: int = 100) -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(self.send(call_of(1))) for _ in range(count)]
        await settle()
        return tasks

    async def both(self) -> tuple[list[asyncio.Task[str]], list[asyncio.Task[str]]]:
        first = await self.ask()
        await self.clock.advance(0.05)
        await self.store.purge([tag("film:7")])
        return first, await self.ask()


@pytest.fixture
def flights(env: Env, clock: ManualClock) -> Overtaken:
    return Overtaken(env, clock)


async def test_g4_k4_a_purge_costs_one_flight_more(flights: Overtaken) -> None:
    """G4, K4: each gets what was true when it asked, and two hundred calls are two."""
    first, second = await flights.both()
    under_way, shown = dict(flights.send.counts()), repr(flights.send)
    await flights.clock.advance(0.1)

    assert {task.result() for task in first} == {"before"}
    assert {task.result() for task in second} == {"after"}
    assert (under_way, shown) == ({"flights": 2}, "<SingleFlight 2 flights, 200 waiting>")
    assert (len(flights.script.calls), dict(flights.send.counts())) == (2, AT_REST)


async def test_d6_an_overtaken_flight_that_all_have_left_is_cancelled(flights: Overtaken) -> None:
    """D6: and takes nothing from its successor."""
    first, second = await flights.both()
    for task in first:
        task.cancel()
    await settle()

    assert (flights.script.active, dict(flights.send.counts())) == (1, {"flights": 1})
    await flights.clock.advance(0.1)
    assert {task.result() for task in second} == {"after"}
    assert dict(flights.send.counts()) == AT_REST


async def test_x4_closing_ends_overtaken_flights_as_well(flights: Overtaken) -> None:
    """X4: whoever waits for one is told."""
    first, second = await flights.both()
    await flights.send.aclose()
    ended = await asyncio.gather(*first, *second, return_exceptions=True)

    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    assert (flights.script.active, dict(flights.send.counts())) == (0, AT_REST)
