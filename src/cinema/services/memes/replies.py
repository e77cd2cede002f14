"""Write answers about memes: JSON in one form, with its entity tag."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Request
from starlette.responses import Response

from cinema.services.memes.entities import as_json, as_meme, entity_tag, is_named

__all__ = ["PURGE", "created", "gone", "one_answer", "purging", "tagged", "written"]

# Which kept pictures a write has made wrong; for the gateway, which takes the field off.
PURGE: Final = "Stagedoor-Purge"
_NO_CACHE: Final = {"Cache-Control": "no-cache"}


def tagged(
    request: Request, body: bytes, *, fields: Mapping[str, str], media_type: str = "application/json"
) -> Response:
    """Answer with a body and its tag, or 304 if that is the one the client has."""
    tag = entity_tag(body, *(f"{name}:{said}".encode() for name, said in sorted(fields.items())))
    headers = {"ETag": tag, **_NO_CACHE, **fields}
    if is_named(tag, request.headers.get("if-none-match"), weakly=True):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def one_answer(request: Request, row: dict[str, Any]) -> Response:
    """Answer one meme."""
    return tagged(request, as_json(as_meme(row)), fields={})


def written(body: bytes, status: int = 200, fields: Mapping[str, str] | None = None) -> Response:
    """Answer a write with the meme as it is now."""
    headers = {"ETag": entity_tag(body), **_NO_CACHE, **(fields or {})}
    return Response(body, status, headers, media_type="application/json")


def created(body: bytes) -> Response:
    """Answer a meme that is new, or was when its key was first used."""
    return written(body, 201, {"Location": f"/api/memes/{orjson.loads(body)['id']}"})


def gone(name: str) -> Response:
    """Answer a deletion."""
    return Response(status_code=204, headers={**_NO_CACHE, **purging(name)})


def purging(name: str) -> dict[str, str]:
    """Return the field that names a picture which is no more."""
    return {PURGE: f"file:{name}"}
