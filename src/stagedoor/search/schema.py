"""What an index holds, declared once: engines derive their mappings, sort keys and the tolerant reading from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from stagedoor.errors import ConfigError
from stagedoor.search.query import ID

__all__ = ["Field", "Index", "Keyword", "Nested", "Number", "Text"]


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str
    also: tuple[str, ...] = ()  # names under which indices filled by others may hold it


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
    """A number or null, held as a 64-bit float for ranges and order."""


@dataclass(frozen=True, kw_only=True)
class Nested(_Named):
    """A list of objects whose fields are asked for by dotted paths."""

    fields: tuple[Keyword | Text | Number, ...]


Field: TypeAlias = Keyword | Text | Number | Nested


@dataclass(frozen=True)
class Index:
    """One index: its name (an alias of a versioned index) and its fields; `id` is one of them, a keyword."""

    name: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.paths.get(ID), Keyword):
            raise ConfigError(f"index {self.name!r}: the keyword {ID!r} is missing from its fields")

    @cached_property
    def paths(self) -> dict[str, Keyword | Text | Number]:
        """Return the leaves by their dotted paths, in order of declaration."""
        leaves: dict[str, Keyword | Text | Number] = {}
        for field in self.fields:
            if isinstance(field, Nested):
                leaves |= {f"{field.name}.{inner.name}": inner for inner in field.fields}
            else:
                leaves[field.name] = field
        return leaves
