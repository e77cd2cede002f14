"""Batches: few calls, each id once, in order."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._aggregate import batched
from stagedoor._aggregate.batch import split
from stagedoor.errors import ConfigError


@given(st.lists(st.integers(0, 30)), st.integers(1, 9), st.sets(st.integers(0, 30)))
def test_p7_calls_are_as_few_as_the_batch_size_allows(ids: list[int], size: int, known: set[int]) -> None:
    """P7: ceil(distinct unknown ids / size), in order, duplicates joined, the known ones not asked for."""
    batch = split(ids, size, dict.fromkeys(known))
    asked = [item for call in batch.calls for item in call]

    assert batch.order == tuple(dict.fromkeys(ids))
    assert asked == [item for item in batch.order if item not in known]
    assert len(batch.calls) == math.ceil(len(asked) / size)
    assert all(len(call) <= size for call in batch.calls)


@given(st.lists(st.integers(0, 30)), st.integers(1, 9), st.dictionaries(st.integers(0, 30), st.text()))
async def test_p7_values_come_in_the_order_of_the_ids_whatever_the_upstream_does(
    ids: list[int], size: int, known: dict[int, str]
) -> None:
    """P7: one that nobody knows is missing alone; a known value is not replaced; nothing unasked slips in."""
    calls: list[Sequence[int]] = []

    async def fetch(asked: Sequence[int]) -> dict[int, str]:
        calls.append(asked)
        return {item: f"v{item}" for item in reversed(asked) if item != 13} | {99: "unasked"}

    found = await batched(ids, size, fetch, known)

    expected = {
        item: known.get(item, f"v{item}") for item in dict.fromkeys(ids) if item in known or item != 13
    }
    assert list(found.items()) == list(expected.items())
    assert len(calls) == len(split(ids, size, known).calls)


async def test_p7_nothing_to_ask_is_no_call() -> None:
    """P7: an empty list, or one that the cache knows whole."""

    async def fetch(_: Sequence[int]) -> dict[int, str]:
        raise AssertionError

    assert await batched([], 10, fetch) == {}
    assert await batched([1], 10, fetch, {1: "one", 2: "two"}) == {1: "one"}


def test_a_batch_holds_at_least_one() -> None:
    """A size of 0 would never end."""
    with pytest.raises(ConfigError, match="at least one"):
        split([1], 0, {})
