"""What the OpenAPI document says where the signature of a function cannot.

What depends on an earlier answer (a cursor, an entity tag, a key) is described in words: a schema promises that every
value of it is taken, and of these only some are.
"""

from http import HTTPStatus
from typing import Any, Final

from cinema.texts import DESCRIPTION, FORM_NAMES, SMALLEST_PICTURE, TITLE

__all__ = ["CREATE_BODY", "IMAGE_BODY", "PAGE", "SEE_OTHER", "TEXTS_BODY", "refusals"]

_IMAGE: Final = {
    "type": "string",
    "format": "binary",
    "description": "PNG, JPEG, WebP or GIF, at most 20 MiB; decided by decoding all of it",
    "enum": [SMALLEST_PICTURE],
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
    schema = {
        "type": "object",
        "required": [*properties],
        "properties": properties,
        "propertyNames": FORM_NAMES,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


CREATE_BODY: Final = _parts({"image": _IMAGE, "title": TITLE, "description": DESCRIPTION})
IMAGE_BODY: Final = _parts({"image": _IMAGE})
_TEXTS: Final = {
    "type": "object",
    "required": ["title", "description"],
    "properties": {"title": TITLE, "description": DESCRIPTION},
}
_EXAMPLE: Final = {"title": "Monday", "description": "A cat that knows what day it is"}
TEXTS_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _TEXTS, "example": _EXAMPLE}},
    }
}


def refusals(*statuses: int, pages: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return what a document says of the refusals with these statuses; `pages`: of a form of the wall too."""
    content: dict[str, Any] = {"application/problem+json": {"schema": _PROBLEM}}
    if pages:
        content["text/html"] = {}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The wall, for who prefers HTML", "content": {"text/html": {}}}
}
SEE_OTHER: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "To the wall, after its form"}}
