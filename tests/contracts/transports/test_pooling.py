"""Connections: bounded, newest first, never lost, never used when stale."""

import asyncio
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from stagedoor.errors import Overloaded, UpstreamError, UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.requests import HttpRequest
from stagedoor.transports.http import HttpTransport
from stagedoor.transports.pool import PoolOptions
from tests.contracts.transports.house import House, build, call_of, transport_to
from tests.contracts.transports.server import RawServer, Reply, Script, Seen, Wire, script_of

OK = b"HTTP/1.1 200 OK\r\n"


async def echo_number(seen: Seen, wire: Wire) -> bool:
    """Answer with the number of the connection, and stay."""
    body = b"%d" % wire.number
    await wire.say(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return True


async def test_one_connection_serves_calls_one_after_the_other(wired: House) -> None:
    assert isinstance(wired.server, RawServer)

    for _ in range(20):
        await wired.call()

    assert wired.server.connections == 1


@pytest.mark.parametrize("total", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
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
    await asyncio.sleep(0.02)

    assert [getattr(result, "body", result) for result in results] == [b"ab"] * 20, f"seed {seed}"
    assert built.in_use() == 0, f"seed {seed}"
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


def serve_and_close(listener: socket.socket, seen: list[bytes]) -> None:
    """Answer one request per connection, then close it: a server that owes the event loop nothing."""
    for _ in range(2):
        peer, _ = listener.accept()
        with peer:
            seen.append(peer.recv(65536)[:4])
            peer.sendall(OK + b"Content-Length: 0\r\n\r\n")


async def test_r1_a_close_the_loop_has_not_read_yet_is_seen_before_a_post_is_written() -> None:
    """R1: the kernel knows of it; a request that must not be repeated asks there first."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_and_close, args=(listener, seen))
        thread.start()
        transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=2.0)
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))
        time.sleep(0.02)  # noqa: ASYNC251 - the loop must not see the close

        payload = HttpRequest(method="POST", target=b"/", body=b"pay")
        response = await transport.send(call_of(transport, payload, within=5.0))
        thread.join()

        assert (response.status, seen) == (200, [b"GET ", b"POST"])
        await transport.aclose()
        await asyncio.sleep(0.01)


async def test_after_a_restart_of_the_upstream_no_call_is_lost(ours: House) -> None:
    assert isinstance(ours.server, RawServer)
    ours.server.script = echo_number
    await asyncio.gather(*(ours.call() for _ in range(10)))

    await ours.server.stop()
    await ours.server.start()
    results = await asyncio.gather(*(ours.call() for _ in range(30)), return_exceptions=True)

    assert not [result for result in results if isinstance(result, BaseException)]


async def test_the_pool_is_bounded_and_serves_in_order_of_arrival() -> None:
    gate = asyncio.Event()
    order: list[bytes] = []

    async def answer(seen: Seen) -> Reply:
        order.append(seen.target)
        return Reply(gate=gate)

    async with RawServer(script_of(answer)) as server:
        transport = HttpTransport(f"http://127.0.0.1:{server.port}", pool_size=2, connect_timeout=2.0)
        calls = []
        for number in range(20):
            payload = HttpRequest(target=b"/%d" % number)
            calls.append(asyncio.ensure_future(transport.send(call_of(transport, payload, within=5.0))))
            await asyncio.sleep(0.002)
        statistics = transport.statistics()
        described = repr(transport)
        gate.set()
        await asyncio.gather(*calls)

        assert (statistics.in_use, statistics.waiting, server.connections) == (2, 18, 2)
        assert described == "HttpTransport(<Pool 2 in use, 0 idle of 2, 18 waiting>)"
        assert [int(target[1:]) for target in order] == list(range(20))
        await transport.aclose()


async def test_who_finds_no_place_in_time_is_shed() -> None:
    async with RawServer(script_of(hold)) as server:
        transport = HttpTransport(f"http://127.0.0.1:{server.port}", pool_size=1, connect_timeout=2.0)
        first = asyncio.ensure_future(
            transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.3))
        )
        await asyncio.sleep(0.02)

        with pytest.raises(Overloaded) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=0.05))
        with pytest.raises(UpstreamTimeout):
            await first

        assert not caught.value.retryable
        assert (transport.statistics().waiting, transport.statistics().in_use) == (0, 0)
        await transport.aclose()


async def hold(seen: Seen) -> Reply:
    return Reply(gate=asyncio.Event())


async def test_the_newest_connection_is_used_first_and_idle_ones_age_out() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(
            f"http://127.0.0.1:{server.port}", options=PoolOptions(size=5, connect=2.0, idle=0.1)
        )

        async def call() -> bytes:
            return (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))).body

        await asyncio.gather(*(call() for _ in range(5)))
        used = {await call() for _ in range(5)}
        before = transport.statistics().idle
        await asyncio.sleep(0.25)
        after = transport.statistics()

        assert len(used) == 1
        assert (before, after.idle, after.in_use) == (5, 0, 0)
        await transport.aclose()


async def test_a_connection_is_not_used_beyond_its_age() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(
            f"http://127.0.0.1:{server.port}", options=PoolOptions(size=5, connect=2.0, age=0.05)
        )
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))
        await asyncio.sleep(0.08)
        response = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert response.body == b"1"
        await transport.aclose()


async def test_a_cancelled_call_never_returns_its_connection(ours: House) -> None:
    assert isinstance(ours.server, RawServer)

    async def script(seen: Seen, wire: Wire) -> None:
        await asyncio.sleep(0.05)
        await echo_number(seen, wire)

    ours.server.script = script
    call = asyncio.ensure_future(ours.call())
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert (await ours.call()).body == b"1"


async def test_a_unix_socket_is_an_upstream_too(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await RawServer(echo_number).start(unix=path)
    transport = HttpTransport(f"unix:{path}")

    response = await transport.send(call_of(transport, HttpRequest(target=b"/over/unix"), within=5.0))

    assert (response.body, server.seen[0].target) == (b"0", b"/over/unix")
    assert server.seen[0].values(b"host") == [b"localhost"]
    await transport.aclose()
    await server.stop()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_ipv6_literals_work(kind: str) -> None:
    async with RawServer(echo_number, host="::1") as server:
        transport = transport_to(kind, f"http://[::1]:{server.port}")

        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert server.seen[0].values(b"host") == [b"[::1]:%d" % server.port]
        await transport.aclose()


async def test_a_name_is_looked_up_and_its_addresses_tried_in_turn() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(f"http://localhost:{server.port}", connect_timeout=2.0)

        results = await asyncio.gather(
            *(transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0)) for _ in range(10))
        )

        assert {result.status for result in results} == {200}
        await transport.aclose()


@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_a_name_that_does_not_exist_is_unavailable(kind: str) -> None:
    transport = transport_to(kind, "http://no-such-name.invalid:1")

    with pytest.raises(UpstreamError) as caught:
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

    assert type(caught.value) in (UpstreamUnavailable, UpstreamTimeout)  # some resolvers take their time
    assert caught.value.retryable
    await transport.aclose()


async def test_d7_a_connection_that_does_not_come_is_late_by_its_own_time_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        transport = HttpTransport(f"http://127.0.0.1:{port}", connect_timeout=0.05)
        started = asyncio.get_running_loop().time()

        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert asyncio.get_running_loop().time() - started < 1.0
        assert caught.value.retryable
        assert transport.counts() == {"upstream_connections": 0}
        for filler in fillers:
            filler.close()
        await transport.aclose()


# --- TLS -------------------------------------------------------------------------------------------------------------


def serving(authority: trustme.CA, name: str) -> tuple[ssl.SSLContext, list[str]]:
    """Return a server's context with a certificate for a name, and the names that clients ask for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    asked: list[str] = []
    context.sni_callback = lambda _, named, __: asked.append(named)
    return context, asked


async def test_tls_with_a_trusted_certificate_and_sni() -> None:
    authority = trustme.CA()
    context, asked = serving(authority, "localhost")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with RawServer(echo_number, tls=context) as server:
        transport = HttpTransport(
            f"https://localhost:{server.port}", ssl_context=trusting, connect_timeout=5.0
        )

        bodies = [
            (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))).body
            for _ in range(3)
        ]

        assert bodies == [b"0"] * 3
        assert asked[-1] == "localhost"
        await transport.aclose()
        await asyncio.sleep(0.02)


async def test_tls_through_pyreqwest() -> None:
    authority = trustme.CA()
    context, _ = serving(authority, "localhost")
    async with RawServer(echo_number, tls=context) as server:
        trust = authority.cert_pem.bytes()
        transport = transport_to(
            "http2", f"https://localhost:{server.port}", trust=trust, connect_timeout=5.0
        )

        response = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert response.status == 200
        await transport.aclose()


@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_tls_refuses_a_certificate_nobody_vouches_for(kind: str) -> None:
    context, _ = serving(trustme.CA(), "localhost")
    async with RawServer(echo_number, tls=context) as server:
        transport = transport_to(kind, f"https://localhost:{server.port}", connect_timeout=5.0)

        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert not caught.value.retryable
        assert server.seen == []
        await transport.aclose()
        await asyncio.sleep(0.02)


async def test_tls_refuses_a_certificate_for_another_name() -> None:
    authority = trustme.CA()
    context, _ = serving(authority, "other.example")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with RawServer(echo_number, tls=context) as server:
        transport = HttpTransport(
            f"https://localhost:{server.port}", ssl_context=trusting, connect_timeout=5.0
        )

        with pytest.raises(UpstreamUnavailable):
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert server.seen == []
        await transport.aclose()
        await asyncio.sleep(0.02)
