"""What a field of an index may be, and what decides between documents of one score."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "Boolean",
    "Date",
    "Field",
    "Higher",
    "Integer",
    "Keyword",
    "Leaf",
    "More",
    "Nested",
    "Number",
    "Shorter",
    "Text",
    "Tie",
    "Whole",
]


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str
    also: tuple[str, ...] = ()  # names under which indices filled by others may hold it
    kept: bool = True  # False: only to be asked for, not part of the documents in answers


@dataclass(frozen=True, kw_only=True)
class Keyword(_Named):
    """Exact values: an id, a name to compare as a whole; `many` is a list of them. Those of a `facet` are counted.

    One that is not `asked` for is only kept, and costs nothing more.
    """

    many: bool = False
    facet: bool = False
    asked: bool = True


@dataclass(frozen=True, kw_only=True)
class Text(_Named):
    """Words for `Match`; `sortable` keeps the raw value beside them, for order. `many` is a list of texts.

    A `title` is also found as a whole, and by what it begins with. Texts of the same `together` have a place for all
    their words, which is quicker to ask than each of theirs; one that is never asked for by itself is not `alone`.
    One that keeps the order of its words may be asked for `phrases`. The `analyzer` is of English and Russian (`ru_en`,
    with stems, and small words that do not count alone) or of no language (`plain`: every word counts, as it is).
    """

    many: bool = False
    sortable: bool = False
    title: bool = False
    together: str = ""
    alone: bool = True
    phrases: bool = False
    analyzer: Literal["ru_en", "plain"] = "ru_en"


@dataclass(frozen=True, kw_only=True)
class Number(_Named):
    """A number or null, compared in single precision: as the index keeps it, on every engine."""


@dataclass(frozen=True, kw_only=True)
class Integer(_Named):
    """A whole number of 64 bits, or null, compared exactly."""


@dataclass(frozen=True, kw_only=True)
class Date(_Named):
    """A date, with or without a time, as ISO 8601 has it, or null; compared to the millisecond."""


@dataclass(frozen=True, kw_only=True)
class Boolean(_Named):
    """True, false, or null."""


@dataclass(frozen=True, kw_only=True)
class Nested(_Named):
    """A list of objects; `asked` if their fields are asked for, keywords by dotted paths, else they are only kept."""

    fields: tuple[Keyword | Text | Number | Integer | Date | Boolean, ...]
    asked: bool = False


@dataclass(frozen=True)
class Shorter:
    """Of equally relevant documents, those whose text here is shorter come first."""

    field: str


@dataclass(frozen=True)
class Higher:
    """Of equally relevant documents, those whose number here is higher come first; `most` is about the highest."""

    field: str
    most: float = 10.0


@dataclass(frozen=True)
class More:
    """Of equally relevant documents, those that hold more of these values come first."""

    fields: tuple[str, ...]


Tie: TypeAlias = Shorter | Higher | More
Whole: TypeAlias = Integer | Date | Boolean
Leaf: TypeAlias = Keyword | Text | Number | Whole
Field: TypeAlias = Leaf | Nested
"""How one field of a document is indexed and compared."""
