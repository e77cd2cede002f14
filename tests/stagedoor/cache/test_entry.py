"""The bytes of an entry: whatever they are, they are this key's entry or none."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor._cache.entry import BORN, Entry, decode, encode

ENTRY = Entry(b"profile:u1", b"[]", 30.0, "raw", (b"#film:1", b"#films"))
entries = st.builds(
    Entry,
    key=st.binary(max_size=40),
    body=st.binary(max_size=200),
    keep=st.floats(min_value=0.001, max_value=1e9),
    schema=st.text(max_size=10),
    names=st.lists(st.binary(max_size=20), max_size=5).map(tuple),
)


@given(entries, st.integers(0, 10**16 - 1), st.integers(0, 2**63))
def test_k8_what_was_encoded_comes_back(entry: Entry, born: int, purges: int) -> None:
    """K8: nothing is lost or changed on the way through a store; an empty body is a body."""
    data = encode(entry, born, purges)

    assert decode(data, entry.key) == (entry, purges)
    assert int(data[BORN]) == born


@given(entries, st.binary(max_size=40))
@example(ENTRY, b"profile:u11")
def test_k6_an_entry_of_another_key_is_a_miss(entry: Entry, key: bytes) -> None:
    """K6: a store or a connection that mixes answers up must be found out."""
    found = decode(encode(entry, 1, 1), key)

    assert (found is not None) == (key == entry.key)


@pytest.mark.parametrize("keep", [float("inf"), float("nan"), 0.0, -1.0])
def test_f1_an_entry_that_would_be_kept_for_ever_is_none(keep: float) -> None:
    """F1: somebody else wrote it; an age without end would break who has to say how old it is."""
    data = encode(Entry(b"k", b"v", keep), 1, 1)

    assert decode(data, b"k") is None


@given(st.binary(max_size=300), st.binary(max_size=5))
def test_k8_any_bytes_are_no_entry(data: bytes, key: bytes) -> None:
    """K8: broken bytes are a miss, never an exception."""
    assert decode(data, key) is None
    assert decode(b"SD1 " + data, key) is None


@given(st.integers(0, 1000), st.integers(1, 255))
def test_k8_one_changed_byte_is_a_miss(at: int, flip: int) -> None:
    """K8: the checksum finds what no length would."""
    data = bytearray(encode(ENTRY, 1, 1))
    data[at % len(data)] ^= flip

    assert decode(bytes(data), ENTRY.key) is None


@given(st.integers(1, 60))
def test_k8_a_cut_entry_is_a_miss(cut: int) -> None:
    """K8: half an answer is none."""
    assert decode(encode(ENTRY, 1, 1)[:-cut], ENTRY.key) is None


def test_k8_another_version_is_a_miss() -> None:
    """K8: a process of another release may have written it."""
    data = encode(ENTRY, 1, 1)

    assert decode(data.replace(b"SD1 ", b"SD2 ", 1), ENTRY.key) is None


@pytest.mark.parametrize("keep", [0.0, -1.0, float("nan")])
def test_an_entry_without_life_is_a_miss(keep: float) -> None:
    """A checksum that fits says who wrote it, not that it makes sense."""
    assert decode(encode(Entry(b"k", b"v", keep), 1, 1), b"k") is None
