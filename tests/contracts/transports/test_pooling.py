"""Connections that are kept: a second try where nothing can have happened."""

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable
from tests.contracts.transports.house import House, build, call_of
from tests.contracts.transports.pools import OK, echo_number
from tests.contracts.transports.server import RawServer, Reply, Script, Seen, Wire
from tests.kinds import kinds


async def test_one_connection_serves_calls_one_after_the_other(wired: House) -> None:
    assert isinstance(wired.server, RawServer)

    for _ in range(20):
        await wired.call()

    assert wired.server.connections == 1


@pytest.mark.parametrize("total", kinds(2_000, 10_000))
async def test_a13_cancellations_at_random_moments_leak_nothing(house: House, total: int) -> None:
    """A13, X1, X2: after churn under contention all calls succeed and nothing is held."""
    if total > 2_000 and house.kind == "http2":
        total = 4_000  # a foreign client, at its own pace
    seed = random.randrange(2**32)
    rng = random.Random(seed)

    async def answer(seen: Seen) -> Reply:
        await asyncio.sleep(rng.random() * 0.003)
        return Reply(chunks=(b"a", b"b") if rng.random() < 0.5 else (b"ab",))

    built = await build(house.kind, answer, **({} if house.kind == "asgi" else {"pool_size": 8}))

    async def churn() -> None:
        for _ in range(total // 50):
            call = asyncio.ensure_future(built.call(within=5.0, streamed=rng.random() < 0.2))
            await asyncio.sleep(rng.random() * 0.004)
            call.cancel()
            for result in await asyncio.gather(call, return_exceptions=True):
                stream = getattr(result, "stream", None)
                if stream is not None:
                    await stream.aclose()

    await asyncio.gather(*(churn() for _ in range(50)))
    results = await asyncio.gather(*(built.call() for _ in range(20)), return_exceptions=True)

    assert [getattr(result, "body", result) for result in results] == [b"ab"] * 20, f"seed {seed}"
    await built.until_free()
    await built.transport.aclose()
    if isinstance(built.server, RawServer):
        await built.server.stop()


async def test_r1_a_stale_pooled_connection_gives_an_idempotent_call_a_second_try(wired: House) -> None:
    """R1: the server closed it while our request was on its way; it is neither an attempt nor an error."""

    async def script(seen: Seen, wire: Wire) -> bool | None:
        if seen.target == b"/stale" and not wire.number:
            wire.reset()
            return False
        return await echo_number(seen, wire)

    assert isinstance(wired.server, RawServer)
    wired.server.script = script
    first = await wired.call()

    if wired.kind == "http2":  # hyper tries again only what was not written
        with pytest.raises(UpstreamUnavailable):
            await wired.call(b"/stale")
        return
    second = await wired.call(b"/stale")

    assert (first.body, second.body) == (b"0", b"1")
    assert [seen.values(b"stagedoor-attempt") for seen in wired.server.seen] == [[b"1"]] * 3


def timing_out(*, after: int, close: bytes = b"Connection: close\r\n") -> Script:
    """Answer so many requests of each connection, then say that it has waited long enough."""
    answered: dict[int, int] = {}

    async def script(seen: Seen, wire: Wire) -> bool | None:
        answered[wire.number] = answered.get(wire.number, 0) + 1
        if answered[wire.number] <= after:
            return await echo_number(seen, wire)
        await wire.say(b"HTTP/1.1 408 Request Timeout\r\n%bContent-Length: 4\r\n\r\nslow" % close)
        return None

    return script


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""], ids=["said", "unsaid"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_c7_a_408_on_a_kept_connection_is_a_close(ours: House, close: bytes, streamed: bool) -> None:
    """U7, R1: RFC 9110 15.5.9; neither an attempt nor an error, on a new connection."""
    assert isinstance(ours.server, RawServer)
    ours.server.script = timing_out(after=1, close=close)
    await ours.call()

    response = await ours.call(b"/again", streamed=streamed)
    body = response.body if response.stream is None else b"".join([piece async for piece in response.stream])

    assert body == b"1"
    assert [seen.target for seen in ours.server.seen] == [b"/", b"/again", b"/again"]
    assert [seen.values(b"stagedoor-attempt") for seen in ours.server.seen] == [[b"1"]] * 3


async def test_c7_a_408_on_a_new_connection_is_told_and_its_connection_dropped(ours: House) -> None:
    """U7, A9: somebody who always answers so is asked once for each call."""
    assert isinstance(ours.server, RawServer)
    ours.server.script = timing_out(after=0, close=b"")

    for _ in range(3):
        with pytest.raises(UpstreamRejected) as caught:
            await ours.call()
        assert caught.value.response is not None
        assert (caught.value.response.status, caught.value.response.body) == (408, b"slow")

    assert (len(ours.server.seen), ours.server.connections) == (3, 3)


async def test_c7_a_second_408_is_told(ours: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool | None:
        if seen.target == b"/late":
            await wire.say(b"HTTP/1.1 408 X\r\nContent-Length: 0\r\n\r\n")
            return False
        return await echo_number(seen, wire)

    assert isinstance(ours.server, RawServer)
    ours.server.script = script
    await ours.call()

    with pytest.raises(UpstreamRejected):
        await ours.call(b"/late")

    assert [seen.target for seen in ours.server.seen] == [b"/", b"/late", b"/late"]


async def body_in_pieces() -> AsyncIterator[bytes]:
    yield b"pay"


@pytest.mark.parametrize(
    ("method", "body"), [("POST", b"pay"), ("PUT", body_in_pieces)], ids=["POST", "stream"]
)
async def test_c7_a_408_to_what_cannot_be_repeated_is_told(ours: House, method: str, body: Any) -> None:
    """U7, R1: a POST arrives once; a body that streams is gone."""
    assert isinstance(ours.server, RawServer)
    ours.server.script = timing_out(after=1)
    await ours.call()

    with pytest.raises(UpstreamRejected):
        await ours.call(method=method, body=body if isinstance(body, bytes) else body())

    assert len(ours.server.seen) == 2


async def test_r1_a_second_failure_is_told(ours: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool | None:
        if seen.target == b"/stale":
            wire.reset()
            return False
        return await echo_number(seen, wire)

    assert isinstance(ours.server, RawServer)
    ours.server.script = script
    await ours.call()

    with pytest.raises(UpstreamUnavailable):
        await ours.call(b"/stale")

    assert [seen.target for seen in ours.server.seen] == [b"/", b"/stale", b"/stale"]


async def test_r1_no_second_try_once_a_byte_of_the_answer_came(ours: House) -> None:
    async def script(seen: Seen, wire: Wire) -> bool | None:
        if seen.target == b"/cut":
            await wire.say(b"HTTP/1.1 2")
            return False
        return await echo_number(seen, wire)

    assert isinstance(ours.server, RawServer)
    ours.server.script = script
    await ours.call()

    with pytest.raises(UpstreamUnavailable):
        await ours.call(b"/cut")

    assert len(ours.server.seen) == 2


async def test_r1_no_second_try_on_a_new_connection(ours: House) -> None:
    """R1: what fails at once is an ordinary failed attempt."""

    async def script(seen: Seen, wire: Wire) -> bool:
        wire.reset()
        return False

    assert isinstance(ours.server, RawServer)
    ours.server.script = script

    with pytest.raises(UpstreamUnavailable):
        await ours.call()

    assert len(ours.server.seen) == 1


async def test_r1_a_post_whose_connection_dies_under_it_arrives_once(wired: House) -> None:
    """R1: exactly once, whatever went wrong after bytes were written."""

    async def script(seen: Seen, wire: Wire) -> bool | None:
        if seen.method == "POST":
            wire.reset()
            return False
        return await echo_number(seen, wire)

    assert isinstance(wired.server, RawServer)
    wired.server.script = script
    await wired.call()

    with pytest.raises(UpstreamUnavailable):
        await wired.call(method="POST", body=b"pay")

    assert [seen.method for seen in wired.server.seen] == ["GET", "POST"]


async def test_r1_a_post_on_a_connection_closed_before_succeeds_once(wired: House) -> None:
    """R1: a close that came before a byte was written is seen, even if the loop has not read it yet."""
    closed = asyncio.Event()

    async def script(seen: Seen, wire: Wire) -> bool | None:
        await echo_number(seen, wire)
        if not wire.number:
            closed.set()
            return False
        return None

    assert isinstance(wired.server, RawServer)
    wired.server.script = script
    await wired.call()
    await closed.wait()
    await asyncio.sleep(0.02)

    response = await wired.call(method="POST", body=b"pay")

    assert response.body == b"1"
    assert [seen.method for seen in wired.server.seen] == ["GET", "POST"]


def serve_and_close(listener: socket.socket, seen: list[bytes], closed: threading.Event) -> None:
    """Answer one request per connection, then close it: a server that owes the event loop nothing."""
    for _ in range(2):
        peer, _ = listener.accept()
        with peer:
            seen.append(peer.recv(65536)[:4])
            peer.sendall(OK + b"Content-Length: 0\r\n\r\n")
        closed.set()


async def test_r1_a_close_the_loop_has_not_read_yet_is_seen_before_a_post_is_written() -> None:
    """R1: the kernel knows of it; a request that must not be repeated asks there first."""
    seen, closed = list[bytes](), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_and_close, args=(listener, seen, closed))
        thread.start()
        transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=2.0)
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))
        closed.wait(30)  # the loop must not see the close

        payload = HttpRequest(method="POST", target=b"/", body=b"pay")
        response = await transport.send(call_of(transport, payload, within=5.0))
        thread.join()

        assert (response.status, seen) == (200, [b"GET ", b"POST"])
        await transport.aclose()
        await asyncio.sleep(0.01)
