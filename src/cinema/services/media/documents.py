"""What the OpenAPI document says where the signature of a function cannot."""

from typing import Any, Final

from cinema import texts
from cinema.services.media.names import TYPES

__all__ = ["FORM", "PICTURE"]

_SCHEMA: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": texts.PICTURE},
    "additionalProperties": False,
}
FORM: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}
}
_OCTETS: Final = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES.values()}
PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The picture", "content": _OCTETS},
    206: {"description": "A part of it", "content": _OCTETS},
    304: {"description": "Known already"},
}
