"""Read the JSON of a body as the gateway does, so that a value is told the same at either (contract 1.2)."""

import json
from typing import Final

from stagedoor import _problems as problems
from stagedoor._face.shapes import odd_number
from stagedoor._web.routes import RequestRefused

__all__ = ["parsed_json"]

_BOM: Final = b"\xef\xbb\xbf"


def parsed_json(body: bytes) -> object:
    """Return what a body of JSON says.

    Raises:
        RequestRefused: 400, it is no JSON in UTF-8; 422, it holds a number that is none, or that is too large.

    """
    plain = body.removeprefix(_BOM)
    odd = odd_number(plain)
    if odd:
        raise RequestRefused(problems.validation({"loc": ["body"], "msg": odd, "type": "finite_number"}))
    try:
        # Not orjson: a lone surrogate is JSON (RFC 8259 8.2), and the check says what is wrong with it.
        return json.loads(plain.decode())
    except (ValueError, RecursionError):
        raise RequestRefused(problems.bad_request("the body is not valid JSON")) from None
