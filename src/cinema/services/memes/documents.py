"""What the OpenAPI document says where the signature of a function cannot.

What depends on an earlier answer (a cursor, an entity tag, a key) is described in words: a schema promises that every
value of it is taken, and of these only some are.
"""

from http import HTTPStatus
from typing import Any, Final

__all__ = ["CREATE_BODY", "IMAGE_BODY", "TEXTS_BODY", "refusals"]

_DESCRIPTION: Final = {"type": "string", "minLength": 3, "maxLength": 1_000, "pattern": r"^\S[^\x00]*\S$"}
_TITLE: Final = {"type": "string", "minLength": 3, "maxLength": 100, "pattern": r"^\S[^\x00]*\S$"}
# The smallest picture there is: one point, without a palette, so that it is text as well.
_GIF: Final = "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"
# Most octets are no picture, and a schema that says "binary" would promise that they are.
_IMAGE: Final = {
    "type": "string",
    "format": "binary",
    "description": "PNG, JPEG, WebP or GIF, at most 20 MiB; decided by decoding all of it",
    "enum": [_GIF],
}
_PROBLEM: Final = {
    "type": "object",
    "description": "A problem (RFC 9457)",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def _parts(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": [*properties], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


CREATE_BODY: Final = _parts({"image": _IMAGE, "title": _TITLE, "description": _DESCRIPTION})
IMAGE_BODY: Final = _parts({"image": _IMAGE})
_TEXTS: Final = {
    "type": "object",
    "required": ["title", "description"],
    "properties": {"title": _TITLE, "description": _DESCRIPTION},
}
_EXAMPLE: Final = {"title": "Monday", "description": "A cat that knows what day it is"}
TEXTS_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _TEXTS, "example": _EXAMPLE}},
    }
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a document says of the refusals with these statuses."""
    content = {"application/problem+json": {"schema": _PROBLEM}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
