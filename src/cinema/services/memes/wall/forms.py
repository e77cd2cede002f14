"""Read what the forms of the wall send: fields of a URL's form, or of parts."""

from urllib.parse import parse_qsl

from fastapi import Request

from cinema.services.memes.bodies import read_whole
from cinema.services.memes.spool import Spool
from cinema.services.memes.uploads import TEXT_NAMES, read_parts, text_of
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["read_form"]

_MOST = 64 * 1024
_FIELDS = 16


async def read_form(request: Request, spool: Spool) -> dict[str, str]:
    """Return the fields of a form. Raises `RequestRefused`: 400, 413, 415 or 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _fields(await read_whole(request, _MOST))
    return (await read_parts(request, spool, _MOST)).said


def _fields(body: bytes) -> dict[str, str]:
    if body.count(b"&") >= _FIELDS:
        raise RequestRefused(problems.too_large(f"there are at most {_FIELDS} fields"))
    try:  # octet by octet: which of the texts is no UTF-8 is told below
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding="latin-1")
    except ValueError:
        raise RequestRefused(problems.bad_request("the form cannot be read")) from None
    return {name: text_of(name, text.encode("latin-1")) for name, text in pairs if name in TEXT_NAMES}
