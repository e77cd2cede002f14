"""Take pictures, hand them out, and say what lies there."""

import asyncio
import mmap
from functools import partial
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from cinema.services.answers import json_answer
from cinema.services.frame import Outage, new_frame
from cinema.services.media.answers import Streamed, etag_of, fields_of, selection
from cinema.services.media.decoding import Decoding
from cinema.services.media.documents import FORM, PICTURE
from cinema.services.media.models import Stored, StoredLine
from cinema.services.media.names import is_name, new_name
from cinema.services.media.store import Objects, objects_of
from cinema.services.media.thumbnails import Thumbnails
from cinema.services.media.token import asking_for
from cinema.services.media.upload import ROOM, receive
from cinema.services.refusals import refusals
from cinema.settings import Settings, SettingsError
from stagedoor import _problems as problems
from stagedoor._events import StoreFailed
from stagedoor._observers.logs import LogStream
from stagedoor._web.middleware import RequestMiddleware
from stagedoor._web.routes import RequestRefused

__all__ = ["build"]

_LARGE: Final = 2 * 1024 * 1024
_SAMPLE: Final = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff.png"
Name = Annotated[str, Path(description="A name that an upload was given", examples=[_SAMPLE])]
After = Annotated[
    str, Query(max_length=64, pattern=r"^[^\x00]*$", description="Names after this one", examples=[_SAMPLE])
]
Limit = Annotated[int, Query(ge=1, le=1_000, description="How many at most", examples=[100])]
Width = Annotated[
    Literal["160", "320", "640"] | None,
    Query(description="A thumbnail so wide, never enlarged", examples=["320"]),
]


def build(settings: Settings, *, stream: LogStream | None = None) -> RequestMiddleware:
    """Build the media service."""
    media = _Media(settings)
    about = "Pictures by names that are made here; private, for the gateway and the meme service"
    frame = new_frame(settings, stream, "media-service", about, media.probe, "the image store", media.aclose)
    media.objects.tell = partial(frame.is_late, "media_store")
    frame.app.include_router(_routes(media, asking_for(settings.media_token)))
    return frame.finish(settings.media_max_bytes + ROOM)


class _Media:
    """What the routes do."""

    def __init__(self, settings: Settings) -> None:
        self.objects: Objects = objects_of(settings)
        patience = float(settings.gateway_upload_timeout_s)
        self._decoding = Decoding(patience)
        self._thumbnails = Thumbnails(self.objects, self._decoding, patience)
        self._most, self._pixels = settings.media_max_bytes, settings.media_max_pixels
        # A picture on its way to S3 is in memory twice: large ones go one after the other.
        self._writing, self._writing_large = asyncio.Semaphore(8), asyncio.Semaphore(1)

    async def probe(self) -> StoreFailed | None:
        """Look whether the store is there, and the process that decodes; return what keeps it from taking pictures."""
        try:
            await self.objects.check()
        except SettingsError as error:
            told = str(error).partition(": ")[2]
            raise Outage(
                "media_store", "the image store has no place for us", ("unavailable", told)
            ) from error
        await self._decoding.start()
        told = await self.objects.closed()
        return StoreFailed("media_store", told) if told else None

    async def aclose(self) -> None:
        """End the process that decodes."""
        await self._decoding.aclose()

    async def upload(self, request: Request) -> Response:
        """Take a picture."""
        with TemporaryFile() as received, TemporaryFile() as bare:
            await receive(request, received, self._most)
            name = new_name(await self._decoding.judge(received.fileno(), bare.fileno(), self._pixels))
            octets = await asyncio.to_thread(_mapped, bare)
            async with self._writing_large if len(octets) > _LARGE else self._writing:
                await self.objects.put(name, octets)
        answer = json_answer({"filename": name})
        answer.status_code = 201
        return answer

    async def download(self, request: Request, filename: str, width: int | None) -> Response:
        """Hand a picture out."""
        length = await self.objects.size(filename) if is_name(filename) else None
        if length is None:
            raise _no_such_file()
        if width is not None:
            drawn = await self._drawn(filename, width, length)
            if drawn:
                return _whole(request, filename, etag_of(filename, width), drawn)
        etag = etag_of(filename, None)
        part = selection(request, etag, length)
        fields = fields_of(filename, etag, part, length)
        if part.status == 304:
            return Response(None, 304, fields)
        octets = await self.objects.read(filename, part.first, part.size)
        if octets is None:
            raise _no_such_file()
        return Streamed(octets, part.status, fields)

    async def _drawn(self, filename: str, width: int, length: int) -> bytes:
        try:
            return await self._thumbnails.get(filename, width, length)
        except FileNotFoundError:  # deleted meanwhile
            raise _no_such_file() from None

    async def delete(self, filename: str) -> Response:
        """Remove a picture."""
        if is_name(filename):
            self._thumbnails.drop(filename)
            await self.objects.delete(filename)
            self._thumbnails.drop(filename)  # of one that was drawn from it meanwhile
        return Response(None, 204)

    async def names(self, after: str, limit: int) -> Response:
        """List what lies there."""
        rows = await self.objects.names(after, limit)
        return json_answer([{"filename": row.name, "age": row.age} for row in rows])


def _routes(media: _Media, authorizing: Any) -> APIRouter:  # noqa: ANN401 - a dependency
    router = APIRouter(prefix="/api/files", dependencies=[Depends(authorizing)], responses=refusals(401, 503))

    @router.post(
        "/upload",
        response_model=Stored,
        status_code=201,
        summary="Take a picture",
        openapi_extra=FORM,
        responses=refusals(400, 413, 415, 422),
    )
    async def upload(request: Request) -> Response:
        return await media.upload(request)

    @router.get(
        "/download/{filename}",
        response_class=Response,
        summary="Hand a picture out",
        responses={**PICTURE, **refusals(404, 412, 416, 422)},
    )
    async def download(request: Request, filename: Name, width: Width = None) -> Response:
        return await media.download(request, filename, None if width is None else int(width))

    @router.delete("/{filename}", status_code=204, summary="Remove a picture, also one that is not there")
    async def delete(filename: Name) -> Response:
        return await media.delete(filename)

    @router.get(
        "",
        response_model=list[StoredLine],
        summary="What lies there, for the sweep",
        responses=refusals(422),
    )
    async def names(after: After = "", limit: Limit = 1_000) -> Response:
        return await media.names(after, limit)

    return router


def _no_such_file() -> RequestRefused:
    return RequestRefused(problems.not_found("File not found"))


def _whole(request: Request, name: str, etag: str, octets: bytes) -> Response:
    part = selection(request, etag, len(octets))
    body = b"" if part.status == 304 else octets[part.first : part.first + part.size]
    return Response(body, part.status, fields_of(name, etag, part, len(octets)))


def _mapped(file: BinaryIO) -> memoryview:
    """Return a file's octets without copying them; the mapping goes with the last who holds it."""
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
