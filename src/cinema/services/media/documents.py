"""What the OpenAPI document says where the signature of a function cannot."""

from typing import Any, Final

from cinema.services.media.names import TYPES

__all__ = ["FORM", "PICTURE"]

# The smallest picture there is: one point, without a palette, so that it is text as well. Most octets are no picture,
# and a schema that says "binary" would promise that they are.
_GIF: Final = "GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"
_FILE: Final = {
    "type": "string",
    "format": "binary",
    "description": "PNG, JPEG, WebP or GIF; decided by decoding all of it",
    "enum": [_GIF],
}
_SCHEMA: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _FILE},
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
