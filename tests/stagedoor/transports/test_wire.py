"""Request heads, byte for byte."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor._context import under_parent
from stagedoor._requests import Headers
from stagedoor._transports.wire import RequestWriter, check_request, fields_to_send, lines_to_send, own_fields

WRITER = RequestWriter(b"users:8001", b"/api", b"stagedoor")
TEXT = st.binary(max_size=12)
NAMES = st.sampled_from([b"connection", b"x-a", b"x-b", b"host", b"te"])


def written(method: str = "GET", length: int | None = 0, remaining: float = 0.18) -> bytes:
    return WRITER.opening(method, b"/a", lines_to_send(((b"accept", b"*/*"),), ())) + WRITER.closing(
        method, length, 2, remaining
    )


def test_a_head_is_written_exactly() -> None:
    assert written() == (
        b"GET /api/a HTTP/1.1\r\nHost: users:8001\r\naccept: */*\r\nVia: 1.1 stagedoor\r\n"
        b"Stagedoor-Attempt: 2\r\nStagedoor-Deadline-Ms: 180\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "length", "line"),
    [
        ("POST", 0, b"Content-Length: 0\r\n"),
        ("POST", 5, b"Content-Length: 5\r\n"),
        ("GET", 5, b"Content-Length: 5\r\n"),
        ("POST", None, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_a_body_is_framed_in_one_way(method: str, length: int | None, line: bytes) -> None:
    head = written(method, length)

    assert head.endswith(line + b"\r\n")
    assert (head.count(b"Content-Length"), head.count(b"Transfer-Encoding")) in ((1, 0), (0, 1))


@pytest.mark.parametrize(("remaining", "value"), [(0.18, b"180"), (0.0004, b"1"), (1.9999, b"1999")])
def test_d5_what_is_left_is_told_in_whole_milliseconds_at_least_one(remaining: float, value: bytes) -> None:
    assert (b"stagedoor-deadline-ms", value) in own_fields(b"stagedoor", 1, remaining)
    assert b"Stagedoor-Deadline-Ms: " + value + b"\r\n" in written(remaining=remaining)


def test_a_call_without_a_deadline_tells_none() -> None:
    assert b"Deadline" not in written(remaining=float("inf"))
    assert len(own_fields(b"stagedoor", 1, float("inf"))) == 2


def test_h1_forwarded_fields_survive_being_named_away() -> None:
    """H1: dropped first, added after (CVE-2022-31813)."""
    headers = (
        (b"connection", b"x-request-id, X-Gone"),
        (b"x-request-id", b"theirs"),
        (b"x-gone", b"1"),
        (b"x", b"y"),
    )

    fields = fields_to_send(headers, ((b"x-request-id", b"ours"),))

    assert list(fields) == [(b"x", b"y"), (b"x-request-id", b"ours")]


@given(
    headers=st.lists(st.tuples(NAMES, TEXT), max_size=4).map(tuple),
    forward=st.lists(st.tuples(NAMES, TEXT), max_size=3).map(tuple),
)
def test_h1_lines_are_those_of_the_fields_to_send(headers: Headers, forward: Headers) -> None:
    """H1: the quick way and the careful one write the same."""
    try:
        lines = lines_to_send(headers, forward)
    except ValueError:
        return

    assert lines == b"".join(b"%b: %b\r\n" % field for field in fields_to_send(headers, forward))


@pytest.mark.parametrize(
    "bad", [b"a b", b"/a b", b"/\r\n", b"", b"*", b"http://x/", b"/\xc3\xa9", b"/\x00", b"/\x7f"]
)
def test_t2_a_target_that_is_no_path_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match="target"):
        check_request("GET", bad, ())


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        ("/users/1", (), "the target is bytes, as in b'/users/1', not str"),
        (b"/", ((b"accept", "*/*"),), "a header field is a pair of bytes"),
        (b"/", (("accept", b"*/*"),), "a header field is a pair of bytes"),
    ],
)
def test_a_text_in_place_of_bytes_is_a_mistake_at_once(target: Any, fields: Any, words: str) -> None:
    """It is the code that is wrong: not "the service made no sense"."""
    with pytest.raises(TypeError, match=r".") as caught:
        check_request("GET", target, fields)

    assert words in str(caught.value)


@example(method="GET", target=b"", fields=[(b"keep-alive", b"1"), (b"x", b"y")])
@example(method="GET", target=b"", fields=[(b"connection", b"x"), (b"x", b"y")])
@given(
    method=st.sampled_from(["GET", "POST"]), target=TEXT, fields=st.lists(st.tuples(TEXT, TEXT), max_size=4)
)
def test_t2_whatever_is_written_has_exactly_our_lines(
    method: str, target: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    """T2: no value can start a line, end the head, or change its neighbour.

    Names of this hop's own, such as keep-alive, are drawn too: they are no line at all (H1).
    """
    sent = fields_to_send(tuple(fields))
    try:
        head = WRITER.opening(method, b"/" + target, lines_to_send(tuple(fields), ())) + b"\r\n"
    except ValueError:
        return

    lines = head.split(b"\r\n")
    assert lines[0] == b"%b /api/%b HTTP/1.1" % (method.encode(), target)
    assert lines[2:-2] == [b"%b: %b" % field for field in sent]
    assert head.count(b"\n") == head.count(b"\r") == len(sent) + 3


OWN = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


@pytest.mark.parametrize(
    ("headers", "forward"),
    [
        ((), ((b"x-request-id", b"r"), (b"traceparent", b"t"), (b"tracestate", b"a=traceparent: t"))),
        (((b"accept", b"*/*"),), ((b"traceparent", b"t"),)),
        (((b"accept", b"*/*"),), ((b"x-request-id", b"r"),)),
        (((b"accept", b"*/*"),), ()),
        (((b"traceparent", b"mine"),), ((b"x-request-id", b"r"), (b"traceparent", b"t"))),
        (((b"connection", b"x-a"), (b"x-a", b"1")), ((b"traceparent", b"t"),)),
    ],
)
@pytest.mark.parametrize("parent", [None, lambda: OWN])
def test_b9_lines_are_those_of_the_fields_under_a_parent_of_their_own(
    headers: Headers, forward: Headers, parent: Callable[[], bytes] | None
) -> None:
    """B9: lines that are remembered for a request say the same as fields that are written for each call."""
    fields = fields_to_send(headers, under_parent(forward, parent))

    assert lines_to_send(headers, forward, parent) == b"".join(b"%b: %b\r\n" % field for field in fields)


def test_b2_long_fields_are_not_remembered_beside_each_other() -> None:
    """B2: one connection whose requests bring a long field each keeps less than 4 MB."""
    tracemalloc.start()
    for number in range(64):
        lines_to_send(
            (), ((b"authorization", b"%d" % number + b"x" * 60_000), (b"traceparent", b"t")), lambda: OWN
        )
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 1_000_000
