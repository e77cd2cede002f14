"""The bodies of requests: read whole within a bound, or handed on as they come."""

from collections.abc import AsyncIterator
from typing import Any

from pydantic import TypeAdapter

from stagedoor import _problems as problems
from stagedoor._face.inputs import read_as
from stagedoor._face.shapes import is_json, odd_number
from stagedoor._parameters import InputFault, Invalid
from stagedoor._web.disconnect import ClientGone
from stagedoor._web.request import Request
from stagedoor._web.routes import RequestRefused

__all__ = ["chunks_of", "is_bodiless", "json_body", "length_of", "too_large"]

_BOM = b"\xef\xbb\xbf"
_PLAIN = frozenset({b"", b"identity"})  # no coding at all (RFC 9110 8.4)
_JSON_INVALID = "json_invalid"
_DIGITS = 18  # no body is longer than these say


def too_large(limit: int) -> RequestRefused:
    """Return the refusal of a body that is over its bound, in bytes."""
    return RequestRefused(problems.too_large(f"a body has at most {limit:,} bytes here"))


def length_of(request: Request) -> int | None:
    """Return the bytes of the body that a request tells, None where it tells none.

    Zeros may stand in front, as many as there is room for, while Python reads no number of more than 4,300 digits.
    """
    said = request.headers.get(b"content-length")
    if said is None or not said.isdigit():
        return None
    figure = said.lstrip(b"0") or b"0"
    return int(figure[: _DIGITS + 1])


def is_bodiless(request: Request) -> bool:
    """Tell whether a request brings no body at all (RFC 9110 8.6)."""
    fields = request.headers
    if b"content-length" not in fields:
        return b"transfer-encoding" not in fields and b"content-type" not in fields
    return length_of(request) == 0


def validate_length(request: Request, limit: int) -> None:
    """Refuse a body that says it is over the bound, before anything of it is read."""
    if (length_of(request) or 0) > limit:
        raise too_large(limit)


async def chunks_of(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raises `RequestRefused` once it passes the bound, `ClientGone` if it is cut."""
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def json_body(request: Request, adapter: TypeAdapter[Any], limit: int) -> Any:  # noqa: ANN401
    """Return a body of JSON as a value; refuses what is too large (413), no JSON (415, 400) or another value (422)."""
    if not is_json(request.headers.get(b"content-type")):
        raise RequestRefused(
            problems.unsupported_media("the body is JSON here: say Content-Type: application/json")
        )
    if (request.listed(b"content-encoding") or b"").strip().lower() not in _PLAIN:
        raise RequestRefused(problems.unsupported_coding())
    validate_length(request, limit)
    body = b"".join([chunk async for chunk in chunks_of(request, limit)]).removeprefix(_BOM)
    odd = odd_number(body)
    if odd:
        raise Invalid(InputFault(("body",), odd, "finite_number"))
    try:
        return read_as(adapter, body)
    except Invalid as invalid:
        first = invalid.faults[0]
        if first.type == _JSON_INVALID:
            raise RequestRefused(problems.bad_request(f"the body is not JSON: {first.msg}")) from None
        raise
