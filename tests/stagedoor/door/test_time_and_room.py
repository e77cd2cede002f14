"""Bounds on time and room: slow clients, many clients, foreign hosts."""

import asyncio
import socket
import struct
from functools import partial
from ipaddress import ip_network
from typing import Any, cast

import pytest
from uvicorn.server import ServerState

from stagedoor._asgi import Receive, Scope, Send
from stagedoor._door.config import DoorConfig
from stagedoor._door.limits import DoorLimits
from stagedoor._door.near import NearDoorProtocol
from tests.stagedoor.door.conftest import Served, answers_in, serving
from tests.stagedoor.door.requests import CHUNKED, CLOSE, END, POST, H, answering, body, connected, get, start
from tests.stagedoor.near.doors import Wire

# --- time and room ------------------------------------------------------------------------------------------------

QUICK = DoorLimits(head_timeout=0.15, idle_timeout=0.15, body_timeout=0.15, write_timeout=0.15, linger=0.1)


async def nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("nobody asks")


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
        raw = await asyncio.wait_for(reader.read(), 30)
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
    assert 0.139 <= lived < 20.0  # the clock of the system is read a moment later than the loop's


async def test_t13_the_clock_of_a_later_head_starts_with_its_first_octet() -> None:
    """T13: on a kept connection the time before the next request is idle time."""
    limits = DoorLimits(head_timeout=0.2, idle_timeout=20.0, body_timeout=0.2, write_timeout=0.2)
    async with serving(limits=limits) as door:
        raw, lived = await until_closed(
            door, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", b"", b"G", b"E", pause=0.1
        )
    answers = answers_in(raw)

    assert [answer.status for answer in answers] == [200, 408]
    assert 0.45 <= lived < 20.0


async def test_t13_an_idle_connection_is_closed_without_a_word() -> None:
    """T13: nobody asked, so nobody is answered."""
    async with serving(limits=QUICK) as door:
        raw, lived = await until_closed(door, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert [answer.status for answer in answers_in(raw)] == [200]
    assert 0.139 <= lived < 20.0  # the clock of the system is read a moment later than the loop's


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
        await door.until_guests(1)
        await door.until_guests(0)
        client.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_d6_who_goes_behind_a_request_that_waits_is_missed_too(reset: bool) -> None:
    """D6, X1: while more waits than is read, no loop sees an end; an application that waits for it waited for ever."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        over.set()

    async with serving(app, QUICK) as door:
        client = await connected(door)
        send = partial(asyncio.get_running_loop().sock_sendall, client)
        await send(b"GET / HTTP/1.1\r\n" + H + END + POST + b"Content-Length: 1000000\r\n\r\n")
        await asyncio.wait_for(begun.wait(), 20)
        (connection,) = cast("set[Any]", door.state.connections)
        while connection._transport.is_reading():  # noqa: SLF001 - no more: what finds no room there holds the end back
            await send(b"x" * 10_000)
            await asyncio.sleep(0.001)
        await send(b"x" * 10_000)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await asyncio.wait_for(over.wait(), 20)


async def test_t13_who_sends_much_waits_for_the_others(door: Served) -> None:
    """T13: a loop reads up to 32 packets of one connection in one turn; the door lets it go on in the next one."""
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    await door.until_guests(1)
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
        await door.until_guests(2)
        (shed,) = await door.ask(get(b"/api"))
        (health,) = await door.ask(get(b"/health/live"))
        (metrics,) = await door.ask(get(b"/metrics"))
        for _, writer in idle:
            writer.close()
        await door.until_guests(0)
        (again,) = await door.ask(get(b"/api"))

    assert (shed.status, shed.json()["type"]) == (503, "urn:problem-type:cinema:overloaded")
    assert shed.field(b"retry-after") == b"1"
    assert [health.status, metrics.status, again.status] == [200, 200, 200]


async def test_o3_far_beyond_the_cap_connections_are_turned_away_unread() -> None:
    """O3: even a place to wait for a head is bounded."""
    async with serving(limits=DoorLimits(max_connections=1)) as door:
        idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(65)]
        await door.until_guests(65)
        raw = await door.raw()
        for _, writer in idle:
            writer.close()

    assert raw.startswith(b"HTTP/1.1 503 ")


async def test_t13_connections_of_one_client_are_bounded() -> None:
    """T13: one too many is turned away with 503; when one goes there is room again; a proxy has no such bound."""
    async with serving(limits=DoorLimits(per_client=2)) as door:
        idle = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        await door.until_guests(2)
        refused = await door.raw()
        for _, writer in idle:
            writer.close()
        await door.until_guests(0)
        (again,) = await door.ask(get(b"/api"))
    async with serving(limits=DoorLimits(per_client=1, proxies=(ip_network("127.0.0.0/8"),))) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        (through,) = await door.ask(get(b"/api"))
        writer.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in refused
    assert (again.status, through.status) == (200, 200)


@pytest.mark.parametrize(("unsent", "left"), [(0, True), (1, False)])
async def test_t13_who_has_said_goodbye_is_counted_no_more(unsent: int, left: bool) -> None:
    """T13: its next connection may come before the last one is closed; while it takes an answer, it is here."""
    config = DoorConfig(nobody, limits=DoorLimits(per_client=1), namespace="n", host="", port=0)
    config.load()
    first, second = (NearDoorProtocol(config, ServerState(), {}) for _ in range(2))
    old, new = Wire("192.0.2.1"), Wire("192.0.2.1")
    first.connection_made(old)
    old.get_write_buffer_size = lambda: unsent  # type: ignore[method-assign]
    first.eof_received()
    second.connection_made(new)
    for one in (first, second):
        one.connection_lost(None)

    assert (new.written == b"") is left
    assert config.limiter is not None
    assert repr(config.limiter) == "<ConnectionLimiter 0 connections of 0 clients>"


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
    await door.until_guests(1)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await door.until_guests(0)
    del reader

    assert door.state.tasks == set()


async def late_reader(_scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.5)
    while (await receive()).get("more_body"):
        pass
    await send(start(204))
    await send(body())


async def test_t13_who_waits_for_100_as_told_is_not_late_before_it() -> None:
    """T13, RFC 9110 10.1.1: the application takes its time, and the body's begins when it is asked for."""
    async with serving(late_reader, QUICK) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n" + CLOSE)
        interim = await asyncio.wait_for(reader.readuntil(END * 2), 30)
        writer.write(b"abc")
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        writer.close()

    assert (interim, answer.status) == (b"HTTP/1.1 100 Continue\r\n\r\n", 204)


async def test_t13_who_was_told_to_go_on_and_does_not_is_late() -> None:
    """T13: an expectation is no way to hold a request open."""
    async with serving(late_reader, QUICK) as door:
        raw, _ = await until_closed(door, POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n" + CLOSE)

    (answer,) = answers_in(raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert answer.status == 408
