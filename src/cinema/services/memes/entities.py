"""Say which state of a meme, or of a list, an answer shows: entity tags, and conditions on them (RFC 9110 8.8, 13)."""

import hashlib
import re
from typing import Any, Final

import orjson

from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = ["as_json", "as_meme", "entity_tag", "is_named", "not_found", "tag_of", "validate_match"]

_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def as_meme(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is answered."""
    return {
        "id": row["id"],
        "title": row["title"],
        "description": row["description"],
        "created_at": row["created_at"].isoformat(timespec="microseconds"),
        "image_url": f"/api/files/{row['image_name']}",
    }


def as_json(value: object) -> bytes:
    """Return the one form in which a value is answered, so that its tag is always the same."""
    return orjson.dumps(value)


def entity_tag(*parts: bytes) -> str:
    """Return a strong tag of what is answered."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return f'"{digest.hexdigest()}"'


def tag_of(row: dict[str, Any]) -> str:
    """Return the tag of a meme."""
    return entity_tag(as_json(as_meme(row)))


def is_named(tag: str, said: str | None, *, weakly: bool) -> bool:
    """Tell whether a field names this tag, or any by `*`; only If-None-Match compares weakly (RFC 9110 8.8.3.2)."""
    if said is None:
        return False
    if said.strip() == "*":
        return True
    return any(text == tag and (weakly or not weak) for weak, text in _TAG.findall(said))


def not_found(meme_id: str) -> RequestRefused:
    """Return the refusal of an id that no meme has."""
    return RequestRefused(problems.not_found(f'Meme with id "{meme_id}" not found'))


def validate_match(row: dict[str, Any], if_match: str | None) -> None:
    """Do nothing if a write may go on.

    Raises:
        RequestRefused: 412, `If-Match` names other states than the present one.

    """
    if if_match is not None and not is_named(tag_of(row), if_match, weakly=False):
        raise RequestRefused(problems.precondition_failed("this meme has changed since; read it again"))
