"""An application in this process that ends in a way which is no `Exception`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from stagedoor._call import Call
from stagedoor._clock import SystemClock
from stagedoor._deadline import DueTime
from stagedoor._requests import HttpRequest
from stagedoor._transports.asgi import AsgiTransport
from stagedoor.errors import UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable

ENDS: list[Callable[[], BaseException]] = [
    asyncio.CancelledError,
    lambda: BaseExceptionGroup("several", [asyncio.CancelledError()]),
]


def asked(*, streamed: bool = False) -> Call[HttpRequest]:
    payload = HttpRequest(method="GET", target=b"/", streamed=streamed)
    return Call("shop.get", payload, b"k", "", DueTime(SystemClock.now() + 60), True)


@pytest.mark.parametrize("end", ENDS)
async def test_x2_an_application_whose_work_is_cancelled_is_unavailable_at_once(
    end: Callable[[], BaseException],
) -> None:
    """X2: what it awaits may be cancelled by itself; whoever had asked it waited for the deadline, or for ever."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it hears of what is for the loop

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise end()

    transport = AsgiTransport(app)
    with pytest.raises(UpstreamUnavailable):
        await asyncio.wait_for(transport.send(asked()), 20)

    assert transport.counts() == {"upstream_connections": 0}


@pytest.mark.parametrize("end", ENDS)
async def test_x2_a_stream_of_such_an_application_is_cut(end: Callable[[], BaseException]) -> None:
    """X2, HC11: its reader waited for ever."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise end()

    response = await AsgiTransport(app).send(asked(streamed=True))
    assert response.stream is not None
    stream = aiter(response.stream)
    first = await anext(stream)

    assert first == b"a"
    with pytest.raises(UpstreamGarbled):
        await asyncio.wait_for(anext(stream), 20)


async def test_d3_a_stream_whose_application_falls_silent_is_late() -> None:
    """D3: nobody ended it, and its reader waited for ever."""
    left = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        try:
            await asyncio.sleep(3600)
        finally:
            left.set()

    transport = AsgiTransport(app, rest=0.05)
    response = await transport.send(asked(streamed=True))
    assert response.stream is not None
    stream = aiter(response.stream)
    first = await anext(stream)

    assert first == b"a"
    with pytest.raises(UpstreamTimeout):
        await asyncio.wait_for(anext(stream), 20)
    await asyncio.wait_for(left.wait(), 20)
    assert transport.counts() == {"upstream_connections": 0}


async def test_d3_a_stream_that_moves_is_not_late() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(20):
            await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    response = await AsgiTransport(app, rest=0.5).send(asked(streamed=True))
    assert response.stream is not None

    assert b"".join([bytes(chunk) async for chunk in response.stream]) == b"a" * 20


@pytest.mark.parametrize("streamed", [False, True])
async def test_h7_a_second_head_makes_an_answer_garbled(streamed: bool) -> None:
    """H7: the body of the one went out under the status of the other."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.start", "status": 203, "headers": []})
        await send({"type": "http.response.body", "body": b"a"})

    with pytest.raises(UpstreamGarbled):
        await AsgiTransport(app).send(asked(streamed=streamed))


async def error_page(_scope: Any, receive: Any, send: Any) -> None:
    """Answer 500 to whatever goes wrong, as frameworks do."""
    status = 200
    try:
        while (await receive())["more_body"]:
            pass
    except RuntimeError:
        status = 500
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def test_a_source_that_fails_ends_the_call_with_its_own_error() -> None:
    """It was an application that failed: a failure for its breaker, and 503 for what the client had done."""

    async def source() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("the client went")

    payload = HttpRequest(method="POST", target=b"/", body=source())
    call = Call("shop.add", payload, b"k", "", DueTime(SystemClock.now() + 60), False)
    transport = AsgiTransport(error_page)

    with pytest.raises(RuntimeError, match="the client went"):
        await transport.send(call)

    assert transport.counts() == {"upstream_connections": 0}


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_application_that_fails_behind_its_head_is_named_as_the_cause(streamed: bool) -> None:
    """The error said "closed before the end of an answer", and nothing said why."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise LookupError("no such row")

    async def read() -> None:
        response = await AsgiTransport(app).send(asked(streamed=streamed))
        assert response.stream is not None
        async for _ in response.stream:
            pass

    with pytest.raises(UpstreamGarbled) as caught:
        await read()

    assert caught.value.__cause__ is not None
    assert repr(caught.value.__cause__.__cause__) == "LookupError('no such row')"
