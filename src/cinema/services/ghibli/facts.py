"""The facts in the tree, with absolute links, and what may be asked of them."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import orjson

__all__ = ["Fact", "Facts", "matching", "only", "read_facts"]

Fact: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = Mapping[str, Sequence[Fact]]
_LINK = re.compile(r"(?:films|people|species|locations|vehicles)/[0-9a-f-]*")


def read_facts(base: str) -> Facts:
    """Return all facts by kind; their links begin with the address `base`."""
    text = files("cinema.services.ghibli").joinpath("facts.json").read_bytes()
    return {
        kind: [{name: _linked(base, value) for name, value in one.items()} for one in rows]
        for kind, rows in orjson.loads(text).items()
    }


def _linked(base: str, value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return [f"{base}/{link}" for link in value]
    return f"{base}/{value}" if _LINK.fullmatch(value) else value


def matching(rows: Sequence[Fact], asked: Mapping[str, str]) -> Sequence[Fact]:
    """Return what equals everything asked for; names that are no field ask for nothing."""
    return [
        one for one in rows if all(_text(one[name]) == text for name, text in asked.items() if name in one)
    ]


def _text(value: str | list[str]) -> str:
    """Return a value as the public API compares it: a list is its links, joined."""
    return value if isinstance(value, str) else ",".join(value)


def only(fact: Fact, fields: str) -> Fact:
    """Return the named fields of a fact, comma-separated; all of them if none is named."""
    names = {name.strip() for name in fields.split(",")} - {""}
    return {name: value for name, value in fact.items() if name in names} if names else fact
