"""The memory store beyond its contract: bounds, order and figures."""

from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStats, MemoryStore
from stagedoor._cache.store import StoredEntry
from stagedoor._call import Env
from stagedoor._events import Event
from stagedoor.testing import ManualClock


def ignore(event: Event) -> None:
    """Nobody watches."""


def store(max_bytes: int = 10_000, max_item: int = 2**20) -> tuple[MemoryStore, ManualClock]:
    clock = ManualClock()
    return MemoryStore(env=Env(clock, lambda: 0.5, ignore), max_bytes=max_bytes, max_item=max_item), clock


def put(memory: MemoryStore, key: bytes, body: bytes = b"v", keep: float = 30.0) -> bool:
    return memory.set(Entry(key, body, keep), memory.purges.mark)


def test_the_least_recently_used_goes_first() -> None:
    """Room is made by use, not by age."""
    memory, _ = store(max_bytes=1100)
    put(memory, b"a")
    put(memory, b"b")
    memory.find(b"a")
    put(memory, b"c")

    assert memory.keys(10) == [b"c", b"a"]
    assert memory.keys(1) == [b"c"]
    assert memory.stats() == MemoryStats(items=2, bytes=1028, max_bytes=1100, evicted=1)


def test_a_body_over_the_limit_is_not_kept_and_its_elder_goes() -> None:
    """Contract 9: no cached body larger than 1 MiB; what it replaces is out of date."""
    memory, _ = store(max_bytes=2**22)
    put(memory, b"k", b"old")

    assert not put(memory, b"k", b"x" * (2**20 + 1))
    assert memory.find(b"k") is None
    assert put(memory, b"k", b"x" * 2**20)


def test_an_entry_larger_than_the_store_is_not_kept() -> None:
    """It would push everything out and still not fit."""
    memory, _ = store(max_bytes=1000)
    put(memory, b"a")

    assert not put(memory, b"b", b"x" * 1000)
    assert memory.keys(10) == [b"a"]


async def test_what_ran_out_gives_its_room_back_when_met() -> None:
    """An entry is of no use at the very moment its time ends."""
    memory, clock = store()
    put(memory, b"k", keep=30.0)
    await clock.advance(29.9)
    assert memory.find(b"k") is not None

    await clock.advance(0.1)
    assert memory.find(b"k") is None
    assert memory.stats().bytes == 0


def test_k2_an_older_answer_does_not_replace_a_newer_one() -> None:
    """K2: a copy from another tier may arrive late."""
    memory, clock = store()
    put(memory, b"k", b"new")
    older = StoredEntry(Entry(b"k", b"old", 30.0), clock.now() - 5, clock.now(), 0)

    assert not memory.put(older)
    held = memory.find(b"k")
    assert held is not None
    assert held.entry.body == b"new"
    assert repr(held) == "<Held b'k' 3 bytes, born 1000.0>"


async def test_an_older_answer_may_replace_a_newer_one_that_was_purged() -> None:
    """What a purge has reached stands in nobody's way, not even when nobody has met it yet."""
    memory, clock = store()
    put(memory, b"k", b"new")
    await memory.purge([b"=k"])
    older = StoredEntry(Entry(b"k", b"old", 30.0), clock.now() - 5, clock.now(), memory.purges.mark.position)

    assert memory.put(older)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=50))
def test_x1_the_bytes_counted_are_those_held(script: list[tuple[int, int]]) -> None:
    """X1: a count that drifts is a leak or an empty cache. Emptied by hand, it must be zero."""
    memory, _ = store(max_bytes=6000)
    for name, size in script:
        put(memory, b"%d" % name, b"x" * size)
        assert memory.stats().bytes <= 6000
    for name in range(10):
        memory.drop(b"%d" % name)

    assert memory.stats().bytes == 0
    assert repr(memory) == "<MemoryStore 0 items, 0 of 6000 bytes>"


def test_what_others_hold_for_it_counts_and_makes_room() -> None:
    """GATEWAY_CACHE_BYTES bounds answers and what is known of them together."""
    memory, _ = store(max_bytes=1100)
    memory.set(Entry(b"a", b"x", 60.0), memory.purges.mark)
    memory.claim(700)

    assert memory.stats() == MemoryStats(items=0, bytes=700, max_bytes=1100, evicted=1)
    memory.claim(-700)
    assert memory.stats().bytes == 0
