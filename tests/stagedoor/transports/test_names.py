"""Names and their addresses, with a resolver that does what a test says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stagedoor._transports.failures import ConnectTimeout
from stagedoor._transports.names import Names
from stagedoor.testing import ManualClock, settle

AWAY = socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
NONE = socket.gaierror(socket.EAI_NONAME, "name or service not known")


class Resolver:
    """Answers what `says` holds: addresses, an error, or what is to come."""

    def __init__(self) -> None:
        self.says: list[str] | Exception | asyncio.Future[list[str]] = ["10.0.0.1"]
        self.asked = 0

    async def ask(self, host: str, port: int) -> list[Any]:
        self.asked += 1
        said = await self.says if isinstance(self.says, asyncio.Future) else self.says
        if isinstance(said, Exception):
            raise said
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in said]

    def falls_silent(self) -> asyncio.Future[list[str]]:
        """Let look-ups hang until the future is set."""
        self.says = silence = asyncio.get_running_loop().create_future()
        return silence


class House:
    """A name, its resolver and a clock."""

    def __init__(self, host: str = "users.test") -> None:
        self.resolver = Resolver()
        self.clock = ManualClock()
        self.names = Names(host, 80, believed=1.0, kept=300.0, clock=self.clock, ask=self.resolver.ask)

    async def find(self, within: float = 0.05) -> list[str]:
        return await self.names.addresses(self.clock.now() + within)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give a name whose address is known since now."""
    house = House()
    await house.find()
    yield house
    await house.names.aclose()


async def test_an_answer_is_believed_for_a_while(house: House) -> None:
    await house.clock.advance(0.9)
    house.resolver.says = ["10.0.0.2"]

    assert await house.find() == ["10.0.0.1"]
    assert house.resolver.asked == 1


async def test_c6_what_was_known_is_used_while_the_resolver_is_asked(house: House) -> None:
    """U6: RFC 8767; nobody waits for an answer that is mostly the same."""
    await house.clock.advance(1.0)
    answer = house.resolver.falls_silent()

    during = [await house.find() for _ in range(3)]
    answer.set_result(["10.0.0.2"])
    await settle()

    assert (during, await house.find()) == ([["10.0.0.1"]] * 3, ["10.0.0.2"])
    assert house.resolver.asked == 2


@pytest.mark.parametrize(
    "problem", [AWAY, OSError("no descriptor"), TimeoutError(), UnicodeError("label too long")]
)
async def test_c6_a_resolver_that_is_down_stops_nobody_and_is_not_stormed(
    house: House, problem: Exception
) -> None:
    """U6: asked once a second, as if it were up; the address lasts as long as it is kept."""
    house.resolver.says = problem

    for _ in range(298):
        await house.clock.advance(1.0)
        assert await house.find() == await house.find() == ["10.0.0.1"]
        await settle()
    asked = house.resolver.asked
    await house.clock.advance(2.0)

    assert asked == 299
    with pytest.raises(OSError, match=r".*"):
        await house.find()


async def test_c6_after_an_outage_the_resolver_is_believed_again(house: House) -> None:
    house.resolver.says = AWAY
    await house.clock.advance(1.0)
    await house.find()
    house.resolver.says = ["10.0.0.2"]
    await house.clock.advance(1.0)
    await house.find()
    await settle()

    assert await house.find() == ["10.0.0.2"]


async def test_c6_a_look_up_that_never_ends_is_given_up(house: House) -> None:
    """U6: otherwise nobody would ever ask again, and the address would end with its bound."""
    house.resolver.falls_silent()
    await house.clock.advance(1.0)
    await house.find()
    await house.clock.advance(31.0)
    house.resolver.says = ["10.0.0.2"]
    await house.clock.advance(1.0)
    await house.find()
    await settle()

    assert await house.find() == ["10.0.0.2"]


async def test_c6_no_such_name_is_an_answer(house: House) -> None:
    """U6: RFC 8767 4; whoever has the address now is somebody else."""
    house.resolver.says = NONE
    await house.clock.advance(1.0)
    await house.find()
    await settle()

    with pytest.raises(socket.gaierror):
        await house.find()


async def test_c6_where_nobody_answered_the_resolver_is_waited_for(house: House) -> None:
    """U6: the address may have moved."""
    house.resolver.says = ["10.0.0.2"]
    house.names.doubt()

    assert await house.find() == ["10.0.0.2"]


async def test_c6_where_nobody_answered_a_silent_resolver_gets_half_of_the_time(house: House) -> None:
    """U6: the upstream was restarted, and the resolver is down: the address is as good as before."""
    house.resolver.falls_silent()
    house.names.doubt()
    before = house.clock.now()

    found = await house.clock.run(house.find(0.05))

    assert found == ["10.0.0.1"]
    assert house.clock.now() - before == pytest.approx(0.025)


async def test_c6_where_nobody_answered_a_resolver_that_is_down_changes_nothing(house: House) -> None:
    house.resolver.says = AWAY
    house.names.doubt()

    assert await house.find() == ["10.0.0.1"]


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), IndexError("no row"), UnicodeError("name")]
)
async def test_c6_whatever_a_resolver_falls_of_is_an_outage(house: House, error: Exception) -> None:
    """C6: threads run out, and rows may be none: no call fails for it, and not every one asks again."""
    house.resolver.says = error
    fresh = House()
    fresh.resolver.says = error
    await house.clock.advance(2.0)

    found = [await house.find() for _ in range(2)]
    await settle()
    found.append(await house.find())

    assert (found, house.resolver.asked) == ([["10.0.0.1"]] * 3, 2)
    with pytest.raises(OSError, match="cannot be asked for") as raised:
        await fresh.find()
    assert raised.value.__cause__ is error


async def test_who_knows_nothing_waits_and_a_late_answer_is_kept() -> None:
    """One look-up serves all who wait, and outlives them."""
    house = House()
    answer = house.resolver.falls_silent()

    with pytest.raises(ConnectTimeout):
        await house.clock.run(house.find(0.05))
    answer.set_result(["10.0.0.1"])
    await settle()

    assert (await house.find(), house.resolver.asked) == (["10.0.0.1"], 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_is_not_asked_for(host: str) -> None:
    house = House(host)

    assert (await house.find(), house.resolver.asked) == ([host], 0)
    assert not house.names.asking()


async def test_a_name_is_not_asked_for_twice_where_it_lists_an_address_twice() -> None:
    house = House()
    house.resolver.says = ["10.0.0.1", "10.0.0.2", "10.0.0.1"]

    assert await house.find() == ["10.0.0.1", "10.0.0.2"]


async def test_an_address_of_one_link_keeps_its_zone() -> None:
    """Nobody can be reached at `fe80::1` alone (RFC 4007 6); a name of the local network may mean such a one."""
    house = House()

    async def ask(host: str, port: int) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", there)
            for there in (("fe80::1", port, 0, 4), ("::1", port, 0, 0))
        ]

    names = Names("users.test", 80, believed=1.0, kept=300.0, clock=house.clock, ask=ask)

    assert await names.addresses(1.0) == ["fe80::1%4", "::1"]


async def test_x2_who_waits_for_a_name_is_not_cancelled_by_the_end_of_the_pool() -> None:
    """X2: an upstream that is closed is an outage; a cancellation that nobody asked for ends tasks in silence."""
    house = House()
    house.resolver.falls_silent()
    waiting = asyncio.create_task(house.find(1.0))
    await settle()
    await house.names.aclose()

    with pytest.raises(ConnectionAbortedError):
        await waiting


async def test_x2_who_leaves_while_a_name_is_looked_up_is_cancelled() -> None:
    house = House()
    house.resolver.falls_silent()
    waiting = asyncio.create_task(house.find(1.0))
    await settle()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await house.names.aclose()
