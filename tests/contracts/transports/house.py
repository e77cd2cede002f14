"""A transport with an upstream behind it, and what the transport says it cannot do."""

import asyncio
import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any

from stagedoor._call import Call, Transport
from stagedoor._deadline import DueTime
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports.asgi import AsgiTransport
from stagedoor._transports.http import HttpTransport
from stagedoor._transports.http2 import Http2Transport
from stagedoor._transports.limits import Limits
from tests.contracts.transports.server import AnsweringApp, RawServer, Reply, Seen, script_of

LIMITS = Limits(body=1024 * 1024)


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What an implementation declares about itself; the suite checks that each word is true."""

    exact_bytes: bool = True  # every target of visible ASCII goes out as it is; if not, it is refused
    empty_query: bool = True  # "/a?" can be told from "/a"
    high_bytes: bool = True  # field values above 0x7F can be sent and read; if not, they are refused
    bare_lf: bool = True  # a bare LF counts as broken framing
    trailing: bool = True  # bytes after a complete answer spoil that answer, if they come with it
    bounded_interim: bool = True  # a flood of interim answers ends by a limit, not by the deadline


ABILITIES = {
    "http": Abilities(),
    "http2": Abilities(
        exact_bytes=False, high_bytes=False, bare_lf=False, trailing=False, bounded_interim=False
    ),
    "asgi": Abilities(empty_query=False),
}


class House:
    """A transport, the upstream behind it, and the shortest way to make a call."""

    def __init__(self, kind: str, transport: Any, server: RawServer | AnsweringApp) -> None:
        self.kind = kind
        self.can = ABILITIES[kind]
        self.transport: Transport[HttpRequest, HttpResponse] = transport
        self.server = server

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    def in_use(self) -> int:
        """Return the connections in use, as the transport counts them."""
        counted: Any = self.transport
        return int(counted.counts()["upstream_connections"])

    async def until_free(self) -> None:
        """Wait until no connection is in use: what was given up is let go in a later turn of the loop."""
        async with asyncio.timeout(30):
            while self.in_use():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)

    async def call(
        self,
        target: bytes = b"/",
        *,
        method: str = "GET",
        headers: Headers = (),
        body: bytes | AsyncIterable[bytes] = b"",
        streamed: bool = False,
        within: float = 5.0,
        attempt: int = 1,
        idempotent: bool | None = None,
    ) -> HttpResponse:
        payload = HttpRequest(method=method, target=target, headers=headers, body=body, streamed=streamed)
        return await self.transport.send(call_of(self.transport, payload, within, attempt, idempotent))


def call_of(
    transport: Transport[HttpRequest, HttpResponse],
    payload: HttpRequest,
    within: float,
    attempt: int = 1,
    idempotent: bool | None = None,
) -> Call[HttpRequest]:
    """Return a call as `Upstream` makes it."""
    return Call(
        operation="users.get",
        payload=payload,
        key=transport.key_of(payload),
        identity="",
        deadline=DueTime(time.monotonic() + within),
        idempotent=transport.idempotent(payload) if idempotent is None else idempotent,
        attempt=attempt,
    )


async def default_answer(seen: Seen) -> Reply:
    """Say the body back."""
    return Reply(headers=((b"x-kind", b"echo"),), chunks=(seen.body,))


def transport_to(kind: str, url: str, **options: Any) -> Any:
    """Return a transport that goes over a socket."""
    made: Callable[..., Any] = HttpTransport if kind == "http" else Http2Transport
    return made(url, limits=LIMITS, connect_timeout=options.pop("connect_timeout", 2.0), **options)


async def build(kind: str, answer: Any = default_answer, **options: Any) -> House:
    """Return a house whose upstream gives plain answers; `answer` may look things up at call time."""
    if kind == "asgi":
        app = AnsweringApp(answer)
        return House(kind, AsgiTransport(app, limits=LIMITS), app)
    server = await RawServer(script_of(answer)).start()
    return House(kind, transport_to(kind, f"http://127.0.0.1:{server.port}", **options), server)
