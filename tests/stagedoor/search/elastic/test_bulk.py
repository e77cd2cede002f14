"""What the answer to a bulk request means, and how large one may be: decided on values."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.search import WriterError
from stagedoor.search.elastic.bulk import ALWAYS_FITS, Room, judged, passes


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "es_rejected_execution_exception"),
        (429, "rejected_execution_exception"),
        (429, "circuit_breaking_exception"),
        (429, "cluster_block_exception"),
        (403, "cluster_block_exception"),
        (403, "index_create_block_exception"),
        (400, "index_closed_exception"),
        (503, "unavailable_shards_exception"),
        (503, "anything"),
        (500, "i_o_exception"),
        (500, "translog_exception"),
        (502, "None"),
    ],
)
def test_what_the_cluster_is_in_the_way_of_passes(status: int, kind: str) -> None:
    """E1: busy, full, blocked, closed, without its shards: nothing of it is the document's fault."""
    assert passes(status, kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "mapper_parsing_exception"),
        (400, "document_parsing_exception"),
        (400, "strict_dynamic_mapping_exception"),
        (400, "illegal_argument_exception"),
        (413, "None"),
        (500, "null_pointer_exception"),
        (500, "array_index_out_of_bounds_exception"),
    ],
)
def test_what_a_document_provokes_does_not_pass(status: int, kind: str) -> None:
    """E1: waiting for it would hold up everything after it, for ever."""
    assert not passes(status, kind)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"items": None},
        {"items": [{}]},
        {"items": [{"index": {}}]},
        {"items": [7]},
        {"items": []},
    ],
)
def test_an_answer_that_does_not_speak_of_what_was_sent_is_none(answer: Any) -> None:
    """E1: a proxy's JSON says of no document that it is in."""
    with pytest.raises(WriterError) as caught:
        judged(answer, [("1", b"{}")])

    assert caught.value.retryable


def test_a_version_that_is_gone_begins_anew() -> None:
    """E1: nothing that is written to it from now on would be found, and what was written is lost."""
    error = {"type": "index_not_found_exception", "reason": "no such index"}
    with pytest.raises(WriterError) as caught:
        judged({"items": [{"delete": {"_id": "1", "status": 404, "error": error}}]}, [("1", b"{}")])

    assert caught.value.lost


@given(st.lists(st.integers(1, 500), max_size=40), st.integers(1, 2_000) | st.just(inf))
def test_what_is_divided_is_whole_and_fits(sizes: list[int], most: float) -> None:
    """E1: in order, nothing left out, and only a single document may be larger than the room."""
    lines = [(str(place), b"x" * size) for place, size in enumerate(sizes)]
    parts = [*Room(most=most).divided(lines)]

    assert [line for part in parts for line in part] == lines
    assert all(len(part) == 1 or sum(len(octets) for _, octets in part) <= most for part in parts)
    assert not lines or all(parts)


def test_room_comes_back_after_a_busy_time_and_not_above_what_was_too_large() -> None:
    """E1: what was too large once always is, and what was too much need not be."""
    room = Room()
    room.too_large(4_000_000)
    room.too_much(2_000_000)
    busy = room.most
    for _ in range(5):
        room.taken()

    assert (busy, room.most) == (1_000_000, 2_000_000)


def test_a_busy_cluster_does_not_divide_down_to_nothing() -> None:
    """E1: single documents would only make it busier."""
    room = Room()
    for _ in range(40):
        room.too_much(int(min(room.most, 5_000_000)))

    assert room.most == ALWAYS_FITS
