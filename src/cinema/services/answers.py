"""Turn values into answers: JSON as it is, and every refusal as problem+json (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

__all__ = ["encode", "json_answer", "problem_answer"]

# One table: status -> last part of the problem's type.
_TYPES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media",
    422: "validation",
    500: "internal",
    503: "upstream-unavailable",
}


def encode(value: object) -> bytes:
    """Write a value as JSON, instants in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_answer(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with a value that is known to be right; nothing is validated again."""
    return Response(encode(value), media_type="application/json", headers=headers)


def problem_answer(
    status: int,
    detail: str,
    *,
    instance: str,
    request_id: str,
    errors: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer a refusal or a fault; `detail` is for people and names nothing internal."""
    body: dict[str, Any] = {
        "type": f"urn:problem-type:cinema:{_TYPES[status]}" if status in _TYPES else "about:blank",
        "title": HTTPStatus(status).phrase.capitalize(),
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }
    if errors is not None:
        body["errors"] = errors
    return Response(encode(body), status, media_type="application/problem+json", headers=headers)
