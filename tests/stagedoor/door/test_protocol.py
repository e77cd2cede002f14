"""Bytes in, bytes out: which requests are answered, and which are refused."""

import pytest

from tests.stagedoor.door.conftest import Served
from tests.stagedoor.door.requests import CHUNKED, CLOSE, END, POST, H, get

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
    "absolute form with the port of TLS": (get(b"https://a:443/x"), {"path": "/x"}),
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
