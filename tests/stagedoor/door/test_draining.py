"""What a connection does while its server stops (F2)."""

import asyncio
from typing import Any

from tests.stagedoor.door.conftest import Answer, Served, answers_in, serving

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


async def next_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer that may not be the connection's last."""
    raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    raw += await reader.readexactly(int(answers_in(raw)[0].field(b"content-length") or 0))
    return answers_in(raw)[0]


async def test_f2_an_idle_connection_stays_and_its_next_answer_says_close(door: Served) -> None:
    """F2: closing it in the stop cuts the request that is under way just then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(GET)
    first = await next_answer(reader)
    door.config.draining = True
    writer.write(GET)
    second = await next_answer(reader)
    rest = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert (first.status, first.field(b"connection")) == (200, None)
    assert (second.status, second.field(b"connection")) == (200, b"close")
    assert rest == b""


async def test_f2_a_connection_that_comes_during_the_stop_is_answered_and_told(door: Served) -> None:
    """F2: these came while the server went on for a moment, were kept alive, and then cut."""
    door.config.draining = True

    (answer,) = await door.ask(GET)

    assert (answer.status, answer.field(b"connection")) == (200, b"close")


async def test_f2_every_request_that_has_been_read_is_answered_the_last_says_close(door: Served) -> None:
    """F2 and RFC 9112 9.6: nothing is answered behind an answer that says close, so it is said on the last one."""
    door.config.draining = True

    answers = await door.ask(GET * 5)

    assert [answer.status for answer in answers] == [200] * 5
    assert [answer.field(b"connection") for answer in answers] == [None] * 4 + [b"close"]


async def test_f2_a_refusal_behind_an_answer_comes_too(door: Served) -> None:
    """F2: a request that is refused is answered as well, and its answer is the last."""
    door.config.draining = True

    answers = await door.ask(GET + b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    assert [answer.status for answer in answers] == [200, 400]
    assert [answer.field(b"connection") for answer in answers] == [None, b"close"]


async def test_f2_an_answer_under_way_is_sent_to_its_end() -> None:
    """F2: its head is out without "close", so its connection stays, for the request that may come."""
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"k"})

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(GET)
        begun = await asyncio.wait_for(reader.readuntil(b"\r\n\r\no"), 30)
        door.config.draining = True
        go.set()
        begun += await reader.readexactly(1)
        writer.write(GET)
        second = await next_answer(reader)
        writer.close()

    assert answers_in(begun)[0].body == b"ok"
    assert second.field(b"connection") == b"close"


async def test_f2_at_the_end_of_the_grace_idle_connections_close_and_busy_ones_do_not() -> None:
    """Contract 17: idle connections stay until then; a request under way is the server's to end."""
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(GET)
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", door.port)
        while len(door.state.connections) < 2 or not door.state.tasks:  # noqa: ASYNC110 - the loop's turn
            await asyncio.sleep(0)
        door.config.draining = True
        for connection in list(door.state.connections):
            connection.shutdown()
        gone = await asyncio.wait_for(idle_reader.read(), 30)
        go.set()
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        writer.close()
        idle_writer.close()

    assert gone == b""
    assert (answer.status, answer.field(b"connection"), answer.body) == (200, b"close", b"ok")
