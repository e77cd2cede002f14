"""Request ids and trace context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.web.trace import continued, identify, request_id_of

ENTROPY = bytes(range(1, 25))
TRACE = b"0af7651916cd43dd8448eb211c80319c"
PARENT = b"00-" + TRACE + b"-b7ad6b7169203331-01"


@pytest.mark.parametrize("raw", [b"abc", b"A.b_c-9", b"x" * 128])
def test_a_well_formed_request_id_is_kept(raw: bytes) -> None:
    """Callers can follow their own ids."""
    assert request_id_of(raw, "fresh") == raw.decode()


@pytest.mark.parametrize("raw", [None, b"", b"x" * 129, b"a b", b"a\r\nb", "ё".encode()])
def test_t2_any_other_request_id_is_replaced(raw: bytes | None) -> None:
    """T2: nothing that could break a header or a log line is copied."""
    assert request_id_of(raw, "fresh") == "fresh"


def test_h13_a_valid_trace_goes_on_under_a_new_parent() -> None:
    """H13: the trace id stays, the parent id is ours, the sampled flag is kept."""
    trace = continued(PARENT, [b"a=1,b=2"], ENTROPY)

    assert trace.trace_id == TRACE
    assert trace.parent == b"00-" + TRACE + b"-" + ENTROPY[16:].hex().encode() + b"-01"
    assert trace.state == b"a=1,b=2"


@pytest.mark.parametrize(
    "parent",
    [
        None,
        b"",
        b"ff" + PARENT[2:],
        PARENT.upper(),
        PARENT + b"-more",
        PARENT[:-1],
        b"00-" + b"0" * 32 + PARENT[35:],
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"0" + PARENT,
    ],
)
def test_h13_an_invalid_parent_starts_a_new_trace_without_state(parent: bytes | None) -> None:
    """H13: version ff, zeros, capitals and wrong lengths are no trace; their state goes with them."""
    trace = continued(parent, [b"a=1"], ENTROPY)

    assert trace.trace_id == ENTROPY[:16].hex().encode()
    assert trace.state == b""


def test_h13_a_higher_version_is_read_by_its_prefix() -> None:
    """H13: what a future version adds behind the flags is not ours to judge."""
    trace = continued(b"01" + PARENT[2:] + b"-what-the-future-brings", [], ENTROPY)

    assert trace.trace_id == TRACE
    assert trace.parent.startswith(b"00-")


def test_h13_the_random_flag_is_kept_and_unknown_flags_are_not() -> None:
    """H13: flags we do not know are not ours to promise."""
    assert continued(PARENT[:-2] + b"ff", [], ENTROPY).parent.endswith(b"-03")


@pytest.mark.parametrize(
    "state", [b"a=1,a=2", b"A=1", b"a", b"a=\x00", b",".join(b"k%d=v" % i for i in range(33))]
)
def test_h13_a_broken_state_is_dropped_whole(state: bytes) -> None:
    """H13: twice the same key, bad characters, more than 32 members."""
    assert continued(PARENT, [state], ENTROPY).state == b""


@given(st.binary(max_size=80), st.lists(st.binary(max_size=60), max_size=4))
def test_h13_no_bytes_make_it_fail(parent: bytes, states: list[bytes]) -> None:
    """H13: whatever comes in, a well-formed parent goes out."""
    trace = continued(parent, states, ENTROPY)

    assert len(trace.parent) == len(PARENT)
    assert len(trace.trace_id) == 32


def test_h13_two_parents_are_as_good_as_none() -> None:
    """H13, Trace Context 3.2: whoever sends two leaves it open which trace is meant; the id is kept all the same."""
    one = (
        (b"x-request-id", b"abc"),
        (b"traceparent", PARENT),
        (b"tracestate", b"a=1"),
        (b"tracestate", b"b=2"),
    )
    two = (*one, (b"traceparent", PARENT))

    kept, fresh = (identify(dict(fields), fields, bytes(range(40))) for fields in (one, two))

    assert (kept[0], fresh[0]) == ("abc", "abc")
    assert (kept[1].trace_id, kept[1].state) == (TRACE, b"a=1,b=2")
    assert fresh[1].trace_id != TRACE
    assert fresh[1].state == b""
