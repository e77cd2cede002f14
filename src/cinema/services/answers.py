"""Turn values into answers: JSON as it is, and every refusal as problem+json (RFC 9457)."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stagedoor._problems import ProblemDetails, fields_of, render

__all__ = ["json_answer", "problem_answer"]


def json_answer(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with a value that is known to be right; nothing is validated again."""
    return Response(
        orjson.dumps(value, option=orjson.OPT_UTC_Z), media_type="application/json", headers=headers
    )


def problem_answer(request: Request, problem: ProblemDetails) -> Response:
    """Answer a refusal or a fault."""
    # As it was asked for, as at the gateway: unquoted it is no reference (RFC 9457 3.1.5).
    raw: bytes = request.scope["raw_path"]
    path = raw.decode("ascii", "replace")
    body = render(problem, instance=path, request_id=request.scope["request_id"], namespace="cinema")
    # The middleware says nosniff on every answer.
    fields = {
        name.decode(): value.decode()
        for name, value in fields_of(problem)
        if name != b"x-content-type-options"
    }
    return Response(body, problem.status, fields)
