"""What the reader makes of octets, and that it makes the same of them however they are cut."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor._door.head import HeadLines, whole_head
from stagedoor._door.limits import DoorLimits
from stagedoor._door.lines import Refusal
from stagedoor._door.reader import Head, RequestReader
from tests.growth import QUADRATIC, growth

H = b"Host: a\r\n"
END = b"\r\n"
GET = b"GET / HTTP/1.1\r\n" + H + END
CHUNKED = b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n"
SMALL = DoorLimits(request_line=64, header_bytes=96, header_fields=4)


class Seen:
    """A sink that writes down what it is given; it wants at most `most` requests."""

    def __init__(self, most: int = 99) -> None:
        self.requests: list[tuple[Any, bytes, bool]] = []
        self._most = most

    def may_begin(self) -> bool:
        return len(self.requests) < self._most

    def is_full(self) -> bool:
        return False

    def has_room(self, target: bytes) -> bool:
        return target != b"/full"

    def begin(self, head: Head) -> None:
        self.requests.append((head, b"", False))

    def piece(self, body: bytes) -> None:
        head, before, over = self.requests[-1]
        self.requests[-1] = (head, before + body, over)

    def end(self) -> None:
        head, body, _ = self.requests[-1]
        self.requests[-1] = (head, body, True)


def verdict(*pieces: bytes, limits: DoorLimits | None = None) -> tuple[Any, ...]:
    """Return all that can be told of a reader after it was fed."""
    seen = Seen()
    reader = RequestReader(limits or DoorLimits(), seen)
    problem = None
    for piece in pieces:
        if problem is None and not reader.done:
            problem = reader.feed(piece)
    return seen.requests, problem, reader.done, reader.in_head, reader.begun, reader.asked()


def octets(raw: bytes) -> list[bytes]:
    return [raw[n : n + 1] for n in range(len(raw))]


def targets(*pieces: bytes) -> list[str]:
    """Return method, path and body of each request that was read, and what was wrong at last."""
    requests, problem, *_ = verdict(*pieces)
    read = [
        f"{head.method} {head.target.path} {body.decode()}".strip() for head, body, over in requests if over
    ]
    return [*read, *([f"{problem.status}"] if problem else [])]


STREAMS = {
    # B5: the request's own line is what counts, whatever follows it.
    "two blanks, a good line behind": (b"GET  /x  HTTP/1.1\r\n" + H + END + GET, ["400"]),
    "two blanks, a good line in a field": (
        b"GET  /x HTTP/1.1\r\n" + H + b"X: GET /x HTTP/1.1\r\n" + END,
        ["400"],
    ),
    "two blanks, a good line in the body": (
        b"POST  /x HTTP/1.1\r\n" + H + b"Content-Length: 16\r\n\r\nPOST /x HTTP/1.1",
        ["400"],
    ),
    "two blanks, a good line before": (GET + b"GET  / HTTP/1.1\r\n" + H + END, ["GET /", "400"]),
    "RTSP, a good line behind": (
        b"OPTIONS / RTSP/1.0\r\n" + H + END + b"OPTIONS / HTTP/1.0\r\n" + H + END,
        ["400"],
    ),
    "ICE, a good line behind": (b"SOURCE / ICE/1.0\r\n" + H + END + GET, ["400"]),
    "a blank before the line": (b" " + GET, ["400"]),
    "a tab in the line": (b"GET\t/ HTTP/1.1\r\n" + H + END + GET, ["400"]),
    # B6: white space round a value is no part of it.
    "blanks after Host": (b"GET / HTTP/1.1\r\nHost: a \t\r\n\r\n", ["GET /"]),
    "blanks after the coding": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked \t\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ["POST / a"],
    ),
    "blanks after the length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t1 \r\n\r\na", ["POST / a"]),
    "a length of blanks": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t \r\n\r\n", ["400"]),
    "a blank within the length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n", ["400"]),
    # B7: one verdict.
    "a bare CR before the line": (b"\r" + GET, ["400"]),
    "a bare CR between requests": (GET + b"\r" + GET, ["GET /", "400"]),
    "a bare LF before the line": (b"\n" + GET, ["400"]),
    "empty lines before the line": (b"\r\n\r\n" + GET, ["GET /"]),
    "empty lines between requests": (GET + b"\r\n\r\n" + GET, ["GET /", "GET /"]),
    "NUL after a request": (GET + b"\0", ["GET /", "400"]),
    "NUL after a body": (CHUNKED + b"0\r\n\r\n\0", ["POST /", "400"]),
    "NUL before a request": (b"\0" + GET, ["400"]),
    "an extension without a name": (CHUNKED + b"1;=b\r\na\r\n0\r\n\r\n", ["400"]),
    "an extension without a value": (CHUNKED + b"1;a=\r\na\r\n0\r\n\r\n", ["400"]),
    "an extension of nothing": (CHUNKED + b"1;\r\na\r\n0\r\n\r\n", ["400"]),
    "two semicolons": (CHUNKED + b"1;;a\r\na\r\n0\r\n\r\n", ["400"]),
    "an open quote": (CHUNKED + b'1;a="b\r\na\r\n0\r\n\r\n', ["400"]),
    "a quote behind a token": (CHUNKED + b'1;a=b"c"\r\na\r\n0\r\n\r\n', ["400"]),
    "a bare CR in an extension": (CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n", ["400"]),
    "a bare CR as the end of a size": (CHUNKED + b"1\ra\r\n0\r\n\r\n", ["400"]),
    "a bad extension of the last chunk": (CHUNKED + b"1\r\na\r\n0;\r\n\r\n", ["400"]),
    "extensions of every form": (
        CHUNKED + b'1;a;b=c;d="e;\\"\xff\r"\r\na\r\n0\r\n\r\n'.replace(b'\r"', b'"'),
        ["POST / a"],
    ),
    "white space round extensions": (CHUNKED + b"1 ; a\t= b\r\na\r\n0\t;c\r\n\r\n", ["POST / a"]),
    "white space behind a size": (CHUNKED + b"1 \r\na\r\n0\r\n\r\n", ["400"]),
    "a size with zeros": (CHUNKED + b"0000000000000000000001\r\na\r\n00\r\n\r\n", ["POST / a"]),
    "a size of capitals": (CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", ["POST / 0123456789"]),
    "CR after the content": (CHUNKED + b"1\r\na\rb\r\n0\r\n\r\n", ["400"]),
    "a folded trailer": (CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n", ["400"]),
    "a trailer with a bare LF": (CHUNKED + b"0\r\nX: a\n\r\n", ["400"]),
    "trailers that frame": (
        CHUNKED + b"0\r\nContent-Length: 5\r\nHost: b\r\n\r\n" + GET,
        ["POST /", "GET /"],
    ),
    "Host of colons": (b"GET / HTTP/1.1\r\nHost: [:::::]\r\n\r\n", ["400"]),
    "Host of too many groups": (b"GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]\r\n\r\n", ["400"]),
    "Host of a later kind": (b"GET / HTTP/1.1\r\nHost: [v1.a:b]:80\r\n\r\n", ["GET /"]),
    "Host with IPv4 in IPv6": (b"GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n", ["GET /"]),
    "target of colons": (b"GET http://[:::::]/ HTTP/1.1\r\nHost: [:::::]\r\n\r\n", ["400"]),
    "unknown method": (b"FOO / HTTP/1.1\r\n" + H + END, ["405"]),
    "unknown method of signs": (b"G~T / HTTP/1.1\r\n" + H + END, ["405"]),
    "unknown method, no Host": (b"FOO / HTTP/1.1\r\n\r\n", ["405"]),
    "unknown method, bad field": (b"FOO / HTTP/1.1\r\nX\r\n\r\n", ["400"]),
    "unknown method, bad line": (b"FOO  / HTTP/1.1\r\n" + H + END, ["400"]),
    "a method's beginning": (b"GE / HTTP/1.1\r\n" + H + END, ["405"]),
    "a method's end missing its blank": (b"GETX / HTTP/1.1\r\n" + H + END, ["405"]),
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ["400"]),
    # T7: a body is a body.
    "a request in a body": (
        b"POST / HTTP/1.1\r\n" + H + b"Content-Length: %d\r\n\r\n" % len(GET) + GET + GET,
        [f"POST / {GET.decode()}".strip(), "GET /"],
    ),
    "an upgrade with a body": (
        b"POST / HTTP/1.1\r\n"
        + H
        + b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc"
        + GET,
        ["POST / abc", "GET /"],
    ),
    "no room": (b"GET /full HTTP/1.1\r\n" + H + END + GET, ["503"]),
}


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.replace(" ", "_"))
def test_a_stream_is_read_as_the_rfcs_say(case: str) -> None:
    """B5, B6, B7, A4, H7, T7: what is read of a stream that comes in one piece."""
    raw, expected = STREAMS[case]

    assert targets(raw) == expected


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.replace(" ", "_"))
def test_b7_a_stream_has_one_verdict_however_it_is_cut(case: str) -> None:
    """B7: in two pieces at every octet, in single octets, and with any number of them: nothing differs."""
    raw, _ = STREAMS[case]
    whole = verdict(raw)

    assert verdict(*octets(raw)) == whole
    assert [n for n in range(1, len(raw)) if verdict(raw[:n], raw[n:]) != whole] == []


WORDS = (
    b'GET|HEAD|FOO| |/|http://a/|HTTP/1.1|HTTP/1.0|:|: |X|X_Y|Host: a |Host: b|Content-Length: 3|;|=|1;a=b|1;a="|abc'
    b"|Transfer-Encoding: chunked|Connection: close|Expect: 100-continue|Upgrade: x|00000000|\t|\0|\x7f|\xff|\r|\n"
).split(b"|")
BLOCKS = (GET, CHUNKED, H, END, b"3\r\nabc\r\n", b"0\r\n", b"a" * 60, b"a" * 30, b"X: y\r\n" * 4)
PIECES = st.sampled_from([*WORDS, *BLOCKS])


@given(st.lists(PIECES, max_size=24), st.lists(st.integers(0, 600), max_size=8))
@example([b"\r", GET], [1])
@example([b"GET / HTTP/1.1\r\n", b"X: " + b"a" * 91 + END, END], [50])
def test_b7_any_stream_has_one_verdict_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    """B7: also where limits are met, and for what nobody thought of."""
    raw = b"".join(pieces)
    ends = sorted({cut for cut in cuts if cut < len(raw)} | {len(raw)})
    parts = [raw[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    whole = verdict(raw, limits=SMALL)

    assert verdict(*parts, limits=SMALL) == whole
    assert verdict(*octets(raw), limits=SMALL) == whole


GOOD = (b"GET / HTTP/1.1\r\n", b"X: y\r\n", b"X:\t y \r\n", b"X_Y: z\r\n")
BAD = (b"GET  / HTTP/1.1\r\n", b"X : y\r\n", b" y\r\n", b"X\r\n", b"X: \0\r\n", b"X: \r y\r\n", b"X: y\n")
LONG = (b"X: " + b"y" * 80 + END, b"GET /" + b"a" * 60 + END)
LINES = st.sampled_from((*GOOD, *BAD, *LONG))


@given(st.lists(LINES, max_size=7))
def test_a_head_is_read_alike_in_one_go_and_line_by_line(lines: list[bytes]) -> None:
    """What the two patterns take is what the lines take, and nothing else."""
    head = b"".join(lines)
    head = head[: head.find(b"\r\n\r\n") + 2] if b"\r\n\r\n" in head else head
    whole = whole_head(head + END, 0, len(head), SMALL)
    by_line = HeadLines(SMALL)
    try:
        end = by_line.look(head + END)
    except Refusal:
        end = 0

    assert (whole is not None) == (end == len(head) + 2)
    if whole is not None:
        assert whole == (by_line.method, by_line.target, by_line.version, by_line.fields)


def test_nothing_is_read_after_the_last_request_that_is_wanted() -> None:
    """T7: what follows is dropped, whatever it is."""
    seen = Seen(most=1)
    reader = RequestReader(DoorLimits(), seen)

    assert reader.feed(GET + b"\0" * 10) is None
    assert (len(seen.requests), reader.done) == (1, True)


@pytest.mark.parametrize(
    ("value", "keeps"),
    [
        (b"close", False),
        (b"Close ", False),
        (b"x,\tCLOSE ,y", False),
        (b"closed", True),
        (b"keep-alive", True),
    ],
)
def test_options_of_the_connection_are_a_list(value: bytes, keeps: bool) -> None:
    """RFC 9110 7.6.1: any case, white space between, whole words."""
    requests, *_ = verdict(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: " + value + b"\r\n\r\n")

    assert requests[0][0].keep_alive is keeps


@pytest.mark.parametrize(
    "value", [b"100-continue", b"100-Continue ", b"\t100-CONTINUE\t,x", b"100-continue\r\nExpect: x"]
)
def test_b6_an_expectation_is_known_in_any_case_and_with_blanks(value: bytes) -> None:
    """RFC 9110 10.1.1, 5.5."""
    requests, *_ = verdict(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect:" + value + b"\r\nContent-Length: 1\r\n\r\n"
    )

    assert requests[0][0].expects_continue is True


FIELDS = b"GET / HTTP/1.1\r\n" + H
COSTLY = {
    "escapes": (b"GET /", b"%41", 10_900, b" HTTP/1.1\r\n" + H + END),
    "encoded slashes": (b"GET /", b"%2f", 10_900, b" HTTP/1.1\r\n" + H + END),
    "options": (FIELDS + b"Connection: ", b",close ", 9_000, END * 2),
    "blank options": (FIELDS + b"Connection: ", b" ,\t", 21_000, END * 2),
    "expectations": (FIELDS + b"Expect: ", b",100-continu", 5_000, END * 2),
    "a length of zeros": (FIELDS + b"Content-Length: ", b"0", 65_000, END * 2),
    "empty lines": (b"", END, 130_000, b""),
    "small chunks": (CHUNKED, b"1\r\na\r\n", 10_000, b""),
    "extensions": (CHUNKED, b"1;a=b;c\r\na\r\n", 5_000, b""),
}


@pytest.mark.parametrize("case", COSTLY, ids=lambda case: case.replace(" ", "_"))
def test_t10_octets_cost_little_whatever_they_are(case: str) -> None:
    """T10, A10: time grows with the octets alone."""
    before, piece, most, after = COSTLY[case]

    assert growth(lambda times: verdict(before + piece * times + after), most // 4) < QUADRATIC


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX: ", CHUNKED + b"1;a="], ids=["head", "chunk"])
def test_t10_a_dribbled_line_is_not_read_again_and_again(start: bytes) -> None:
    """T10: each octet of a long line is looked at once, not with all those before it."""
    assert growth(lambda length: verdict(*octets(start + b"a" * length)), 5_000) < QUADRATIC
