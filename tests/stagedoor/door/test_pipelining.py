"""Several requests on one connection: their order, their bounds, and what is never one of them."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from tests.stagedoor.door.conftest import Served, answers_in, serving
from tests.stagedoor.door.requests import CHUNKED, END, POST, H, answering, body, connected, get, start


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
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        writer.close()

    assert peak < 300_000
    assert (answer.complete, answer.body) == (True, shared)


async def test_t13_pipelined_requests_beyond_the_bound_are_read_later(door: Served) -> None:
    """B2: they wait in the socket, and are answered all the same, in order."""
    large = b"X: " + b"a" * 30_000 + END
    raw = b"".join(b"GET /%d HTTP/1.1\r\n" % n + H + large + END for n in range(20)) + get(b"/last")
    answers = await door.ask(raw)

    assert [answer.json()["path"] for answer in answers] == [*(f"/{n}" for n in range(20)), "/last"]
