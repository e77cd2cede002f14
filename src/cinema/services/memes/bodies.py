"""Read the JSON of a body within a bound."""

from fastapi import Request

from cinema.services.bodies import parsed_json
from cinema.services.memes.models import Texts, checked_texts
from cinema.services.memes.uploads import body_of
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["read_texts"]

_MOST = 256 * 1024


async def read_texts(request: Request) -> Texts:
    """Return title and description; raises `RequestRefused`: 400, 413, 415 or 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestRefused(problems.unsupported_media("the body must be application/json"))
    return checked_texts(parsed_json(await read_whole(request, _MOST)))


async def read_whole(request: Request, most: int) -> bytes:
    """Return a body of at most so many bytes; raises `RequestRefused`, 413, for a longer one."""
    body = bytearray()
    async for octets in body_of(request):
        body += octets
        if len(body) > most:
            raise RequestRefused(problems.too_large(f"the body has at most {most:,} bytes here"))
    return bytes(body)
