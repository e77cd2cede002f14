"""Speak to the media service, which keeps the octets of the pictures and names them."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import uuid4

import orjson

from cinema.services.memes.models import wrong
from cinema.services.memes.spool import Spool
from cinema.settings import Settings
from stagedoor import _context as context
from stagedoor import _problems as problems
from stagedoor._call import Env
from stagedoor._deadline import DueTime
from stagedoor._requests import Headers, HttpRequest, HttpResponse
from stagedoor._transports.http import HttpTransport
from stagedoor._upstream import Upstream
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import UpstreamGarbled, UpstreamRejected, UpstreamUnavailable

__all__ = ["Media", "StoredPicture"]

T = TypeVar("T")
# No other name is ever asked for, whatever an answer or a table says.
_NAME: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.(?:png|jpg|webp|gif)"
)
_CONNECT_SECONDS: Final = 1.0
_REMOVE_SECONDS: Final = 5.0
_LIST_SECONDS: Final = 30.0
_REFUSALS: Final = {413: problems.too_large, 415: problems.unsupported_media}


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture that lies there, and for how many seconds it has."""

    name: str
    age: float


class Media:
    """The client; it raises `UpstreamError` for an answer that cannot be had."""

    def __init__(self, settings: Settings, env: Env) -> None:
        transport = HttpTransport(
            settings.media_url, pool_size=64, connect_timeout=_CONNECT_SECONDS, clock=env.clock, via="memes"
        )
        self._upstream: Upstream[HttpRequest, HttpResponse] = Upstream("media", transport, env=env)
        self._now = env.clock.now
        self._seconds = float(settings.gateway_upload_timeout_s)
        self._fields: Headers = ()
        if settings.media_token:
            self._fields = ((b"authorization", b"Bearer " + settings.media_token.encode()),)

    async def upload(self, spool: Spool) -> str:
        """Store a picture; return the name it was given.

        Raises:
            RequestRefused: 413, 415 or 422: it is no picture that is taken.

        """
        boundary = uuid4().hex.encode()
        fields = (*self._fields, (b"content-type", b"multipart/form-data; boundary=" + boundary))
        request = HttpRequest(
            method="POST", target=b"/api/files/upload", headers=fields, body=_as_part(spool, boundary)
        )
        try:
            said = await self._asked("upload", request, self._seconds)
            return _named(said.get("filename"))
        except UpstreamRejected as error:
            raise _verdict(error) from error

    async def remove(self, name: str) -> None:
        """Remove a picture; one that is not there is none the less removed."""
        target = b"/api/files/" + _named(name).encode()
        await self._asked(
            "remove", HttpRequest(method="DELETE", target=target, headers=self._fields), _REMOVE_SECONDS
        )

    async def listed(self, after: str, most: int) -> Sequence[StoredPicture]:
        """Return what lies there, by name, from a name on."""
        target = b"/api/files?after=%b&limit=%d" % (after.encode(), most)
        said = await self._asked("list", HttpRequest(target=target, headers=self._fields), _LIST_SECONDS)
        try:
            rows = said["files"] if isinstance(said, Mapping) else said
            return [StoredPicture(_named(row["filename"]), float(row["age"])) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise UpstreamGarbled("media.list", "is no list of names and ages") from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._upstream.aclose()

    async def _asked(self, operation: str, request: HttpRequest, seconds: float) -> Any:  # noqa: ANN401 - JSON
        asked = context.current()
        token = context.enter(replace(asked, deadline=DueTime(self._now() + seconds)))
        try:
            response = await self._upstream.call(operation, request)
        finally:
            context.leave(token)
        if response.status == 204:
            return {}
        try:
            return orjson.loads(response.body)
        except ValueError as error:
            raise UpstreamGarbled(f"media.{operation}", "is no JSON") from error


async def _as_part(spool: Spool, boundary: bytes) -> AsyncIterator[bytes]:
    yield b'--%b\r\nContent-Disposition: form-data; name="file"; filename="image"\r\n\r\n' % boundary
    async for piece in spool.pieces():
        yield piece
    yield b"\r\n--%b--\r\n" % boundary


def _named(said: object) -> str:
    if not isinstance(said, str) or not _NAME.fullmatch(said):
        raise UpstreamGarbled("media", "names no picture")
    return said


def _verdict(error: UpstreamRejected) -> Exception:
    """Return what a refusal of the picture means to our own client; all other refusals are a fault between us."""
    response = error.response
    status = 0 if response is None else response.status
    detail = "" if response is None else _detail_of(response.body)
    if status == 422:
        row = wrong("body", "image", msg=detail or "is no picture that is taken", kind="image")
        return RequestRefused(problems.validation(row))
    refusal = _REFUSALS.get(status)
    return (
        UpstreamUnavailable(error.operation, "refused us")
        if refusal is None
        else RequestRefused(refusal(detail or "the image cannot be taken"))
    )


def _detail_of(body: bytes) -> str:
    try:
        said = orjson.loads(body)
        rows = said.get("errors") or [{"msg": said.get("detail", "")}]
        return str(rows[0]["msg"])[:500]
    except (ValueError, AttributeError, KeyError, IndexError, TypeError):
        return ""
