"""Read what the forms of the wall send: fields of a URL's form, or of parts."""

from urllib.parse import parse_qsl

from fastapi import Request

from cinema.services.memes.bodies import read_whole
from cinema.services.memes.spool import Spool
from cinema.services.memes.uploads import read_parts
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["read_form"]

_MOST = 64 * 1024
_FIELDS = 16


async def read_form(request: Request, spool: Spool) -> dict[str, str]:
    """Return the fields of a form; lines end as they do elsewhere. Raises `RequestRefused`: 400, 413, 415 or 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        said = _fields(await read_whole(request, _MOST))
    else:
        said = (await read_parts(request, spool, _MOST)).said
    # A browser sends each line's end as two characters.
    return {name: text.replace("\r\n", "\n") for name, text in said.items()}


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except ValueError:
        raise RequestRefused(problems.bad_request("the form cannot be read")) from None
    return dict(pairs)
