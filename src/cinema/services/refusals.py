"""What the OpenAPI document of a service says of refusals: problems, with the statuses of the contract."""

from http import HTTPStatus
from typing import Any, Final

__all__ = ["refusals"]

_TEXT: Final = {"type": "string"}
_PROBLEM: Final = {
    "type": "object",
    "description": "A problem (RFC 9457)",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "instance", "request_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def refusals(*statuses: int, pages: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return what a document says of the refusals with these statuses; `pages`: they may come as a page too."""
    content: dict[str, Any] = {"application/problem+json": {"schema": _PROBLEM}}
    if pages:
        content["text/html"] = {}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
