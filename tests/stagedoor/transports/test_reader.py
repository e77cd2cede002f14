"""Answers judged as values: any cut of the same bytes gives the same result."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._requests import Headers
from stagedoor._transports.failures import Disconnected, Failure, Garbled
from stagedoor._transports.limits import Limits
from stagedoor._transports.reader import ReadStage, ResponseReader, framing

LIMITS = Limits(head=2_000, fields=20, interim=3, body=4_000)
OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Result = tuple[int, Headers, bytes, bool] | str


def read(pieces: list[bytes], *, to_head: bool = False, streamed: bool = False, ends: bool = True) -> Result:
    """Feed pieces to a reader; return the answer, or the name of the failure."""
    reader = ResponseReader(LIMITS)
    reader.begin(to_head=to_head, streamed=streamed)
    body = b""
    try:
        for piece in pieces:
            reader.feed(piece)
            body += reader.take()
        if ends:
            reader.close()
    except Failure as failure:
        return type(failure).__name__
    return (reader.status, reader.headers, body, reader.keep)


ANSWERS = {
    "counted": OK + b"Content-Length: 5\r\nX-A: b \r\n\r\nhello",
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": CHUNKED + b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n",
    "until close": OK + b"\r\nto the end",
    "old": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "interim": INTERIM * 3 + OK + b"Content-Length: 2\r\n\r\nok",
    "no reason": b"HTTP/1.1 204 \r\n\r\n",
    "too many interim": INTERIM * 4 + OK + b"Content-Length: 0\r\n\r\n",
    "too large a head": OK + b"X: " + b"a" * 3_000 + b"\r\n\r\n",
    "too many fields": OK + b"X: a\r\n" * 21 + b"\r\n",
    "too large a body": OK + b"\r\n" + b"x" * 5_000,
    "cut": OK + b"Content-Length: 10\r\n\r\nabc",
    "cut in the head": OK + b"Content-Le",
    "surplus": OK + b"Content-Length: 3\r\n\r\nabcd",
    "bad chunk": CHUNKED + b"zz\r\n",
    "surplus chunk": CHUNKED + b"0\r\n\r\nHTTP/1.1 200\r\n\r\n",
    "surplus answer": CHUNKED + b"0\r\n\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\n\r\n",
    "blank line": b"\r\n" + OK + b"\r\n",
    "other protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
@given(data=st.data())
def test_h7_any_cut_of_an_answer_reads_the_same(name: str, data: st.DataObject) -> None:
    """H7: also the refusals; where a packet ends says nothing."""
    answer = ANSWERS[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=12)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]

    assert read(pieces) == read([answer])


@pytest.mark.parametrize(
    "name", ["counted", "chunked", "interim", "until close", "surplus", "too large a head"]
)
def test_h7_single_bytes_read_the_same(name: str) -> None:
    answer = ANSWERS[name]

    assert read([bytes((byte,)) for byte in answer]) == read([answer])


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("counted", (200, ((b"content-length", b"5"), (b"x-a", b"b")), b"hello", True)),
        ("chunked", (200, ((b"transfer-encoding", b"chunked"),), b"abc0123456789abcdef", True)),
        ("trailers", (200, ((b"transfer-encoding", b"chunked"),), b"abc", False)),
        ("until close", (200, (), b"to the end", False)),
        ("interim", (200, ((b"content-length", b"2"),), b"ok", True)),
        ("no reason", (204, (), b"", True)),
        ("cut", "Disconnected"),
        ("cut in the head", "Disconnected"),
        ("surplus", "Garbled"),
        ("surplus chunk", "Garbled"),
        ("surplus answer", "Garbled"),
        ("too many interim", "Garbled"),
        ("too large a head", "Garbled"),
        ("too many fields", "Garbled"),
        ("too large a body", "Garbled"),
        ("blank line", "Garbled"),
        ("upgrade", "Garbled"),
    ],
)
def test_h7_what_is_read(name: str, result: Result) -> None:
    assert read([ANSWERS[name]]) == result


CONTROLS = [octet for octet in (*range(32), 127) if octet not in b"\t"]


@pytest.mark.parametrize("octet", CONTROLS)
def test_c5_no_control_character_is_part_of_a_reason(octet: int) -> None:
    """U5, H7: RFC 9112 4; one that ends lines ends this one, and garbles what follows."""
    for start in (b"HTTP/1.1 200 ", b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 ", b"HTTP/1.1 10"):
        answer = start + b"3 O%cK\r\nContent-Length: 0\r\n\r\n" % octet

        assert read([answer]) == read([bytes((byte,)) for byte in answer]) == "Garbled"


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200  O\tK", b"HTTP/1.1 200 \xd6K \xff"]
)
def test_c5_any_other_reason_is_read_past(line: bytes) -> None:
    """U5: RFC 9112 4 has blanks, tabs and obs-text in it; the first of these lacks a blank that many forget."""
    answer = line + b"\r\nContent-Length: 0\r\n\r\n"

    assert (
        read([answer])
        == read([bytes((byte,)) for byte in answer])
        == (200, ((b"content-length", b"0"),), b"", True)
    )


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize(("status", "to_head"), [(200, True), (404, True), (204, False), (304, False)])
def test_c8_a_body_that_must_not_be_costs_the_connection_alone(
    status: int, to_head: bool, fields: bytes
) -> None:
    """U8: RFC 9112 6.3; the answer counts, however it is cut."""
    head = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, fields)
    answer = head + b"hello"
    whole = read([answer], to_head=to_head)

    assert (whole[0], whole[2:]) == (status, (b"", False))
    for cut in range(1, len(answer)):
        assert read([answer[:cut], answer[cut:]], to_head=to_head) == whole
    assert read([bytes((byte,)) for byte in answer], to_head=to_head) == whole


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t \t"])
@pytest.mark.parametrize("name", ["counted", "chunked", "trailers"])
def test_b6_blanks_behind_a_value_are_no_part_of_it(name: str, blanks: bytes) -> None:
    """B6: RFC 9110 5.5; a tab behind `chunked` made a body that never ended."""
    answer = (
        ANSWERS[name].replace(b"chunked", b"chunked" + blanks).replace(b"Length: 5", b"Length: 5" + blanks)
    )

    assert read([answer]) == read([bytes((byte,)) for byte in answer]) == read([ANSWERS[name]])


@given(st.binary(max_size=200))
def test_t18_no_bytes_crash_the_reader(data: bytes) -> None:
    """T18: arbitrary bytes behind a plausible start end as an answer or a failure, nothing else."""
    for start in (b"", b"HTTP/1.1 ", OK, CHUNKED, CHUNKED + b"3\r\nabc\r\n"):
        read([start + data])


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10))
def test_chunks_come_out_as_they_went_in(chunks: list[bytes]) -> None:
    data = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    assert read([data]) == (200, ((b"transfer-encoding", b"chunked"),), b"".join(chunks), True)


def test_a_streamed_body_has_no_limit_but_a_refusal_has() -> None:
    large = b"Content-Length: 5000\r\n\r\n" + b"x" * 5_000

    assert read([OK + large], streamed=True) == (200, ((b"content-length", b"5000"),), b"x" * 5_000, True)
    assert read([b"HTTP/1.1 500 X\r\n" + large], streamed=True) == "Garbled"


def test_an_answer_to_head_ends_with_its_head() -> None:
    for head in (OK + b"Content-Length: 5\r\n\r\n", CHUNKED, OK + b"\r\n"):
        result = read([head], to_head=True)
        assert isinstance(result, tuple)
        assert (result[2], result[3]) == (b"", True)


def test_a_reader_serves_one_answer_after_the_other() -> None:
    reader = ResponseReader(LIMITS)
    for body in (b"one", b"two!", b""):
        reader.begin(to_head=False, streamed=False)
        reader.feed(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert (reader.stage, reader.take(), reader.keep) == (ReadStage.DONE, body, True)


def test_bytes_after_the_end_are_garbled() -> None:
    reader = ResponseReader(LIMITS)
    reader.begin(to_head=False, streamed=False)
    reader.feed(OK + b"Content-Length: 0\r\n\r\n")

    with pytest.raises(Garbled):
        reader.feed(b"x")


@pytest.mark.parametrize(
    ("said", "silent", "headless"),
    [(b"", True, True), (b"HTTP", False, True), (OK + b"Content-Length: 3\r\n\r\na", False, False)],
)
def test_r1_a_cut_tells_how_far_the_answer_had_come(said: bytes, silent: bool, headless: bool) -> None:
    reader = ResponseReader(LIMITS)
    reader.begin(to_head=False, streamed=False)
    if said:
        reader.feed(said)

    with pytest.raises(Disconnected) as caught:
        reader.close()

    assert (caught.value.silent, caught.value.headless) == (silent, headless)


@pytest.mark.parametrize(
    ("status", "fields", "old", "stage", "keep"),
    [
        (200, ((b"content-length", b"3"),), False, ReadStage.COUNTED, True),
        (200, ((b"content-length", b"3"), (b"connection", b"close")), False, ReadStage.COUNTED, False),
        (
            200,
            ((b"connection", b"x"), (b"connection", b"a, CLOSE"), (b"content-length", b"0")),
            False,
            ReadStage.DONE,
            False,
        ),
        (
            200,
            ((b"connection", b"close"), (b"connection", b"keep-alive"), (b"content-length", b"3")),
            False,
            ReadStage.COUNTED,
            False,
        ),
        (200, ((b"content-length", b"3"),), True, ReadStage.COUNTED, False),
        (200, ((b"content-length", b"3"), (b"connection", b"Keep-Alive")), True, ReadStage.COUNTED, True),
        (200, (), False, ReadStage.UNTIL_CLOSE, False),
        (200, ((b"transfer-encoding", b"Chunked"),), False, ReadStage.CHUNKED, True),
        (204, ((b"content-length", b"3"),), False, ReadStage.DONE, False),
        (204, ((b"content-length", b"0"),), False, ReadStage.DONE, True),
        (304, ((b"content-length", b"3"),), False, ReadStage.DONE, True),
    ],
)
def test_h7_framing_is_a_table(status: int, fields: Headers, old: bool, stage: int, keep: bool) -> None:
    assert framing(status, fields, to_head=False, old=old)[::2] == (stage, keep)


@pytest.mark.parametrize(
    ("fields", "old"),
    [
        (((b"transfer-encoding", b"chunked"), (b"content-length", b"3")), False),
        (((b"transfer-encoding", b"gzip, chunked"),), False),
        (((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")), False),
        (((b"transfer-encoding", b"chunked"),), True),
        (((b"content-length", b"-1"),), False),
        (((b"content-length", b"1_0"),), False),
        (((b"content-length", "٣".encode()),), False),
        (((b"content-length", b"9" * 19),), False),
    ],
)
def test_h7_ambiguous_framing_is_refused(fields: Headers, old: bool) -> None:
    with pytest.raises(Garbled):
        framing(200, fields, to_head=False, old=old)


@pytest.mark.parametrize(("streamed", "copied"), [(True, False), (False, True)])
def test_what_stands_behind_a_head_is_copied_only_to_be_kept(streamed: bool, copied: bool) -> None:
    """A body of 100 KB mostly comes in one piece with its head; copying it took a tenth of the time to hand it on."""
    reader = ResponseReader(Limits(body=100_000))
    reader.begin(to_head=False, streamed=streamed)
    said = OK + b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000
    reader.feed(said)
    piece = reader.take_piece() if streamed else reader.take()

    assert bytes(piece) == b"x" * 50_000
    assert (memoryview(piece).obj is not said) is copied


def test_a_streamed_refusal_is_octets_like_any_whole_body() -> None:
    """Who reads it takes it for bytes."""
    reader = ResponseReader(Limits(body=100_000))
    reader.begin(to_head=False, streamed=True)
    reader.feed(b"HTTP/1.1 404 X\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000)

    assert type(reader.take()) is bytes


def test_t18_a_body_in_tiny_chunks_takes_no_more_room_than_another() -> None:
    """T18: each chunk was an object of its own, and a body of 16 MB held 360 MB until it was whole."""
    reader = ResponseReader(Limits())
    reader.feed(CHUNKED)
    tracemalloc.start()
    try:
        for _ in range(50):
            reader.feed(b"2\r\nab\r\n" * 9_000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    reader.feed(b"0\r\n\r\n")

    assert reader.take() == b"ab" * 450_000
    assert held < 2 * 900_000
