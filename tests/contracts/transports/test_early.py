"""Answers that were there before they were asked for: they never answer anybody (T7)."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import trustme

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.pool import PoolOptions
from stagedoor.errors import UpstreamUnavailable
from tests.contracts.transports.house import call_of

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
AUTHORITY = trustme.CA()
Serve = Callable[[socket.socket, int], None]  # a connection and its number

both = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


@contextlib.contextmanager
def upstream(serve: Serve, *, secure: bool = False) -> Iterator[str]:
    """Give the address of a server in threads: it owes the event loop nothing."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)

    def run(peer: socket.socket, number: int) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(peer, server_side=True) if secure else peer as line,
        ):
            serve(line, number)

    def accept() -> None:
        with contextlib.suppress(OSError):
            for number in range(100):
                peer = listener.accept()[0]
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=run, args=(peer, number), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"{'https' if secure else 'http'}://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.asynccontextmanager
async def client(url: str, *, size: int = 10) -> AsyncIterator[Callable[..., Awaitable[bytes]]]:
    """Give what asks for a body."""
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    transport = HttpTransport(url, options=PoolOptions(size=size, connect=5.0), ssl_context=trust)

    async def ask(method: str = "GET", *, streamed: bool = False) -> bytes:
        payload = HttpRequest(method=method, target=b"/", streamed=streamed)
        response = await transport.send(call_of(transport, payload, within=20.0))
        if response.stream is None:
            return response.body
        return b"".join([chunk async for chunk in response.stream])

    yield ask
    assert transport.counts() == {"upstream_connections": 0}
    await transport.aclose()
    await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def busy_loop(spoken: threading.Event | None = None) -> AsyncIterator[None]:
    """Keep the loop so busy that whatever the other side sends is there before the loop looks."""

    async def toil() -> None:
        while True:
            (spoken or threading.Event()).wait(0.05 if spoken else 0.01)  # the loop shall stand still
            await asyncio.sleep(0)

    task = asyncio.ensure_future(toil())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def good(line: socket.socket, number: int) -> None:
    while line.recv(65536):
        line.sendall(GOOD)


@both
@pytest.mark.parametrize(("method", "streamed"), [("GET", False), ("GET", True), ("POST", False)])
async def test_c4_what_a_kept_connection_said_before_the_request_never_answers_it(
    method: str, streamed: bool, secure: bool
) -> None:
    """U4, T7: it lies in the kernel, and the loop has not seen it yet."""
    answered, spoken = threading.Event(), threading.Event()

    def good_then_evil(line: socket.socket, number: int) -> None:
        if not number:
            line.recv(65536)
            line.sendall(GOOD)
            answered.wait(30)
            line.sendall(EVIL)
            spoken.set()
        good(line, number)

    with upstream(good_then_evil, secure=secure) as url:
        async with client(url) as ask:
            await ask()
            answered.set()
            spoken.wait(30)  # the loop must not read it

            assert await ask(method, streamed=streamed) == b"good"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_c4_a_new_connection_that_speaks_first_answers_nobody(method: str) -> None:
    """U4, T7: neither if the loop has read it, nor if it has not."""
    spoken = threading.Event()

    def speak(line: socket.socket, number: int) -> None:
        line.sendall(EVIL)
        spoken.set()
        good(line, number)

    with upstream(speak) as url:
        async with client(url) as ask, busy_loop(spoken):
            for _ in range(3):
                spoken.clear()
                with pytest.raises(UpstreamUnavailable):
                    await ask(method)


@both
async def test_x1_a_connection_that_closed_behind_its_answer_is_nobodys_in_line(secure: bool) -> None:
    """X1: over TLS answer and close are read in one go; who was handed the connection waited for ever."""

    def answer_and_close(line: socket.socket, number: int) -> None:
        line.recv(65536)
        line.sendall(GOOD)
        if isinstance(line, ssl.SSLSocket):
            line.unwrap()

    with upstream(answer_and_close, secure=secure) as url:
        async with client(url, size=1) as ask, busy_loop():
            bodies = await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(4))), 30)

    assert bodies == [b"good"] * 4


async def test_c4_tickets_of_tls_are_no_answer() -> None:
    """U4: a server hands them over when it likes; a new connection is heard out, not dropped."""
    served = []

    def serve(line: socket.socket, number: int) -> None:
        served.append(number)
        good(line, number)

    with upstream(serve, secure=True) as url:
        async with client(url) as ask, busy_loop():
            bodies = [await ask() for _ in range(3)]

    assert (bodies, served) == ([b"good"] * 3, [0])
