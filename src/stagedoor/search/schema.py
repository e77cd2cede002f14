"""What an index holds, declared once: engines derive their mappings, sort keys and the tolerant reading from it."""

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from stagedoor.errors import ConfigError
from stagedoor.search.query import ID

__all__ = ["Field", "Index", "Keyword", "Leaf", "Nested", "Number", "Text", "single"]

_SINGLE = struct.Struct("f")
_LARGEST = 3.4028234663852886e38


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str
    also: tuple[str, ...] = ()  # names under which indices filled by others may hold it
    kept: bool = True  # False: only to be asked for, not part of the documents in answers


@dataclass(frozen=True, kw_only=True)
class Keyword(_Named):
    """Exact values: an id, a name to compare as a whole; `many` is a list of them."""

    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Text(_Named):
    """Words for `Match`; `sortable` keeps the raw value beside them, for order. `many` is a list of texts."""

    many: bool = False
    sortable: bool = False


@dataclass(frozen=True, kw_only=True)
class Number(_Named):
    """A number or null, compared in single precision: as the index keeps it, on every engine."""


@dataclass(frozen=True, kw_only=True)
class Nested(_Named):
    """A list of objects; `asked` if their keywords are asked for by dotted paths, else they are only kept."""

    fields: tuple[Keyword | Text | Number, ...]
    asked: bool = False


Leaf: TypeAlias = Keyword | Text | Number
Field: TypeAlias = Keyword | Text | Number | Nested
"""How one field of a document is indexed and compared."""


@dataclass(frozen=True)
class Index:
    """One index: its name (an alias of a versioned index) and its fields; `id` is one of them, a keyword."""

    name: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.paths.get(ID), Keyword):
            raise ConfigError(f"index {self.name!r}: the keyword {ID!r} is missing from its fields")

    @cached_property
    def paths(self) -> dict[str, Leaf]:
        """List what can be asked for, by dotted path and in order of declaration."""
        leaves: dict[str, Leaf] = {}
        for field in self.fields:
            if not isinstance(field, Nested):
                leaves[field.name] = field
                continue
            for inner in field.fields:
                if field.asked and isinstance(inner, Keyword):
                    leaves[f"{field.name}.{inner.name}"] = inner
        return leaves

    @cached_property
    def joined(self) -> tuple[str, ...]:
        """Name the texts that one question may span: all of them, or none where there is only one."""
        texts = tuple(path for path, leaf in self.paths.items() if isinstance(leaf, Text))
        return texts if len(texts) > 1 else ()

    @cached_property
    def names(self) -> frozenset[str]:
        """Name the top-level fields that documents have."""
        return frozenset(field.name for field in self.fields)

    @cached_property
    def fingerprint(self) -> str:
        """Write a text that differs for declarations whose indices cannot serve each other."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @cached_property
    def unkept(self) -> frozenset[str]:
        """Name the fields that can be asked for but are left out of answers."""
        return frozenset(field.name for field in self.fields if not field.kept)

    def is_sortable(self, path: str) -> bool:
        """Tell whether documents can be sorted by a field: numbers, texts declared so, and `id`."""
        leaf = self.paths.get(path)
        return path == ID or isinstance(leaf, Number) or (isinstance(leaf, Text) and leaf.sortable)

    def is_number(self, path: str) -> bool:
        """Tell whether a field holds numbers."""
        return isinstance(self.paths.get(path), Number)


def single(number: float) -> float:
    """Return the nearest number in single precision; what is too large becomes the largest there is."""
    return float(_SINGLE.unpack(_SINGLE.pack(max(-_LARGEST, min(_LARGEST, number))))[0])
