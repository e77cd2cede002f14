"""Take in what comes with a picture: a body of parts, read as it comes and refused as soon as it is too much (T11).

Declared types and file names count for nothing: a part is known by its name, a picture by what the media service
finds in it. Parts of other names are passed over. Of a part that comes twice the last one counts.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request

from cinema.services.memes.models import Texts, checked_texts, wrong
from cinema.services.memes.spool import Spool
from cinema.services.multipart import Begun, BodyTooLarge, Content, Malformed, Parser, PartsEnded, boundary_of
from cinema.texts import AROUND_PICTURE, TEXT_BYTES
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["TEXT_NAMES", "Uploaded", "body_of", "read_parts", "read_picture", "text_of"]

_ALSO: Final = {"meme_title": "title", "meme_description": "description"}  # the plain names win
TEXT_NAMES: Final = frozenset({*_ALSO, *_ALSO.values(), "if_match"})  # the last is of the wall's form
_IMAGE: Final = "image"


@dataclass(slots=True)
class Uploaded:
    """What a body held: its texts by name, and whether there was a picture."""

    said: dict[str, str] = field(default_factory=dict)
    pictured: bool = False

    def texts(self) -> Texts:
        """Return title and description; raises `RequestRefused`, 422."""
        spelled: dict[str, str] = {}
        said: dict[str, str] = {}
        for other, name in _ALSO.items():
            source = name if name in self.said or other not in self.said else other
            if source in self.said:
                said[name], spelled[name] = self.said[source], source
        return checked_texts(said, spelled)


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raises `RequestRefused` if the client leaves in the middle."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(problems.bad_request("the body was cut off"))
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


async def read_picture(
    request: Request, spool: Spool, most: int, uploaded: Uploaded | None = None
) -> Uploaded:
    """Read a body that must hold a picture of at most so many octets into the spool.

    `uploaded` is filled as the body comes, for who wants to know what was said before a refusal.

    Raises:
        RequestRefused: 400, 413, 415 or 422, as the contract's table of faults says.

    """
    uploaded = await read_parts(request, spool, most, uploaded)
    if not uploaded.pictured:
        raise RequestRefused(problems.validation(wrong("body", _IMAGE, msg="Field required", kind="missing")))
    if not spool.size:
        raise RequestRefused(problems.unsupported_media("the image is empty"))
    return uploaded


async def read_parts(request: Request, spool: Spool, most: int, uploaded: Uploaded | None = None) -> Uploaded:
    """Read a body of parts, with or without a picture; raises `RequestRefused` as `read_picture` does."""
    _validate_length(request.headers, most)
    try:
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            raise RequestRefused(problems.unsupported_media("the body must be multipart/form-data"))
        parser, parts = Parser(boundary), _Parts(spool, most, uploaded or Uploaded())
        async for octets in body_of(request):
            for event in parser.feed(octets):
                await parts.take(event)
        parser.close()
    except Malformed as error:
        raise RequestRefused(problems.bad_request(str(error))) from None
    except BodyTooLarge as error:
        raise RequestRefused(problems.too_large(str(error))) from None
    return parts.uploaded


def _validate_length(headers: Mapping[str, str], most: int) -> None:
    """Refuse a body that says it is too long, before any of it is read."""
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > most + AROUND_PICTURE:
        raise _too_large(most)


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(problems.too_large(f"an image has at most {most:,} bytes"))


def text_of(name: str, octets: bytes) -> str:
    """Return a text with lines that end as those of JSON do: a form of HTML spells each end as two characters.

    Raises `RequestRefused`, 422, for octets that are no UTF-8; `name` is one of ours.
    """
    try:
        return octets.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        row = wrong("body", name, msg="must be UTF-8", kind="string_unicode")
        raise RequestRefused(problems.validation(row)) from None


class _Parts:
    """Takes the events of one body."""

    def __init__(self, spool: Spool, most: int, uploaded: Uploaded) -> None:
        self.uploaded = uploaded
        self._spool = spool
        self._most = most
        self._name = ""
        self._text: bytearray | None = None  # None: the content goes to the spool, or nowhere

    async def take(self, event: Any) -> None:  # noqa: ANN401 - an event of the parser
        match event:
            case Begun():
                await self._begin(event)
            case Content():
                await self._content(event.octets)
            case PartsEnded():
                self._end()

    async def _begin(self, event: Begun) -> None:
        self._name = event.name
        self._text = None if event.is_file or event.name == _IMAGE else bytearray()
        if event.name == _IMAGE:
            await self._spool.empty()
            self.uploaded.pictured = True

    async def _content(self, octets: bytes) -> None:
        if self._text is not None:
            self._text += octets
            if len(self._text) > TEXT_BYTES:
                raise BodyTooLarge(f"a text has at most {TEXT_BYTES:,} bytes")
        elif self._name == _IMAGE:
            if self._spool.size + len(octets) > self._most:
                raise _too_large(self._most)
            await self._spool.write(octets)

    def _end(self) -> None:
        # A name of the client's own is repeated nowhere (T15).
        if self._text is not None and self._name in TEXT_NAMES:
            self.uploaded.said[self._name] = text_of(self._name, bytes(self._text))
