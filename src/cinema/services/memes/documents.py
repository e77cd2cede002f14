"""What the OpenAPI document says where the signature of a function cannot.

What depends on an earlier answer (a cursor, an entity tag, a key) is described in words: a schema promises that every
value of it is taken, and of these only some are.
"""

from typing import Any, Final

from cinema.texts import DESCRIPTION, FORM_NAMES, PICTURE, TITLE

__all__ = ["CREATE_BODY", "IMAGE_BODY", "PAGE", "SEE_OTHER", "TEXTS_BODY"]


def _parts(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [*properties],
        "properties": properties,
        "propertyNames": FORM_NAMES,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


CREATE_BODY: Final = _parts({"image": PICTURE, "title": TITLE, "description": DESCRIPTION})
IMAGE_BODY: Final = _parts({"image": PICTURE})
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
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The wall, for who prefers HTML", "content": {"text/html": {}}}
}
SEE_OTHER: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "To the wall, after its form"}}
