"""Request ids and trace context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._ids import request_id_of
from stagedoor._web.trace import Parents, continued, identify, trace_id_of

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


BROKEN = (b"A=1", b"a", b"a=", b"a=\x00", b"@a=1", b"a =1", b"a.b=1", b"a=b=c", b"a" * 257 + b"=1")


@pytest.mark.parametrize("state", [*BROKEN, b",".join(b"k%d=v" % i for i in range(33))])
def test_h13_a_broken_state_is_dropped_whole(state: bytes) -> None:
    """H13: bad characters, keys without a name, more than 32 members."""
    assert continued(PARENT, [b"ok=1", state], ENTROPY).state == b""


LEVEL_2 = (b"foo@=1", b"foo@@bar=1", b"foo@bar@baz=1", b"0a=1", b"0=1", b"a_-*/@0=1", b"t" * 242 + b"@v=1")


@pytest.mark.parametrize("state", [*LEVEL_2, b"t@" + b"v" * 15 + b"=1", b"z" * 256 + b"=1"])
def test_b9_keys_of_level_2_go_on(state: bytes) -> None:
    """B9, Trace Context level 2, 3.3.1.3.1: `@` may stand anywhere but first, and a digit may begin."""
    assert continued(PARENT, [state, b"bar=2"], ENTROPY).state == state + b",bar=2"


def test_b9_of_a_key_that_comes_twice_the_newest_goes_on() -> None:
    """B9: the list is not dropped for it; new members stand at the left."""
    assert continued(PARENT, [b"a=1,b=2", b"a=3"], ENTROPY).state == b"a=1,b=2"


@given(st.binary(min_size=8, max_size=8).filter(any), st.integers(1, 50))
def test_b9_each_call_has_a_parent_id_of_its_own(span: bytes, calls: int) -> None:
    """B9: the trace and its flags stay; no id comes twice, is the request's own, or is none."""
    parent = b"00-" + TRACE + b"-" + span.hex().encode() + b"-03"
    parents = Parents(parent)
    made = [parents() for _ in range(calls)]

    assert len({parent, *made}) == calls + 1
    assert {(each[:36], each[52:]) for each in made} == {(parent[:36], b"-03")}
    assert all(each[36:52].strip(b"0") and len(each) == len(parent) for each in made)


def test_b9_no_parent_id_is_zero() -> None:
    """Trace Context 3.2.2.4: an id of zeros is none; the step that would lead there goes on."""
    before = b"00-" + TRACE + b"-%016x-01" % ((-0x9E3779B97F4A7C15) % (1 << 64))

    assert Parents(before)()[36:52] == b"9e3779b97f4a7c15"


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


PARENTS = st.sampled_from(
    [
        PARENT,
        PARENT + b" ",
        PARENT + b"-x",
        b"01" + PARENT[2:] + b"-x",
        b"ff" + PARENT[2:],
        PARENT.upper(),
        b"",
        b"junk",
    ]
) | st.builds(
    lambda trace, parent: b"00-%b-%b-01" % (trace, parent),
    st.sampled_from([TRACE, b"0" * 32, b"1" * 31]),
    st.sampled_from([b"0" * 16, b"b7ad6b7169203331"]),
)


@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"x"]), PARENTS), max_size=4))
def test_the_id_alone_is_that_of_the_trace(fields: list[tuple[bytes, bytes]]) -> None:
    """Who continues no trace, but tells of it, names the same one."""
    whole = identify(dict(fields), fields, bytes(40))[1].trace_id.decode()

    assert (trace_id_of(dict(fields), fields) or "0" * 32) == whole
