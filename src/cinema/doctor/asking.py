"""Ask over HTTP, once and not for long. Whoever is asked may hang, refuse, or be somebody else."""

import asyncio
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

__all__ = ["SECONDS", "Reply", "asked"]

SECONDS: Final = 3.0  # for each; all are asked side by side
_MOST: Final = 2**20
Lost: TypeAlias = Literal["", "down", "hung", "unresolved", "foreign", "tls"]
# The first that fits: one that hangs up without a word speaks another protocol.
_REASONS: Final[tuple[tuple[type[Exception], Lost], ...]] = (
    (socket.gaierror, "unresolved"),
    (TimeoutError, "hung"),
    (http.client.HTTPException, "foreign"),
    (OSError, "down"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `lost` says why nothing did, `told` is when it was said, by the other's clock."""

    status: int = 0
    body: bytes = b""
    lost: Lost = ""
    said: str = ""
    told: float | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """Return why nothing came back, as it stands behind a sentence; "" where there is no more to say."""
        return f" ({self.said})" if self.said else ""

    def json(self) -> Mapping[str, Any]:
        """Return the object in the body; an empty one if it holds none."""
        with suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}


async def asked(url: str, fields: Mapping[str, str] | None = None) -> Reply:
    """Return the answer to a GET."""
    lines: list[socket.socket] = []
    try:
        async with asyncio.timeout(SECONDS + 0.5):  # also of one that comes octet by octet
            return await asyncio.to_thread(_ask, url, dict(fields or {}), lines)
    except TimeoutError:
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # or the thread reads on, and is waited for at the end
        return Reply(lost="hung")


def _ask(url: str, fields: Mapping[str, str], lines: list[socket.socket]) -> Reply:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.connect()
        lines.append(connection.sock)
        connection.request("GET", target, headers={"Connection": "close", **fields})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, answer.read(_MOST), told=_moment(found.get("date")), fields=found)
    except (OSError, http.client.HTTPException) as error:
        return _lost(error)
    finally:
        connection.close()


def _lost(error: Exception) -> Reply:
    """Say why there is no answer."""
    if isinstance(error, ssl.SSLError):
        return Reply(lost="tls", said=getattr(error, "verify_message", "") or error.reason or "TLS fails")
    return Reply(lost=next(why for kind, why in _REASONS if isinstance(error, kind)))


def _moment(date: str | None) -> float | None:
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(date or "").timestamp()
    return None
