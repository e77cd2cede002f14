"""Fetch the document of published keys through our own client: no redirects, no proxies, no cookies."""

from typing import Any
from urllib.parse import urlsplit

from stagedoor._call import Call, Transport
from stagedoor._clock import Clock
from stagedoor._deadline import DueTime
from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import UpstreamGarbled

__all__ = ["Fetching"]

_SECONDS = 2.0
_CONNECT = 1.0


class Fetching:
    """The way to one address; a `transport` takes the place of connections. A fetch takes two seconds at most."""

    def __init__(
        self, name: str, url: str, clock: Clock, via: str, transport: Transport[Any, Any] | None = None
    ) -> None:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._operation = f"{name}.keys"
        self._request = HttpRequest(target=target.encode(), headers=((b"accept", b"application/json"),))
        self._now = clock.now
        self._transport = transport or HttpTransport(
            f"{parts.scheme}://{parts.netloc}", pool_size=1, connect_timeout=_CONNECT, clock=clock, via=via
        )

    async def __call__(self) -> bytes:
        """Return the document; raises `UpstreamError`."""
        until = DueTime(self._now() + _SECONDS)
        response = await self._transport.send(
            Call(self._operation, self._request, b"", "", until, idempotent=True)
        )
        if response.status != 200:
            raise UpstreamGarbled(self._operation, "the keys were not sent")
        body: bytes = response.body
        return body

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
