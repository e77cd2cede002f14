"""Upstreams that break the protocol, on purpose or not: every answer is right, an error in time, or both."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.contracts.transports.house import House, call_of
from tests.contracts.transports.server import RawServer, Seen, Wire

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def saying(house: House, data: bytes, *, close: bool = True) -> RawServer:
    """Make the upstream send these bytes, whatever was asked."""

    async def script(seen: Seen, wire: Wire) -> bool | None:
        await wire.say(data)
        if not close:
            await wire.hang()
        return False

    assert isinstance(house.server, RawServer)
    house.server.script = script
    return house.server


GARBLED = {
    "length beside a coding": OK
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "coding beside a length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two lengths in a line": OK + b"Content-Length: 3, 4\r\n\r\nabcd",
    "length with a sign": OK + b"Content-Length: +3\r\n\r\nabc",
    "negative length": OK + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal length": OK + b"Content-Length: 0x3\r\n\r\nabc",
    "endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "coding that is not chunked": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "coding not ending in chunked": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bad chunk size": CHUNKED + b"zz\r\n",
    "negative chunk size": CHUNKED + b"-1\r\nabc\r\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\nabc\r\n",
    "chunk longer than said": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "cut in a chunk": CHUNKED + b"5\r\nabc",
    "cut before the last chunk": CHUNKED + b"3\r\nabc\r\n",
    "cut in the body": OK + b"Content-Length: 10\r\n\r\nabc",
    "status 000": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "status abc": b"HTTP/1.1 abc X\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "folded line": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "no colon": OK + b"nonsense\r\nContent-Length: 0\r\n\r\n",
    "control character": OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0 status line": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "head of 1 MB": OK + b"X: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "10,000 fields": OK + b"X: a\r\n" * 10_000 + b"Content-Length: 0\r\n\r\n",
    "flood of Set-Cookie": OK + b"Set-Cookie: a=b\r\n" * 300 + b"Content-Length: 0\r\n\r\n",
    "endless body": OK + b"\r\n" + b"x" * 2_000_000,
    "length over the limit": OK + b"Content-Length: 2000000\r\n\r\n",
    "endless chunks": CHUNKED
    + b"10000\r\n"
    + b"x" * 65536
    + b"\r\n"
    + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20,
}
BEYOND = {  # what pyreqwest lets through or tells otherwise, by its declaration
    "switching protocols": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "doubled chunked": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "empty coding": OK + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "blank line first": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "chunk extension of 100 kB": CHUNKED + b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
    "trailers of 100 kB": CHUNKED + b"3\r\nabc\r\n0\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
    "equal lengths twice": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", GARBLED)
async def test_h7_broken_framing_is_garbled_and_the_connection_dropped(wired: House, name: str) -> None:
    """H7, T18: 502 in time, no crash, no growth."""
    saying(wired, GARBLED[name])

    with pytest.raises(UpstreamGarbled) as caught:
        await wired.call()

    assert (caught.value.retryable, wired.in_use()) == (False, 0)


@pytest.mark.parametrize("name", BEYOND)
async def test_h7_our_client_is_stricter_still(ours: House, name: str) -> None:
    saying(ours, BEYOND[name], close=False)

    with pytest.raises(UpstreamGarbled):
        await ours.call()

    assert ours.in_use() == 0


async def test_the_declaration_of_bare_lf_is_true(wired: House) -> None:
    saying(wired, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")

    if wired.can.bare_lf:
        with pytest.raises(UpstreamGarbled):
            await wired.call()
    else:
        assert (await wired.call()).status == 200


async def test_t7_bytes_behind_an_answer_never_reach_the_next_one(wired: House) -> None:
    """T7: whether the surplus comes with the answer or after it."""
    server = saying(
        wired, OK + b"Content-Length: 3\r\n\r\nabc" + OK + b"Content-Length: 4\r\n\r\nevil", close=False
    )

    if wired.can.trailing:
        with pytest.raises(UpstreamGarbled):
            await wired.call()
    else:
        assert (await wired.call()).body == b"abc"

    async def honest(seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Content-Length: 4\r\n\r\ngood")

    server.script = honest
    assert (await wired.call()).body == b"good"
    assert server.connections == 2


@pytest.mark.parametrize("surplus", [b"x", b"\r\n", OK + b"Content-Length: 4\r\n\r\nevil"])
async def test_t7_an_idle_connection_that_speaks_is_dropped(wired: House, surplus: bytes) -> None:
    spoken = asyncio.Event()

    async def script(seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Content-Length: 1\r\n\r\n%d" % wire.number)
        if not wire.number:
            await asyncio.sleep(0.02)
            await wire.say(surplus)
            spoken.set()

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    first = await wired.call()
    await spoken.wait()
    await asyncio.sleep(0.02)
    second = await wired.call()

    assert (first.body, second.body) == (b"0", b"1")


async def test_t7_what_follows_a_chunked_body_never_reaches_the_next_answer(ours: House) -> None:
    server = saying(
        ours, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", close=False
    )

    with pytest.raises(UpstreamGarbled):
        await ours.call()

    assert server.connections == 1


async def test_h7_trailers_are_never_merged_into_fields(wired: House) -> None:
    saying(wired, CHUNKED + b"3\r\nabc\r\n0\r\nX-Late: 1\r\nSet-Cookie: a=b\r\n\r\n")

    response = await wired.call()

    assert response.body == b"abc"
    assert response.headers == ((b"transfer-encoding", b"chunked"),)


async def test_interim_answers_are_passed_over(wired: House) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    saying(wired, interim * 5 + OK + b"Content-Length: 2\r\n\r\nok")

    response = await wired.call()

    assert (response.status, response.headers, response.body) == (200, ((b"content-length", b"2"),), b"ok")


async def test_t18_a_flood_of_interim_answers_ends(wired: House) -> None:
    saying(wired, b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, close=False)
    expected: type[UpstreamError] = UpstreamGarbled if wired.can.bounded_interim else UpstreamTimeout

    with pytest.raises(expected):
        await wired.call(within=20.0 if wired.can.bounded_interim else 0.3)

    assert wired.in_use() == 0


async def test_t18_a_byte_now_and_then_ends_by_the_deadline(wired: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool:
        for byte in OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000:
            await wire.say(bytes((byte,)))
            await asyncio.sleep(0.01)
        return False

    assert isinstance(wired.server, RawServer)
    wired.server.script = script
    started = asyncio.get_running_loop().time()

    with pytest.raises(UpstreamTimeout):
        await wired.call(within=0.2)

    assert asyncio.get_running_loop().time() - started < 8.0
    assert wired.in_use() == 0


async def test_an_answer_in_single_bytes_is_read_as_one(wired: House) -> None:
    async def script(seen: Seen, wire: Wire) -> None:
        for byte in CHUNKED + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
            await wire.say(bytes((byte,)))
            await asyncio.sleep(0)

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    assert (await wired.call()).body == b"abcde"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX: "])
async def test_h6_closed_before_the_head_is_unavailable(wired: House, said: bytes) -> None:
    saying(wired, said)

    with pytest.raises(UpstreamUnavailable) as caught:
        await wired.call()

    assert (caught.value.retryable, wired.in_use()) == (True, 0)


async def test_h6_a_reset_before_the_head_is_unavailable(wired: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool:
        wire.reset()
        return False

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    with pytest.raises(UpstreamUnavailable) as caught:
        await wired.call()

    assert caught.value.retryable
    assert caught.value.__cause__ is not None


async def test_h6_refused_is_unavailable(wired: House) -> None:
    assert isinstance(wired.server, RawServer)
    await wired.server.stop()

    with pytest.raises(UpstreamUnavailable) as caught:
        await wired.call()

    assert (caught.value.retryable, wired.in_use()) == (True, 0)
    assert "127.0.0.1" not in str(caught.value)


async def test_http_1_0_and_its_end_of_connection(wired: House) -> None:
    server = saying(wired, b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    bodies = [(await wired.call()).body for _ in range(2)]

    assert bodies == [b"until the end"] * 2
    assert server.connections == 2


async def test_connection_close_is_obeyed(wired: House) -> None:
    async def script(seen: Seen, wire: Wire) -> None:
        await wire.say(OK + b"Connection: x, Close\r\nContent-Length: 2\r\n\r\nok")

    assert isinstance(wired.server, RawServer)
    wired.server.script = script

    for _ in range(2):
        await wired.call()

    assert wired.server.connections == 2


@pytest.mark.parametrize("claimed", [True, False], ids=["claimed", "unclaimed"])
@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("GET", 304), ("HEAD", 200)])
async def test_c8_a_body_that_must_not_be_harms_nobody(
    ours: House, method: str, status: int, claimed: bool
) -> None:
    """U8, T7: RFC 9112 6.3; wherever the answer is cut, it counts, and what follows it answers no other call."""
    body = OK + b"Content-Length: 4\r\n\r\nevil" if claimed else b"hello"
    answer = b"HTTP/1.1 %d X\r\n" % status + b"Content-Length: %d\r\n" % len(body) * claimed + b"\r\n" + body
    cut = 0

    async def script(seen: Seen, wire: Wire) -> None:
        if seen.target != b"/bare":
            await wire.say(OK + b"Content-Length: 4\r\n\r\ngood")
            return
        await wire.say(answer[:cut])
        await asyncio.sleep(0.001)
        await wire.say(answer[cut:])

    assert isinstance(ours.server, RawServer)
    ours.server.script = script

    for cut in range(1, len(answer) + 1):  # noqa: B007 - the script's
        given = await ours.call(b"/bare", method=method)
        assert (given.status, given.body) == (status, b"")
        assert (await ours.call()).body == b"good"


@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("GET", 304), ("HEAD", 200)])
async def test_c8_who_claims_a_body_that_must_not_be_is_not_asked_again(
    ours: House, method: str, status: int
) -> None:
    """U8: it might come yet, into the next answer."""

    async def script(seen: Seen, wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)

    assert isinstance(ours.server, RawServer)
    ours.server.script = script

    for _ in range(2):
        await ours.call(method=method)

    assert ours.server.connections == 2


async def test_an_early_answer_ends_the_upload() -> None:
    """An upstream that refuses a body does not have to take it; pyreqwest goes on sending."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 5\r\n\r\nearly")
        while await reader.read(65536):
            pass
        gone.set()
        writer.close()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.001)
            yield b"x" * 100

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    payload = HttpRequest(method="POST", target=b"/", body=endless())

    response = await transport.send(call_of(transport, payload, within=2.0))
    await asyncio.wait_for(gone.wait(), 30)

    assert response.body == b"early"
    assert transport.counts() == {"upstream_connections": 0}
    await transport.aclose()
    listener.close()
