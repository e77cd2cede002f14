"""What an application does, and what becomes of it on the wire."""

import asyncio
import contextlib
import gc
import logging
import sys
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from stagedoor._door.exchange import Exchange
from stagedoor._door.protocol import DoorProtocol
from tests.stagedoor.door.conftest import Served, answers_in, serving
from tests.stagedoor.door.requests import CHUNKED, CLOSE, END, POST, H, answering, body, connected, get, start


@pytest.mark.parametrize("status", [0, 99, 100, 101, 600, 999])
async def test_h6_a_status_that_cannot_be_is_502_and_kills_nothing(status: int) -> None:
    """H6: uvicorn's own protocol raises KeyError here and the client gets nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(status), body(b"x"))

    async with serving(app) as door:
        (answer,) = await door.ask(get(b"/x"))

    assert (answer.status, answer.json()["type"]) == (502, "urn:problem-type:cinema:upstream-garbled")
    assert answer.json()["instance"] == "/x"


@pytest.mark.parametrize("own", [(), ((b"Date", b"Thu, 01 Jan 2026 00:00:00 GMT"),)])
async def test_h1_a_date_stands_once(own: tuple[tuple[bytes, bytes], ...]) -> None:
    """RFC 9110 5.3, 6.6.1: an application that says its own date is believed; two of them are no answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(200, *own), body(b"x"))

    async with serving(app) as door:
        (answer,) = await door.ask(get(b"/x"))

    dates = [value for name, value in answer.fields if name.lower() == b"date"]
    assert dates == [own[0][1] if own else b"Mon, 05 Jan 2026 10:00:00 GMT"]


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
    "sends a signed length": (start(200, (b"content-length", b"+2")), body(b"ab")),
    "sends a negative length": (start(200, (b"content-length", b"-1")), body()),
    "sends a divided length": (start(200, (b"content-length", b"1_0")), body(b"0123456789")),
    "sends a length that no body has": (start(200, (b"content-length", b"9" * 23)), body(b"ab")),
    "sends two lengths": (start(200, (b"content-length", b"2"), (b"Content-Length", b"3")), body(b"ab")),
    "sends text": (start(), body("ab")),  # type: ignore[arg-type]
    "sends text of a length": (start(200, (b"content-length", b"2")), body("ab")),  # type: ignore[arg-type]
    "sends no body": (start(), body(None)),  # type: ignore[arg-type]
    "sends two lengths in one": (start(200, (b"content-length", b"2, 2")), body(b"ab")),
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

    with caplog.at_level(logging.CRITICAL, "stagedoor._door"):
        async with serving(app) as door:
            raw = await door.raw(get())
    (answer,) = answers_in(raw)

    assert (answer.status, answer.json()["type"]) == (500, "urn:problem-type:cinema:internal")
    assert b"canary" not in raw
    assert b"Set-Cookie" not in raw


@pytest.mark.parametrize(
    ("status", "lengths", "told"),
    [
        (200, [b"2", b"2"], [b"2"]),
        (200, [b" 2\t"], [b"2"]),
        (204, [b"0"], []),
        (204, [b"2", b"2"], []),
        (304, [b"7"], [b"7"]),
    ],
)
async def test_a_length_stands_once_and_never_on_a_204(
    status: int, lengths: list[bytes], told: list[bytes]
) -> None:
    """H7, RFC 9110 8.6: strict clients, ours among them, refuse an answer with two; a 204 has none."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"content-length", length) for length in lengths]
        await answering(scope, receive, send, start(status, *fields), body(b"ab" if status == 200 else b""))

    async with serving(app) as door:
        raw = await door.raw(get())

    lines = raw.partition(END + END)[0].split(END)
    assert [line.partition(b":")[2] for line in lines if line.startswith(b"content-length")] == [
        b" " + one for one in told
    ]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (GeneratorExit, 503),
        (lambda: BaseExceptionGroup("several", [GeneratorExit()]), 500),
        (asyncio.CancelledError, 500),  # of what it waited for: nobody wants the request gone
    ],
)
async def test_h10_whatever_an_application_raises_its_client_is_answered(
    kind: Callable[[], BaseException], status: int
) -> None:
    """H10: what is no `Exception` would leave the connection open, and nobody to answer on it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise kind()

    async with serving(app) as door:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it hears of what is for the loop
        (answer,) = await door.ask(get())

    assert answer.status == status


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
            raw = await asyncio.wait_for(reader.read(), 30)
        writer.close()

    assert not any(answer.complete for answer in answers_in(raw))


@pytest.mark.parametrize(
    ("method", "messages"),
    [
        (b"HEAD", (start(200, (b"content-length", b"10")), body(b"ab", more=True))),
        (b"HEAD", (start(), body(b"ab", more=True))),
        (b"GET", (start(200, (b"content-length", b"2")), body(b"ab", more=True))),
        (b"GET", (start(204), body(more=True))),
        (b"GET", (start(205), body(more=True))),
        (b"GET", (start(304), body(more=True))),
    ],
)
@pytest.mark.parametrize("raises", [True, False])
async def test_an_application_that_fails_behind_a_whole_answer_costs_nobody_the_connection(
    method: bytes, messages: tuple[dict[str, Any], ...], raises: bool
) -> None:
    """RFC 9112 6.3: its client has all of it; a proxy's next request, another client's, was cut off."""
    asked: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["raw_path"])
        if scope["raw_path"] == b"/next":
            await answering(scope, receive, send, start(), body(b"next"))
            return
        await answering(scope, receive, send, *messages)
        if raises:
            raise ValueError("no")

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        writer.write(get(b"/next"))
        raw = await asyncio.wait_for(reader.read(), 30)
        writer.close()

    assert raw.removeprefix(b"ab").startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"next" in raw
    assert asked == [b"/", b"/next"]


async def test_t18_where_the_end_of_the_connection_ends_the_body_a_break_is_no_orderly_end() -> None:
    """T18, RFC 9112 8: to HTTP/1.0 half an answer of unknown length would be all of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"ab", more=True))

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 30)
        writer.close()


@pytest.mark.parametrize("fields", [(), ((b"content-length", b"16000000"),)], ids=["chunked", "length"])
@pytest.mark.parametrize("goes_on", [False, True], ids=["fails", "ends"])
async def test_t18_nothing_follows_a_piece_of_a_body_that_was_given_up(
    fields: tuple[tuple[bytes, bytes], ...], goes_on: bool
) -> None:
    """T18, T7: who gave a slow reader a time of its own left the next answer to be read as the rest of this one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["raw_path"] == b"/next":
            await answering(scope, receive, send, start(), body(b"next"))
            return
        await send(start(200, *fields))
        try:
            async with asyncio.timeout(0.2):
                await send(body(b"x" * 16_000_000, more=not fields))
        except TimeoutError:
            if not goes_on:
                raise
            await send(body())

    async with serving(app) as door:
        client, loop = await connected(door), asyncio.get_running_loop()
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + get(b"/next"))
        await asyncio.sleep(0.5)
        raw = b""
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 30):
                raw += data
        client.close()

    assert len(raw) > 100_000
    assert raw.count(b"HTTP/1.1 ") == 1
    assert not any(answer.complete for answer in answers_in(raw))


@pytest.mark.parametrize("first", [start(), start(204)], ids=["chunked", "bodiless"])
@pytest.mark.parametrize("length", [True, False])
async def test_t7_an_answer_after_one_that_could_not_start_has_its_own_framing(
    first: dict[str, Any], length: bool
) -> None:
    """T7: behind a start that was refused for a field, the next kept how the body of that would have ended."""
    first = {**first, "headers": [(b"x-a", b"b\r\nc")]}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        with contextlib.suppress(ValueError):
            await send(first)
        await send(start(500, *([(b"content-length", b"5")] if length else [])))
        await send(body(b"sorry"))

    async with serving(app) as door:
        (answer,) = await door.ask(get())

    assert (answer.status, answer.body, answer.complete) == (500, b"sorry", True)


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


@pytest.mark.parametrize("fields", [(), ((b"content-length", b"2"),), ((b"content-length", b"2"),) * 2])
async def test_a_205_has_no_content_and_says_so(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """RFC 9110 15.3.6: its content was sent, and who knows that there is none takes it for the next answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status = 205 if scope["path"] == "/reset" else 200
        await answering(scope, receive, send, start(status, *fields), body(b"ab"))

    async with serving(app) as door:
        raw = await door.raw(b"GET /reset HTTP/1.1\r\nHost: a\r\n\r\n" + get())
    head = raw[: raw.index(END + END)]

    assert head.startswith(b"HTTP/1.1 205 ")
    assert head.lower().count(b"content-length: 0") == head.lower().count(b"content-length") == 1
    assert raw[len(head) + 4 :].startswith(b"HTTP/1.1 ")


ODD_BODIES = {
    "bytearray": (bytearray(b"abcd"), b"abcd"),
    "numbers": (memoryview(array("H", [0x6161, 0x6262])), b"aabb"),
    "every other": (memoryview(b"a-b-")[::2], b"ab"),
}


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("kind", ODD_BODIES)
async def test_a_body_is_counted_in_octets_whatever_holds_it(kind: str, length: bool) -> None:
    """RFC 9112 7.1: what counts its elements made chunks whose size was not theirs."""
    given, octets = ODD_BODIES[kind]
    fields = ((b"content-length", b"%d" % len(octets)),) if length else ()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(200, *fields), body(given))  # type: ignore[arg-type]

    async with serving(app) as door:
        (answer,) = await door.ask(get())

    assert (answer.body, answer.complete) == (octets, True)


async def test_an_early_answer_reaches_a_client_that_still_sends() -> None:
    """A 413 sent before the body is complete is read by the client, and the connection ends."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(413, (b"content-length", b"0")), body())

    async with serving(app) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Content-Length: 100000000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x" * 20_000)
        raw = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    (answer,) = answers_in(raw)

    assert (answer.status, answer.field(b"connection")) == (413, b"close")


async def test_expect_is_answered_when_the_application_wants_the_body(door: Served) -> None:
    """RFC 9110 10.1.1: 100 Continue before the body, then the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(POST + b"Expect: 100-continue \r\nContent-Length: 3\r\n" + CLOSE)
    interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.write(b"abc")
    (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
    writer.close()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.json()["body"] == "abc"


async def test_d6_who_goes_before_its_body_is_wanted_gets_no_100() -> None:
    """D6: uvloop raises for what is written to a connection that is closed, in the application's `receive`."""
    heard: list[str] = []
    begun, over = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        gone = asyncio.Event()
        scope["extensions"]["stagedoor.gone"](gone.set)
        begun.set()
        await gone.wait()
        await asyncio.sleep(0.01)
        try:
            heard.append((await receive())["type"])
        finally:
            over.set()

    async with serving(app) as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n" + END)
        await asyncio.wait_for(begun.wait(), 20)
        writer.close()
        await asyncio.wait_for(over.wait(), 20)

    assert heard == ["http.disconnect"]


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
        await asyncio.wait_for(over.wait(), 30)

    assert told == ["callback", "http.disconnect"]


@pytest.mark.parametrize("messages", [(), (start(999),)], ids=["raises", "status"])
async def test_x1_what_an_application_left_listening_hears_that_all_is_over(
    messages: tuple[dict[str, Any], ...],
) -> None:
    """X1: behind an answer of the door's own it waited for ever."""
    heard: list[asyncio.Task[Any]] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append(asyncio.create_task(receive()))
        await asyncio.sleep(0)
        for message in messages:
            await send(message)
        raise ValueError("no")

    async with serving(app) as door:
        await door.raw(get())
        assert await asyncio.wait_for(heard[0], 5) == {"type": "http.disconnect"}


async def test_x1_an_answer_that_waits_for_its_reader_ends_with_the_connection() -> None:
    """X1: in one piece above 256 KiB it waited for ever, with all that it held, and so did every stop for its grace."""
    over = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering(scope, receive, send, start(), body(b"x" * 16_000_000))
        over.set()

    async with serving(app) as door:
        client = await connected(door)
        client.send(get())
        async with asyncio.timeout(20):
            while not any(getattr(each, "paused", False) for each in door.state.connections):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        client.close()
        await asyncio.wait_for(over.wait(), 20)

    assert door.state.tasks == set()


async def test_a_large_body_waits_for_the_application(door: Served) -> None:
    """Back-pressure: a body is read at the application's pace and arrives whole."""
    size = 3_000_000
    (answer,) = await door.ask(POST + b"Content-Length: %d\r\n" % size + CLOSE + b"x" * size)

    assert len(answer.json()["body"]) == size


async def test_x1_nothing_is_left_of_a_connection(door: Served) -> None:
    """X1: neither tasks nor connections stay behind."""
    for raw in (get(), b"GET / HTTP/1.1\r\n\r\n", CHUNKED + b"ZZ\r\n"):
        await door.raw(raw)
    await door.until_guests(0)

    assert door.state.tasks == set()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the factory is of Python 3.12")
def test_x1_a_task_that_begins_at_once_is_forgotten_too() -> None:
    """X1: one that was over before it was noted stayed noted, and each stop would wait for it."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"x"))

    async def served() -> bytes:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - unknown to 3.11
        async with serving(app) as door:
            answer = await door.raw(get())
            await door.until_guests(0)
            assert door.state.tasks == set()
        return answer

    assert asyncio.run(served()).endswith(b"x\r\n0\r\n\r\n")  # uvloop knows no such factory yet


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
    gc.disable()
    gc.freeze()  # of what was there before there are a million
    try:
        await door.raw(*LEFT[case])
        await door.until_guests(0)
        await asyncio.sleep(0.02)
        left = [each for each in gc.get_objects() if isinstance(each, (DoorProtocol, Exchange))]
    finally:
        gc.unfreeze()
        gc.enable()

    assert left == []
