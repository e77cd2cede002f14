"""Take an upload: refuse it before its octets travel, else write it to a file that nobody else can see.

The file has no name, so that nothing is left of it however this process ends. Writing happens in threads, in portions:
one upload holds one of them in memory.
"""

import asyncio
from typing import BinaryIO, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from cinema.services.multipart import Begun, BodyTooLarge, Content, Malformed, Parser, PartsEnded, boundary_of
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["ROOM", "receive"]

ROOM: Final = (
    2 * 1024 * 1024
)  # for what stands around the file: 16 parts with their headers, and texts of 64 KiB
_TEXT: Final = 65_536
_PORTION: Final = 65_536
_PART: Final = "file"


async def receive(request: Request, file: BinaryIO, most: int) -> None:
    """Write the part `file` of a multipart body into a file.

    Raises:
        RequestRefused: 413, 415 and 400 before the body is asked for, as far as its head tells; later what it turns
            out to be.

    """
    parser = Parser(_boundary(request))
    _validate_length(request, most + ROOM)
    spool = _Spool(file, most)
    try:
        async for octets in request.stream():
            for event in parser.feed(octets):
                await spool.take(event)
        parser.close()
    except Malformed as error:
        raise RequestRefused(problems.bad_request(str(error))) from error
    except BodyTooLarge as error:
        raise RequestRefused(problems.too_large(str(error))) from error
    except ClientDisconnect as error:
        raise RequestRefused(problems.bad_request("the body ends too early")) from error
    await spool.finish()


def _boundary(request: Request) -> bytes:
    try:
        boundary = boundary_of(request.headers.get("content-type", ""))
    except Malformed as error:
        raise RequestRefused(problems.bad_request(str(error))) from error
    if boundary is None:
        raise RequestRefused(problems.unsupported_media("the body must be multipart/form-data"))
    return boundary


def _validate_length(request: Request, most: int) -> None:
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > most:
        raise RequestRefused(problems.too_large(f"the body must be at most {most:,} octets"))


class _Spool:
    """The parts of one body as they come: one file, and texts that nobody asked for."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self._held = bytearray()
        self._size = 0
        self._files = 0
        self._here = False
        self._strange = False  # a part that nobody asked for has come

    async def take(self, event: Begun | Content | PartsEnded) -> None:
        match event:
            case Begun():
                self._here = event.name == _PART
                self._files += self._here
                self._strange = self._strange or not self._here
                self._size = 0
                if self._files > 1:
                    raise _invalid("must stand once")
            case Content():
                await self._add(event.octets)

    async def _add(self, octets: bytes) -> None:
        self._size += len(octets)
        most = self._most if self._here else _TEXT
        if self._size > most:
            raise RequestRefused(
                problems.too_large(f"the {'file' if self._here else 'text'} has at most {most:,} octets")
            )
        if self._here:
            self._held += octets
            if len(self._held) >= _PORTION:
                await self._write()

    async def finish(self) -> None:
        if not self._files:
            raise _invalid("is missing")
        if self._strange:
            raise _invalid("must be the only part")
        await self._write()
        await asyncio.to_thread(self._file.flush)

    async def _write(self) -> None:
        held, self._held = self._held, bytearray()
        await asyncio.to_thread(self._file.write, held)


def _invalid(said: str) -> RequestRefused:
    return RequestRefused(problems.validation({"loc": ["body", _PART], "msg": said, "type": "part"}))
