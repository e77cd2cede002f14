"""What passes the door and what does not, over real sockets."""

import asyncio
import contextlib
import gc
import logging
import socket
import struct
import tracemalloc
from ipaddress import ip_network
from typing import Any, cast

import pytest

from stagedoor.door.exchange import Exchange
from stagedoor.door.limits import DoorLimits
from stagedoor.door.protocol import DoorProtocol
from tests.stagedoor.door.conftest import Served, answers_in, serving

H = b"Host: a\r\n"
END = b"\r\n"
CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def get(target: bytes = b"/", fields: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + H + fields + CLOSE


REFUSED = {
    # Of framing, H7.
    "length beside coding": (400, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding beside length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "coding after chunked": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "coding before chunked": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "no chunked": (400, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    "comma chunked": (400, POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    "coding twice": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "coding twice in one": (400, POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "odd coding": (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "empty coding": (400, POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    "coding in 1.0": (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "length with sign": (400, POST + b"Content-Length: +1\r\n\r\nx"),
    "negative length": (400, POST + b"Content-Length: -1\r\n\r\nx"),
    "hex length": (400, POST + b"Content-Length: 0x1\r\n\r\nx"),
    "empty length": (400, POST + b"Content-Length:\r\n\r\n"),
    "length of words": (400, POST + b"Content-Length: one\r\n\r\n"),
    "huge length": (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "lengths differ": (400, POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    "lengths in a list": (400, POST + b"Content-Length: 1, 2\r\n\r\nx"),
    "lengths repeat": (400, POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    "space before colon": (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "tab before colon": (400, b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
    "folded line": (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n"),
    "folded first line": (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    "bare LF everywhere": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare LF after the line": (400, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    "bare LF after a field": (400, b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    "bare LF at the end": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    "bare CR": (400, b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    "no colon": (400, b"GET / HTTP/1.1\r\n" + H + b"nothing\r\n\r\n"),
    "no name": (400, b"GET / HTTP/1.1\r\n" + H + b": b\r\n\r\n"),
    "control in a name": (400, b"GET / HTTP/1.1\r\n" + H + b"X\x01: b\r\n\r\n"),
    "non-ASCII name": (400, b"GET / HTTP/1.1\r\n" + H + "Ж: b\r\n\r\n".encode()),
    "NUL in a value": (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n"),
    "control in a value": (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\x01b\r\n\r\n"),
    "DEL in a value": (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\x7fb\r\n\r\n"),
    # chunks
    "bad chunk size": (400, CHUNKED + b"ZZ\r\n"),
    "signed chunk size": (400, CHUNKED + b"+1\r\na\r\n0\r\n\r\n"),
    "prefixed chunk size": (400, CHUNKED + b"0x1\r\na\r\n0\r\n\r\n"),
    "blank after chunk size": (400, CHUNKED + b"1 \r\na\r\n0\r\n\r\n"),
    "empty chunk size": (400, CHUNKED + b"\r\na\r\n0\r\n\r\n"),
    "huge chunk size": (400, CHUNKED + b"fffffffffffffffff\r\na\r\n0\r\n\r\n"),
    "chunk size with LF": (400, CHUNKED + b"1\na\r\n0\r\n\r\n"),
    "chunk data with LF": (400, CHUNKED + b"1\r\na\n0\r\n\r\n"),
    "chunk longer than said": (400, CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    "LF in chunk extension": (400, CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n"),
    "NUL in chunk extension": (400, CHUNKED + b"1;a\0\r\na\r\n0\r\n\r\n"),
    "no name in chunk extension": (400, CHUNKED + b"1;=b\r\na\r\n0\r\n\r\n"),
    "no value in chunk extension": (400, CHUNKED + b"1;a=\r\na\r\n0\r\n\r\n"),
    "crooked trailer": (400, CHUNKED + b"0\r\nX y\r\n\r\n"),
    # Of Host and of twins, T22 and T3.
    "no Host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "same Host twice": (400, b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
    "empty Host": (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "Host with a path": (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "Host with user info": (400, b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    "Host with a blank": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "Host with junk port": (400, b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    "Host with great port": (400, b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
    "Host of colons": (400, b"GET / HTTP/1.1\r\nHost: [:::::]\r\n\r\n"),
    "Host with open bracket": (400, b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    "twin of Content-Length": (400, POST + b"Content_Length: 5\r\n\r\nabcde"),
    "twin of X-Tenant": (400, b"GET / HTTP/1.1\r\n" + H + b"X_Tenant: b\r\n\r\n"),
    # targets
    "other host in the target": (400, b"GET http://b/ HTTP/1.1\r\n" + H + END),
    "other port in the target": (400, b"GET http://a:81/ HTTP/1.1\r\n" + H + END),
    "user info in the target": (400, b"GET http://u@a/ HTTP/1.1\r\n" + H + END),
    "foreign scheme": (400, b"GET ftp://a/ HTTP/1.1\r\n" + H + END),
    "no slash": (400, b"GET abc HTTP/1.1\r\n" + H + END),
    "star for GET": (400, b"GET * HTTP/1.1\r\n" + H + END),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\n" + H + END),
    "NUL in the target": (400, b"GET /\0 HTTP/1.1\r\n" + H + END),
    "control in the target": (400, b"GET /\x01 HTTP/1.1\r\n" + H + END),
    "tab in the target": (400, b"GET /a\tb HTTP/1.1\r\n" + H + END),
    "non-ASCII target": (400, "GET /Ж HTTP/1.1\r\n".encode() + H + END),
    "quote in the path": (400, b'GET /"a" HTTP/1.1\r\n' + H + END),
    "backslash in the path": (400, b"GET /a\\b HTTP/1.1\r\n" + H + END),
    "half an escape": (400, b"GET /a%2 HTTP/1.1\r\n" + H + END),
    "no escape": (400, b"GET /a%zz HTTP/1.1\r\n" + H + END),
    "two blanks before": (400, b"GET  / HTTP/1.1\r\n" + H + END),
    "two blanks after": (400, b"GET /  HTTP/1.1\r\n" + H + END),
    "tab after the method": (400, b"GET\t/ HTTP/1.1\r\n" + H + END),
    "blank after the version": (400, b"GET / HTTP/1.1 \r\n" + H + END),
    "a space in the target": (400, b"GET /a b HTTP/1.1\r\n" + H + END),
    # versions and protocols
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "HTTP/0.9 in words": (400, b"GET / HTTP/0.9\r\n" + H + END),
    "HTTP/1.2": (400, b"GET / HTTP/1.2\r\n" + H + END),
    "HTTP/2.0": (400, b"GET / HTTP/2.0\r\n" + H + END),
    "HTTP/01.1": (400, b"GET / HTTP/01.1\r\n" + H + END),
    "lower case http": (400, b"GET / http/1.1\r\n" + H + END),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a tab in the line": (400, b"GET /\tHTTP/1.1\r\n" + H + END),
    "bare CR before the line": (400, b"\r" + get()),
    "bare LF before the line": (400, b"\n" + get()),
    "two blanks, a good line behind": (400, b"GET  / HTTP/1.1\r\n" + H + END + get()),
    "RTSP, a good line behind": (
        400,
        b"OPTIONS / RTSP/1.0\r\n" + H + END + b"OPTIONS / HTTP/1.0\r\n" + H + END,
    ),
    "RTSP": (400, b"OPTIONS / RTSP/1.0\r\n" + H + END),
    "ICE": (400, b"SOURCE / ICE/1.0\r\n" + H + END),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "garbage": (400, b"hello world\r\n\r\n"),
    "unknown method": (405, b"FOO / HTTP/1.1\r\n" + H + END),
    "lower case method": (405, b"get / HTTP/1.1\r\n" + H + END),
    "CONNECT": (405, b"CONNECT a:80 HTTP/1.1\r\n" + H + END),
    # sizes
    "request line of 40 kB": (414, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + H + END),
    "request line of 1 MB": (414, b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + H + END),
    "request line without end": (414, b"GET /" + b"a" * 200_000),
    "fields of 70 kB": (431, b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
    "fields of 4 MB": (431, b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 4_000_000 + b"\r\n\r\n"),
    "257 fields": (431, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 256 + END),
    "10,000 fields": (431, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 10_000 + END),
    "fields without end": (431, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 100_000),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.replace(" ", "_"))
async def test_h7_a4_what_is_not_valid_is_refused_and_the_connection_closed(door: Served, case: str) -> None:
    """H7, A4, T3, T22, T13: a problem document, one answer, the end, and no application code."""
    status, raw = REFUSED[case]
    (answer,) = await door.ask(raw)

    assert (answer.status, answer.complete) == (status, True)
    assert answer.field(b"content-type") == b"application/problem+json"
    assert answer.field(b"connection") == b"close"
    assert answer.field(b"x-content-type-options") == b"nosniff"
    assert (answer.json()["status"], answer.json()["request_id"]) == (status, "fresh")
    assert answer.field(b"x-request-id") == b"fresh"
    assert door.seen == []
    assert door.refused == [(status, "fresh")]


@pytest.mark.parametrize("case", [case for case in REFUSED if "chunk" not in case and "trailer" not in case])
async def test_a4_no_application_code_runs_for_a_bad_head(door: Served, case: str) -> None:
    """A4: 0 requests that the RFCs call invalid reach the application, also not in single octets."""
    raw = REFUSED[case][1]
    if len(raw) < 200:
        await door.raw(*(raw[n : n + 1] for n in range(len(raw))))
    else:
        await door.raw(raw[:100], raw[100:])

    assert door.seen == []


BIG = b"GET /" + b"a" * 7_995
ANSWERED = {
    "plain": (get(), {"path": "/", "query": ""}),
    "query": (get(b"/a?b=c&d"), {"path": "/a", "query": "b=c&d"}),
    "8,000 octets": (BIG + b" HTTP/1.1\r\n" + H + CLOSE, {"path": "/" + "a" * 7_995}),
    "32,000 octets": (get(b"/?" + b"a" * 32_000), {"query": "a" * 32_000}),
    "60 kB of fields": (get(b"/", b"X: " + b"a" * 60_000 + b"\r\n"), {"path": "/"}),
    "250 fields": (get(b"/", b"X: a\r\n" * 250), {"path": "/"}),
    "absolute form": (get(b"http://a/x?y"), {"path": "/x", "raw_path": "/x", "query": "y"}),
    "absolute form in capitals": (get(b"HTTP://A/x"), {"path": "/x"}),
    "absolute form with port": (get(b"http://a:80/x"), {"path": "/x"}),
    "absolute form without path": (get(b"http://a"), {"path": "/"}),
    "absolute form with query alone": (get(b"http://a?x"), {"path": "/", "query": "x"}),
    "escapes": (get(b"/%D0%96/%7E"), {"path": "/Ж/~", "raw_path": "/%D0%96/%7E"}),
    "encoded slash": (get(b"/a%2Fb%2fc"), {"path": "/a%2Fb%2Fc", "raw_path": "/a%2Fb%2fc"}),
    "overlong UTF-8": (get(b"/a%c0%af"), {"path": "/a\ufffd\ufffd", "raw_path": "/a%c0%af"}),
    "no UTF-8": (get(b"/a%FF/b"), {"path": "/a\ufffd/b", "raw_path": "/a%FF/b"}),
    "dot segments": (get(b"/a/../b/%2e%2e"), {"path": "/a/../b/..", "raw_path": "/a/../b/%2e%2e"}),
    "encoded NUL": (get(b"/a%00"), {"path": "/a\0"}),
    "encoded backslash": (get(b"/a%5cb"), {"path": "/a\\b"}),
    "semicolons": (get(b"/..;/x;y"), {"path": "/..;/x;y"}),
    "double slash": (get(b"//host/x"), {"path": "//host/x"}),
    "all of pchar": (get(b"/-._~!$&'()*+,;=:@"), {"path": "/-._~!$&'()*+,;=:@"}),
    "a browser's query": (get(b"/?a[]={b}|`^%&c=\\"), {"query": "a[]={b}|`^%&c=\\"}),
    "blanks after Host": (b"GET / HTTP/1.1\r\nHost: a \t\r\n" + CLOSE, {"path": "/"}),
    "blanks after the length": (POST + b"Content-Length: 3 \r\n" + CLOSE + b"abc", {"body": "abc"}),
    "blanks after the coding": (
        POST + b"Transfer-Encoding: chunked\t \r\n" + CLOSE + b"1\r\na\r\n0\r\n\r\n",
        {"body": "a"},
    ),
    "names in any case": (b"GET / HTTP/1.1\r\nhOsT: a\r\nCONNECTION: CLOSE\r\n\r\n", {"path": "/"}),
    "no blank after colon": (b"GET / HTTP/1.1\r\nHost:a\r\nConnection:close\r\n\r\n", {"path": "/"}),
    "blanks round a value": (get(b"/", b"X: \t a \t \r\n"), {"path": "/"}),
    "empty value": (get(b"/", b"X:\r\n"), {"path": "/"}),
    "obs-text": (get(b"/", b"X: \xff\r\n"), {"path": "/"}),
    "IPv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:8000\r\n" + CLOSE, {"path": "/"}),
    "empty lines before": (b"\r\n\r\n" + get(), {"path": "/"}),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", {"version": "1.0"}),
    "HTTP/1.0 with Host": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", {"version": "1.0"}),
    "length": (POST + b"Content-Length: 3\r\n" + CLOSE + b"abc", {"body": "abc"}),
    "length with zeros": (POST + b"Content-Length: 003\r\n" + CLOSE + b"abc", {"body": "abc"}),
    "chunks": (
        POST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        {"body": "abc"},
    ),
    "Chunked": (POST + b"Transfer-Encoding: Chunked\r\n" + CLOSE + b"1\r\na\r\n0\r\n\r\n", {"body": "a"}),
    "extensions": (
        POST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b'1;a=b;c="d"\r\na\r\n0;e\r\n\r\n',
        {"body": "a"},
    ),
    "trailers": (
        POST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"1\r\na\r\n0\r\nX-After: y\r\n\r\n",
        {"body": "a"},
    ),
    "many small chunks": (
        POST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n",
        {"body": "a" * 50_000},
    ),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + H + CLOSE, {"method": "TRACE"}),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + H + CLOSE, {"path": "*"}),
    "PURGE": (b"PURGE / HTTP/1.1\r\n" + H + CLOSE, {"method": "PURGE"}),
    "upgrade to h2c": (
        b"GET / HTTP/1.1\r\n" + H + b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\r\n",
        {"path": "/"},
    ),
}


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.replace(" ", "_"))
async def test_a4_what_is_valid_is_answered(door: Served, case: str, pieces: int) -> None:
    """A4, H7: valid requests pass, whole or in pieces, and arrive as they were sent."""
    raw, expected = ANSWERED[case]
    step = -(-len(raw) // pieces)
    (answer,) = await door.ask(*(raw[n : n + step] for n in range(0, len(raw), step)))

    assert (answer.status, answer.complete) == (200, True)
    assert expected.items() <= answer.json().items()


async def test_h7_trailers_are_never_merged_into_the_head(door: Served) -> None:
    """H7: a field after the body is not a field of the head."""
    raw = POST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"1\r\na\r\n0\r\nAuthorization: x\r\n\r\n"
    (answer,) = await door.ask(raw)

    assert "authorization" not in dict(answer.json()["headers"])


@pytest.mark.parametrize(
    "tail",
    [
        b"1;" + b"x" * 4_000_000,
        b"0\r\n" + b"X: a\r\n" * 300,
        b"0\r\nX: " + b"a" * 1_000_000,
        b"1;" + b"x" * 5_000 + b"\r\na\r\n",
    ],
    ids=["endless extension", "many trailers", "long trailer", "extensions in each chunk"],
)
async def test_t13_extensions_and_trailers_are_bounded(door: Served, tail: bytes) -> None:
    """T13: what a body carries beside its content has the bounds of a head."""
    tail = tail * 100 if len(tail) < 10_000 and tail.startswith(b"1;") else tail
    (answer,) = await door.ask(CHUNKED, tail)

    assert answer.status in {400, 431}
    assert answer.field(b"connection") == b"close"


async def test_pipelined_requests_are_answered_in_order(door: Served) -> None:
    """RFC 9112 9.3.2: several requests at once, the answers in their order."""
    raw = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(20)) + get(b"/last")
    answers = await door.ask(raw)

    assert [answer.json()["path"] for answer in answers] == [*(f"/{n}" for n in range(20)), "/last"]


async def test_a10_pipelining_is_bounded(door: Served) -> None:
    """A10: ten thousand requests in one packet are not ten thousand waiting exchanges; the rest is not answered."""
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5_000
    answers = await door.ask(raw)

    assert len(answers) == 33
    assert answers[-1].field(b"connection") == b"close"
    assert len(door.seen) == 33


async def test_a_refusal_waits_for_the_answers_before_it(door: Served) -> None:
    """A pipelined error is answered in its turn, or the client would take it for the answer to something else."""
    answers = await door.ask(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )

    assert [answer.status for answer in answers] == [200, 200, 400]
    assert door.seen == ["GET /1", "GET /2"]


async def test_a_bad_body_behind_another_request_is_refused_in_its_turn(door: Served) -> None:
    """The request that waits never starts; the one before it is answered."""
    answers = await door.ask(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" + CHUNKED + b"ZZ\r\n")

    assert [answer.status for answer in answers] == [200, 400]
    assert door.seen == ["GET /1"]


async def test_t7_nothing_after_a_last_request_is_read_as_one(door: Served) -> None:
    """T7: what follows `Connection: close` reaches nobody."""
    answers = await door.ask(get(b"/1") + get(b"/2"))

    assert [answer.json()["path"] for answer in answers] == ["/1"]
    assert door.seen == ["GET /1"]


async def test_a_body_that_breaks_later_is_told_to_the_application_and_counted_once(door: Served) -> None:
    """The application has begun: it hears that the client has gone, and counts the request itself."""
    (answer,) = await door.ask(CHUNKED, b"ZZ\r\n")

    assert answer.status == 400
    assert (door.seen, door.refused) == (["POST /"], [])


async def test_an_ignored_upgrade_leaves_the_next_request_readable(door: Served) -> None:
    """RFC 9110 7.8: a server may ignore Upgrade; the connection stays HTTP/1.1."""
    upgrade = b"GET /1 HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answers = await door.ask(upgrade + get(b"/2"))

    assert [answer.json()["path"] for answer in answers] == ["/1", "/2"]


UPGRADE = b"POST /1 HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: x\r\n"
INNER = get(b"/inner")


@pytest.mark.parametrize(
    "request_",
    [
        UPGRADE + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
        UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
        UPGRADE.replace(b"Upgrade: x", b"Upgrade: h2c\r\nHTTP2-Settings: AA")
        + b"Content-Length: 0%d\r\n\r\n" % len(INNER)
        + INNER,
    ],
    ids=["length", "chunked", "h2c"],
)
@pytest.mark.parametrize("cut", [0, 1, -len(INNER), -1])
async def test_t7_the_body_of_an_upgrade_is_never_a_request(door: Served, request_: bytes, cut: int) -> None:
    """B1, T7, RFC 9110 7.8 and 9112 6.3: behind a proxy that forwards Upgrade it would be somebody's next answer."""
    request_ += get(b"/2")
    answers = await door.ask(*([request_[:cut], request_[cut:]] if cut else [request_]))

    assert [answer.json()["body"] for answer in answers] == [INNER.decode(), ""]
    assert door.seen == ["POST /1", "GET /2"]


async def test_an_upgrade_with_an_empty_body_is_a_plain_request(door: Served) -> None:
    """RFC 9110 7.8: it is ignored, and the next request follows."""
    answers = await door.ask(UPGRADE + b"Content-Length: 0\r\n\r\n" + get(b"/2"))

    assert [answer.json()["path"] for answer in answers] == ["/1", "/2"]


async def connected(door: Served) -> socket.socket:
    """Return a client that takes little at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", door.port))
    return client


async def test_t13_no_answer_is_begun_while_the_one_before_is_not_taken() -> None:
    """B2, T13: who pipelines large answers and reads none holds one of them, not all."""
    begun = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        begun += 1
        await answering(scope, receive, send, start(), body(b"x" * 4_000_000))

    async with serving(app) as door:
        client, loop = await connected(door), asyncio.get_running_loop()
        client.send((b"GET / HTTP/1.1\r\n" + H + END) * 20)
        await asyncio.sleep(0.2)
        held = begun
        for _ in range(4_000):
            if begun > 1:
                break
            await loop.sock_recv(client, 65_536)
        client.close()

    assert (held, begun) == (1, 2)


MANY_FIELDS = b"X: a\r\n" * 200
LARGE_HEAD = b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\n" + H + MANY_FIELDS + END
HOSTILE = {
    "pipelined heads": LARGE_HEAD * 60,
    "pipelined bodies": (POST + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000) * 60,
    "one large body": POST + b"Content-Length: 8000000\r\n\r\n" + b"x" * 8_000_000,
    "small chunks": CHUNKED + b"1\r\nx\r\n" * 1_000_000,
    "empty lines": END * 4_000_000,
    "after the last": get() + b"x" * 8_000_000,
}


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.replace(" ", "_"))
async def test_t13_what_a_connection_holds_is_bounded(case: str) -> None:
    """B2, T13: whatever it sends while the application does not read, wait or answer for it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async with serving(app) as door:
        client = await connected(door)
        tracemalloc.start()
        try:
            sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(client, HOSTILE[case]))
            await asyncio.sleep(0.4)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            sending.cancel()
            client.close()

    assert (held < 1_000_000, peak < 4_000_000) == (True, True)


@pytest.mark.parametrize("size", [180_000, 8_000_000])
@pytest.mark.parametrize("length", [True, False], ids=["length", "chunked"])
async def test_t13_an_answer_that_many_share_is_not_copied_for_a_slow_reader(size: int, length: bool) -> None:
    """B2, T13: it leaves piece by piece, each when the one before was taken, and arrives whole."""
    shared = bytes(size)
    fields = ((b"content-length", b"%d" % size),) if length else ()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(200, *fields), body(shared))

    async with serving(app) as door:
        client = await connected(door)
        tracemalloc.start()
        client.send(get())
        await asyncio.sleep(0.2)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
        writer.close()

    assert peak < 300_000
    assert (answer.complete, answer.body) == (True, shared)


async def test_t13_pipelined_requests_beyond_the_bound_are_read_later(door: Served) -> None:
    """B2: they wait in the socket, and are answered all the same, in order."""
    large = b"X: " + b"a" * 30_000 + END
    raw = b"".join(b"GET /%d HTTP/1.1\r\n" % n + H + large + END for n in range(20)) + get(b"/last")
    answers = await door.ask(raw)

    assert [answer.json()["path"] for answer in answers] == [*(f"/{n}" for n in range(20)), "/last"]


SECRET = {
    "user information": b"GET http://user:secret@a/x HTTP/1.1\r\n" + H + END,
    "user information in 1.0": b"GET http://user:secret@a/x HTTP/1.0\r\n\r\n",
    "no path": b"GET http://user:secret@a HTTP/1.1\r\n" + H + END,
    "another scheme": b"GET ftp://user:secret@a/x HTTP/1.1\r\n" + H + END,
    "authority form": b"CONNECT user:secret@a:443 HTTP/1.1\r\n" + H + END,
    "no host": b"GET http:///x HTTP/1.1\r\n" + H + END,
    "no host in 1.0": b"GET http:///x HTTP/1.0\r\n\r\n",
    "no port": b"GET http://:::99999999/x HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("case", SECRET)
async def test_t15_user_information_is_refused_and_never_repeated(door: Served, case: str) -> None:
    """B4, RFC 9110 4.2.4: nothing before the path is said again, and what is no authority goes no further."""
    raw = await door.raw(SECRET[case])

    assert raw.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert b"secret" not in raw
    assert door.seen == []


async def test_an_absolute_target_is_accepted_in_both_versions() -> None:
    """RFC 9112 3.2.2; the list of hosts holds for it where there is no Host (T22)."""
    async with serving(limits=DoorLimits(hosts=frozenset({"a"}))) as door:
        answers = [
            (await door.ask(request))[0].status
            for request in (
                b"GET http://a/x HTTP/1.1\r\n" + H + CLOSE,
                b"GET http://a/x HTTP/1.0\r\n\r\n",
                b"GET http://b/x HTTP/1.0\r\n\r\n",
            )
        ]

    assert answers == [200, 200, 421]


async def test_a_wellformed_request_id_is_kept_in_a_refusal(door: Served) -> None:
    """Tracing: the client's own id names its refusal too."""
    (answer,) = await door.ask(b"GET / HTTP/1.1\r\nX-Request-ID: mine-1\r\n\r\n")

    assert answer.field(b"x-request-id") == b"mine-1"
    assert answer.json()["request_id"] == "mine-1"


@pytest.mark.parametrize(
    ("lines", "said"),
    [(b"x-request-id: a\r\nx-request-id: b\r\n", b"b"), (b"x-request-id: a b\r\n", b"fresh")],
)
async def test_the_last_request_id_counts_as_it_does_behind_the_door(
    door: Served, lines: bytes, said: bytes
) -> None:
    """One rule, whoever answers."""
    (answer,) = await door.ask(b"GET / HTTP/1.1\r\n" + lines + b"Host: a b\r\n\r\n")

    assert answer.field(b"x-request-id") == said


async def test_h10_the_instance_of_a_refusal_is_the_path(door: Served) -> None:
    """H10: the path without the query, which may hold secrets."""
    (answer,) = await door.ask(b"GET /a/b?token=x HTTP/1.1\r\n\r\n")

    assert answer.json()["instance"] == "/a/b"


async def test_a_refused_head_request_gets_no_body(door: Served) -> None:
    """RFC 9110 9.3.2: HEAD is answered without content, also when refused."""
    raw = await door.raw(b"HEAD / HTTP/1.1\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 400 ")
    assert raw.endswith(b"\r\n\r\n")


async def test_a_kept_connection_serves_one_request_after_another(door: Served) -> None:
    """Keep-alive, with bodies between."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for number in range(3):
        writer.write(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" % number)
        head = await reader.readuntil(b"\r\n\r\n")
        (answer,) = answers_in(
            head + await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
        )
        assert (answer.json()["path"], answer.json()["body"]) == (f"/{number}", "abc")
        assert answer.field(b"connection") is None
    writer.close()


async def test_a_client_that_still_sends_gets_its_refusal(door: Served) -> None:
    """RFC 9112 9.6: the answer is not lost to a reset, though the client goes on writing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(50):
        writer.write(b"x" * 20_000)
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert raw.startswith(b"HTTP/1.1 400 ")


LAST = {
    "close": get(),
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "kept in 1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "body": POST + b"Content-Length: 3\r\n" + CLOSE + b"abc",
}


@pytest.mark.parametrize("more", [b"\r\n", b"x" * 1_000_000], ids=["two octets", "many"])
@pytest.mark.parametrize("case", LAST, ids=lambda case: case.replace(" ", "_"))
async def test_a_client_that_sends_more_gets_its_last_answer_whole(case: str, more: bytes) -> None:
    """B8, RFC 9112 9.6: octets behind the last request must not reset the connection under its answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 3_000_000))

    async with serving(app) as door:
        client = await connected(door)
        client.send(LAST[case])
        await asyncio.sleep(0.02)
        sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(client, more))
        await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
        await sending
        writer.close()

    assert (answer.status, len(answer.body)) == (200, 3_000_000)


EARLY = {
    "of the request that is answered": (b"", 3_000_000),
    "of one that nobody serves any more": (b"GET /1 HTTP/1.1\r\n" + H + END, 3),
}


@pytest.mark.parametrize("case", EARLY, ids=lambda case: case.replace(" ", "_"))
async def test_a_client_that_sends_before_it_reads_gets_its_last_answer(case: str) -> None:
    """B8: the rest of a body is taken and dropped, or both sides would wait for each other."""
    before, size = EARLY[case]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await answering(scope, receive, send, start(200, (b"connection", b"close")), body(b"x" * size))

    async with serving(app) as door:
        client = await connected(door)
        raw = before + POST + b"Content-Length: 8000000\r\n\r\n" + b"x" * 8_000_000
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(client, raw), 1.5)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
        writer.close()

    assert (answer.complete, len(answer.body)) == (True, size)


async def test_a_body_that_breaks_under_a_whole_answer_does_not_cut_it_off() -> None:
    """Nobody reads that body any more; it breaks off, or does not arrive in time."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 6_000_000))

    async with serving(app, DoorLimits(body_timeout=0.1)) as door:
        lengths = []
        for rest in (b"ZZ\r\n", b""):
            client = await connected(door)
            client.send(CHUNKED + b"1\r\na\r\n")
            await asyncio.sleep(0.05)
            client.send(rest)
            await asyncio.sleep(0.2)
            reader, writer = await asyncio.open_connection(sock=client)
            (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
            lengths.append(len(answer.body))
            writer.close()

    assert lengths == [6_000_000, 6_000_000]


async def test_lingering_ends_with_its_time_and_not_before_the_answer_has_left() -> None:
    """B8: a client that takes its time is answered whole; one that has its answer and stays is cut off."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 8_000_000))

    async with serving(app, DoorLimits(linger=0.1)) as door:
        client = await connected(door)
        client.send(get())
        await asyncio.sleep(0.3)  # longer than it lingers, with most of the answer not taken
        during = len(door.state.connections)
        reader, writer = await asyncio.open_connection(sock=client)
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
        await asyncio.sleep(0.3)
        after = len(door.state.connections)
        writer.close()

    assert (during, len(answer.body), after) == (1, 8_000_000, 0)


async def test_a_client_that_sends_for_ever_is_cut_off() -> None:
    """The patience after a refusal is bounded in octets."""
    async with serving(limits=DoorLimits(linger=30, linger_bytes=100_000)) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")

        async def write_on() -> None:
            while True:
                writer.write(b"x" * 20_000)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(write_on(), 5)
        writer.transport.abort()


# --- what the application does ------------------------------------------------------------------------------------


async def answering(scope: Any, receive: Any, send: Any, *messages: dict[str, Any]) -> None:
    await receive()
    for message in messages:
        await send(message)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.mark.parametrize("status", [0, 99, 100, 101, 600, 999])
async def test_h6_a_status_that_cannot_be_is_502_and_kills_nothing(status: int) -> None:
    """H6: uvicorn's own protocol raises KeyError here and the client gets nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(status), body(b"x"))

    async with serving(app) as door:
        (answer,) = await door.ask(get(b"/x"))

    assert (answer.status, answer.json()["type"]) == (502, "urn:problem-type:cinema:upstream-garbled")
    assert answer.json()["instance"] == "/x"


FAILING = {
    "raises": (),
    "raises after the start": (start(),),
    "returns early": (start(),),
    "sends a bad name": (start(200, (b"a b", b"x")), body()),
    "sends a bad value": (start(200, (b"a", b"x\r\nSet-Cookie: y")), body()),
    "sends a body first": (body(),),
    "starts twice": (start(), start()),
    "sends a strange message": ({"type": "http.response.strange"},),
    "sends too much": (start(200, (b"content-length", b"1")), body(b"ab")),
    "sends a crooked length": (start(200, (b"content-length", b"x")), body(b"ab")),
}


@pytest.mark.parametrize("case", FAILING, ids=lambda case: case.replace(" ", "_"))
async def test_t2_an_application_that_fails_before_its_answer_gives_500(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """H10, T2: a problem document, and nothing of the exception or of a forged header."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, *FAILING[case])
        if case.startswith("raises"):
            raise RuntimeError("canary")

    with caplog.at_level(logging.CRITICAL, "stagedoor.door"):
        async with serving(app) as door:
            raw = await door.raw(get())
    (answer,) = answers_in(raw)

    assert (answer.status, answer.json()["type"]) == (500, "urn:problem-type:cinema:internal")
    assert b"canary" not in raw
    assert b"Set-Cookie" not in raw


@pytest.mark.parametrize(
    "messages",
    [
        (start(200, (b"content-length", b"10")), body(b"ab", more=True)),
        (start(200, (b"content-length", b"10")), body(b"ab", more=True), body(b"c")),
        (start(), body(b"ab", more=True)),
    ],
)
async def test_t18_an_answer_that_breaks_off_is_never_ended_cleanly(
    messages: tuple[dict[str, Any], ...],
) -> None:
    """T18: once the head is out, failure cuts the connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, *messages)

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(get())
        raw = b""
        with contextlib.suppress(ConnectionResetError):
            raw = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert not any(answer.complete for answer in answers_in(raw))


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (b"GET / HTTP/1.1", b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.0", b"connection: close\r\n\r\nabc"),
        (b"HEAD / HTTP/1.1", b"\r\n\r\n"),
    ],
)
async def test_an_answer_of_unknown_length_ends_as_its_version_allows(
    request_line: bytes, expected: bytes
) -> None:
    """RFC 9112 6.1: no chunks for HTTP/1.0, where the end of the connection is the end of the body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"ab", more=True), body(b"c", more=True), body())

    async with serving(app) as door:
        raw = await door.raw(request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert raw.replace(b"connection: close\r\n\r\n2", b"\r\n2").endswith(expected)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_content_have_none(status: int) -> None:
    """RFC 9110 15.3.5, 15.4.5: no body and no framing for one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(status), body(b"ab"))

    async with serving(app) as door:
        raw = await door.raw(get())

    assert b"transfer-encoding" not in raw
    assert raw.endswith(b"\r\n\r\n")


async def test_an_early_answer_reaches_a_client_that_still_sends() -> None:
    """A 413 sent before the body is complete is read by the client, and the connection ends."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(413, (b"content-length", b"0")), body())

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Content-Length: 100000000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x" * 20_000)
        raw = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    (answer,) = answers_in(raw)

    assert (answer.status, answer.field(b"connection")) == (413, b"close")


async def test_expect_is_answered_when_the_application_wants_the_body(door: Served) -> None:
    """RFC 9110 10.1.1: 100 Continue before the body, then the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(POST + b"Expect: 100-continue \r\nContent-Length: 3\r\n" + CLOSE)
    interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.write(b"abc")
    (answer,) = answers_in(await asyncio.wait_for(reader.read(), 5))
    writer.close()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.json()["body"] == "abc"


async def test_d6_the_application_hears_at_once_that_the_client_has_gone() -> None:
    """D6: through the extension and through `receive`, within a tick of the loss."""
    told: list[str] = []
    begun, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"]["stagedoor.gone"](lambda: told.append("callback"))
        await receive()
        begun.set()
        told.append((await receive())["type"])
        await send(start())
        await send(body(b"nobody reads this"))
        over.set()

    async with serving(app) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(get())
        await begun.wait()
        writer.close()
        await asyncio.wait_for(over.wait(), 5)

    assert told == ["callback", "http.disconnect"]


async def test_a_large_body_waits_for_the_application(door: Served) -> None:
    """Back-pressure: a body is read at the application's pace and arrives whole."""
    size = 3_000_000
    (answer,) = await door.ask(POST + b"Content-Length: %d\r\n" % size + CLOSE + b"x" * size)

    assert len(answer.json()["body"]) == size


async def test_x1_nothing_is_left_of_a_connection(door: Served) -> None:
    """X1: neither tasks nor connections stay behind."""
    for raw in (get(), b"GET / HTTP/1.1\r\n\r\n", CHUNKED + b"ZZ\r\n"):
        await door.raw(raw)
    await asyncio.sleep(0.05)

    assert (door.state.connections, door.state.tasks) == (set(), set())


LEFT = {
    "answered": (get(),),
    "refused": (b"GET / HTTP/1.1\r\n\r\n",),
    "broken before it began": (CHUNKED + b"ZZ\r\n",),
    "broken under way": (CHUNKED, b"ZZ\r\n"),
    "pipelined": ((b"GET / HTTP/1.1\r\n" + H + END) * 5 + get(),),
    "broken while it waits": (b"GET / HTTP/1.1\r\n" + H + END + CHUNKED + b"ZZ\r\n",),
    "more than wanted": (get() * 3,),
}


@pytest.mark.parametrize("case", LEFT, ids=lambda case: case.replace(" ", "_"))
async def test_x1_a_connection_goes_by_itself(door: Served, case: str) -> None:
    """X1: not only when cycles are looked for, which a gateway does rarely."""
    gc.collect()
    gc.disable()
    try:
        await door.raw(*LEFT[case])
        await asyncio.sleep(0.02)
        left = [each for each in gc.get_objects() if isinstance(each, (DoorProtocol, Exchange))]
    finally:
        gc.enable()

    assert left == []


# --- time and room ------------------------------------------------------------------------------------------------

QUICK = DoorLimits(head_timeout=0.15, idle_timeout=0.15, body_timeout=0.15, write_timeout=0.15, linger=0.1)


async def until_closed(door: Served, *pieces: bytes, pause: float = 0.05) -> tuple[bytes, float]:
    """Send pieces with pauses between; return what came back and how long the connection lived."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    started = loop.time()

    async def dribble() -> None:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)

    dribbling = asyncio.create_task(dribble())
    try:
        raw = await asyncio.wait_for(reader.read(), 5)
        return raw, loop.time() - started
    finally:
        dribbling.cancel()
        writer.close()


SLOW = {
    "silence": (),
    "half a head": (b"GET / HTTP/1.1\r\nHost:",),
    "a dribbled head": tuple(b"GET / HTTP/1.1\r\nHost: a"[n : n + 1] for n in range(23)),
    "dribbled empty lines": (b"\r\n",) * 20,
    "a body without end": (POST + b"Content-Length: 10\r\n\r\nabc",),
    "a dribbled body": (POST + b"Content-Length: 100\r\n\r\n", *(b"x",) * 40),
    "half a chunk": (CHUNKED + b"5\r\nabc",),
}


@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.replace(" ", "_"))
async def test_t13_a_slow_request_ends_with_408(case: str) -> None:
    """T13: heads within their time, bodies without long silence and above the floor; dribbling resets no clock."""
    async with serving(limits=QUICK) as door:
        raw, lived = await until_closed(door, *SLOW[case])
    (answer,) = answers_in(raw)

    assert (answer.status, answer.field(b"connection")) == (408, b"close")
    assert 0.14 <= lived < 1.0


async def test_t13_the_clock_of_a_later_head_starts_with_its_first_octet() -> None:
    """T13: on a kept connection the time before the next request is idle time."""
    limits = DoorLimits(head_timeout=0.2, idle_timeout=0.4, body_timeout=0.2, write_timeout=0.2)
    async with serving(limits=limits) as door:
        raw, lived = await until_closed(
            door, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", b"", b"G", b"E", pause=0.1
        )
    answers = answers_in(raw)

    assert [answer.status for answer in answers] == [200, 408]
    assert 0.45 <= lived < 1.5


async def test_t13_an_idle_connection_is_closed_without_a_word() -> None:
    """T13: nobody asked, so nobody is answered."""
    async with serving(limits=QUICK) as door:
        raw, lived = await until_closed(door, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert [answer.status for answer in answers_in(raw)] == [200]
    assert 0.14 <= lived < 1.0


async def test_t13_a_slow_application_is_not_the_clients_fault() -> None:
    """T13: the door's times bound the client, not the application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)
        await answering(scope, receive, send, start(), body(b"late"))

    async with serving(app, QUICK) as door:
        (answer,) = await door.ask(POST + b"Content-Length: 3\r\n" + CLOSE + b"abc")

    assert answer.body == b"late"


async def test_t13_an_application_that_does_not_read_is_not_the_clients_fault() -> None:
    """T13: while we refuse to read, the body cannot arrive."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)
        while (await receive()).get("more_body"):
            pass
        await send(start())
        await send(body(b"late"))

    async with serving(app, QUICK) as door:
        (answer,) = await door.ask(POST + b"Content-Length: 1000000\r\n" + CLOSE + b"x" * 1_000_000)

    assert answer.body == b"late"


@pytest.mark.parametrize("keeps", [CLOSE, END])
async def test_t13_a_client_that_does_not_read_is_cut_off(keeps: bytes) -> None:
    """T13: what waits to be written is bounded in time, also after the door has closed its side."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(
            scope, receive, send, start(), *(body(b"x" * 60_000, more=True) for _ in range(400)), body()
        )

    async with serving(app, QUICK) as door:
        client = await connected(door)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + keeps)
        await asyncio.sleep(0.1)
        during = len(door.state.connections)
        await asyncio.sleep(0.9)
        after = len(door.state.connections)
        client.close()

    assert (during, after) == (1, 0)


async def test_t13_who_sends_much_waits_for_the_others(door: Served) -> None:
    """T13: a loop reads up to 32 packets of one connection in one turn; the door lets it go on in the next one."""
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    await asyncio.sleep(0.02)
    (connection,) = cast("set[Any]", door.state.connections)
    transport = connection._transport  # noqa: SLF001 - whether it reads is what counts
    connection.data_received(END * 40_000)
    during = transport.is_reading()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    after = transport.is_reading()
    writer.close()

    assert (during, after) == (False, True)


async def test_o3_beyond_the_cap_all_but_health_is_shed() -> None:
    """O3, O8: 503 with Retry-After, cheaply; health and metrics are answered at every stage."""
    async with serving(limits=DoorLimits(max_connections=2)) as door:
        idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        (shed,) = await door.ask(get(b"/api"))
        (health,) = await door.ask(get(b"/health/live"))
        (metrics,) = await door.ask(get(b"/metrics"))
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.05)
        (again,) = await door.ask(get(b"/api"))

    assert (shed.status, shed.json()["type"]) == (503, "urn:problem-type:cinema:overloaded")
    assert shed.field(b"retry-after") == b"1"
    assert [health.status, metrics.status, again.status] == [200, 200, 200]


async def test_o3_far_beyond_the_cap_connections_are_turned_away_unread() -> None:
    """O3: even a place to wait for a head is bounded."""
    async with serving(limits=DoorLimits(max_connections=1)) as door:
        idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(65)]
        await asyncio.sleep(0.05)
        raw = await door.raw()
        for _, writer in idle:
            writer.close()

    assert raw.startswith(b"HTTP/1.1 503 ")


async def test_t13_connections_of_one_client_are_bounded() -> None:
    """T13: one too many is turned away with 503; when one goes there is room again; a proxy has no such bound."""
    async with serving(limits=DoorLimits(per_client=2)) as door:
        idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await door.raw()
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.05)
        (again,) = await door.ask(get(b"/api"))
    async with serving(limits=DoorLimits(per_client=1, proxies=(ip_network("127.0.0.0/8"),))) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        (through,) = await door.ask(get(b"/api"))
        writer.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in refused
    assert (again.status, through.status) == (200, 200)


async def test_o3_keep_alive_stops_before_requests_are_shed() -> None:
    """O3: at 0.92 of the limit answers end their connections."""
    async with serving(limits=DoorLimits(max_connections=1)) as door:
        (answer,) = await door.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert (answer.status, answer.field(b"connection")) == (200, b"close")


@pytest.mark.parametrize(("host", "status"), [(b"a", 200), (b"A:8000", 200), (b"evil", 421)])
async def test_t22_a_foreign_host_is_misdirected_where_hosts_are_named(host: bytes, status: int) -> None:
    """T22: with names configured, others are not served."""
    async with serving(limits=DoorLimits(hosts=frozenset({"a"}))) as door:
        (answer,) = await door.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE)

    assert answer.status == status


async def test_a_reset_in_the_middle_leaves_nothing_behind(door: Served) -> None:
    """X1: a client that resets instead of closing is forgotten as well."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(POST + b"Content-Length: 10\r\n\r\nabc")
    await asyncio.sleep(0.02)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await asyncio.sleep(0.05)
    del reader

    assert (door.state.connections, door.state.tasks) == (set(), set())
