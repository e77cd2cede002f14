"""The way to the provider: our own client, one for each host; no redirects, no proxies, nothing of the caller."""

import asyncio
from contextvars import Context
from typing import Any
from urllib.parse import urlsplit

from stagedoor._call import Call, Transport
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import UpstreamRejected

__all__ = ["ProviderHttp"]

_CONNECT = 1.0
_CONNECTIONS = 16
_ACCEPT: Headers = ((b"accept", b"application/json"),)


class ProviderHttp:
    """Asks any address of a provider; a `transport` takes the place of connections, and is sent whole paths."""

    def __init__(
        self, name: str, clock: Clock, via: str, transport: Transport[Any, Any] | None = None
    ) -> None:
        self._operation = f"{name}.provider"
        self._clock = clock
        self._via = via
        self._given = transport
        self._made: dict[str, HttpTransport] = {}

    async def ask(
        self, url: str, *, fields: Headers = (), form: bytes | None = None, seconds: float
    ) -> HttpResponse:
        """Return an answer below 500; raises `UpstreamError`. A form is posted, and never sent twice."""
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        kind: Headers = ((b"content-type", b"application/x-www-form-urlencoded"),) if form is not None else ()
        request = HttpRequest(
            method="GET" if form is None else "POST",
            target=target.encode(),
            headers=(*_ACCEPT, *kind, *fields),
            body=form or b"",
        )
        until = DueTime(self._clock.now() + seconds)
        call = Call(self._operation, request, b"", "", until, idempotent=form is None)
        transport = self._transport(f"{parts.scheme}://{parts.netloc}")
        # A context of its own: the caller's request id, trace and credentials are none of the provider's business.
        asking = asyncio.create_task(_answer(transport, call), context=Context())
        return await asking

    def _transport(self, base: str) -> Transport[Any, Any]:
        if self._given is not None:
            return self._given
        if base not in self._made:
            self._made[base] = HttpTransport(
                base, pool_size=_CONNECTIONS, connect_timeout=_CONNECT, clock=self._clock, via=self._via
            )
        return self._made[base]

    async def aclose(self) -> None:
        """Close what is open."""
        for one in self._made.values():
            await one.aclose()


async def _answer(transport: Transport[Any, Any], call: Call[HttpRequest]) -> HttpResponse:
    try:
        answer: HttpResponse = await transport.send(call)
    except UpstreamRejected as refused:
        if refused.response is None:
            raise
        return refused.response
    return answer
