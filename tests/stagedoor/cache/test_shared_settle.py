"""A shared store, asked for the one answer that everybody shows: away, garbled, never at peace."""

import asyncio
import sys
from collections.abc import Callable

import pytest

from stagedoor._cache.entry import Entry
from stagedoor._cache.server import Invalidations
from stagedoor.testing import ManualClock
from stagedoor.testing.stores import FakeServer
from tests.stagedoor.cache.processes import FAULTS, Process, started


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_is_away_agrees_on_nothing(fault: Callable[[FakeServer], None]) -> None:
    """K1: whoever asks goes on with what they have, at once, and after one time-out if it hangs."""
    process = await started()
    mark = process.store.purges.mark
    fault(process.server)
    asking = asyncio.create_task(process.store.settle(Entry(b"k", b"v", 30.0), mark, 20.0))
    await process.clock.advance(0.021)

    assert await asking is None
    assert await process.store.settle(Entry(b"k", b"v", 30.0), mark, 20.0) is None


async def test_what_cannot_be_read_is_replaced_by_the_agreement() -> None:
    """K6: bytes of nobody's are not everybody's answer."""
    process = await started()
    await process.keep(b"broken")
    process.server.garble(lambda data: data[:-1])
    held = await process.store.settle(Entry(b"k", b"v", 30.0), process.store.purges.mark, 20.0)
    process.server.heal()

    assert held is not None
    assert (held.entry.body, await process.get()) == (b"v", b"v")


@pytest.mark.parametrize("names", [(b"#" + b"x" * 65_535,), tuple(b"#%d" % n for n in range(65_536))])
async def test_k1_an_entry_with_too_long_or_too_many_names_is_kept_nowhere_and_fails_nobody(
    names: tuple[bytes, ...],
) -> None:
    """K1, K8: names are drawn from what an upstream says; a store never raises."""
    process = await started()
    mark = process.store.purges.mark
    settled = await process.store.settle(Entry(b"k", b"v", 30.0, "", names), mark, 20.0)

    assert (settled, process.store.set(Entry(b"k", b"v", 30.0, "", names), mark)) == (None, False)
    assert process.store.counts() == {"tasks": 0, "store_operations": 0}
    assert await process.keep(names=(b"#" + b"x" * 65_534, *names[2:]))


@pytest.mark.parametrize(
    ("body", "keep"), [(b"x" * (2**20 + 1), 30.0), (b"v", float(sys.maxsize)), (b"v", 1e300)]
)
async def test_k1_an_entry_too_large_or_for_too_long_is_kept_nowhere_and_turns_nothing_off(
    body: bytes, keep: float
) -> None:
    """K1: each request fetched what memory does not hold, and all others waited until the server seemed late."""
    process = await started()
    mark, entry = process.store.purges.mark, Entry(b"k", body, keep)
    settled = await process.store.settle(entry, mark, 20.0)

    assert (settled, process.store.set(entry, mark)) == (None, False)
    assert process.store.counts() == {"tasks": 0, "store_operations": 0}
    assert await process.keep(b"x" * 2**20)
    await process.store.aclose()


async def test_an_agreement_gives_up_where_purges_never_end() -> None:
    """Three tries, as for any write: the answer is its caller's own."""

    class Purging(FakeServer):
        async def settle(
            self, key: bytes, data: bytes, until: int, heard: int, young: int, /
        ) -> tuple[Invalidations, bool, bytes | None, float]:
            return (await super().settle(key, data, until, heard, young))[0], False, None, 0.0

    clock = ManualClock()
    process = Process(clock, Purging(clock))
    await process.store.start()

    assert await process.store.settle(Entry(b"k", b"v", 30.0), process.store.purges.mark, 20.0) is None
