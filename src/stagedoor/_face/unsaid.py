"""What a problem may not repeat: names that the client made up.

A body is data of the client's, and may be a secret (T15). Where a fault lies is told by the names that a type declares;
a member that no type knows, or the key of a table, is "*".
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter

__all__ = ["made_up", "plain"]

_KEPT = 256  # types of bodies
_TAG_TYPES = frozenset({"union_tag_invalid"})  # its text repeats the tag


def made_up(adapter: TypeAdapter[Any], body: bytes) -> frozenset[str]:
    """Return the names of a body that its type does not declare."""
    try:
        said = orjson.loads(body)
    except ValueError:  # no JSON, or more than orjson reads: its places are positions
        return frozenset()
    return frozenset(_names(said)) - _known(adapter)


def plain(kind: str, text: str) -> str:
    """Return the text of a fault without what the client said."""
    return "is of no kind that is known here" if kind in _TAG_TYPES else text


def _names(said: object) -> Iterator[str]:
    left = [said]  # not by recursion: bodies may be deep
    while left:
        match left.pop():
            case dict() as table:
                yield from table
                left.extend(table.values())
            case list() as items:
                left.extend(items)


@lru_cache(_KEPT)
def _known(adapter: TypeAdapter[Any]) -> frozenset[str]:
    return frozenset(_declared(adapter.json_schema(mode="validation")))


def _declared(schema: object) -> Iterator[str]:
    match schema:
        case Mapping():
            properties = schema.get("properties")
            if isinstance(properties, Mapping):
                yield from properties
            for inner in schema.values():
                yield from _declared(inner)
        case list():
            for inner in schema:
                yield from _declared(inner)
