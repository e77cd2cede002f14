"""What an index holds, declared once: engines derive their mappings, sort keys and the tolerant reading from it."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from stagedoor.errors import ConfigError
from stagedoor.search.query import ID

__all__ = [
    "Boolean",
    "Date",
    "Field",
    "Higher",
    "Index",
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
    "WordPlace",
    "single",
]

_SINGLE = struct.Struct("f")
_LARGEST = 3.4028234663852886e38


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


@dataclass(frozen=True)
class WordPlace:
    """Where the words of one text are kept, or of several that are asked for together."""

    name: str
    fields: tuple[str, ...]
    title: bool = False
    shared: bool = False
    plain: bool = False


Whole: TypeAlias = Integer | Date | Boolean
Leaf: TypeAlias = Keyword | Text | Number | Whole
Field: TypeAlias = Leaf | Nested
"""How one field of a document is indexed and compared."""


@dataclass(frozen=True)
class Index:
    """One index: its name (an alias of a versioned index) and its fields; `id` is one of them, a keyword.

    `ties` say which of equally relevant documents come first, at most one of each kind, in the order in which they are
    declared here: shorter, higher, more.
    """

    name: str
    fields: tuple[Field, ...]
    ties: tuple[Tie, ...] = ()
    exists: bool = True  # whether fields have a value may be asked

    def __post_init__(self) -> None:
        if not isinstance(self.paths.get(ID), Keyword):
            raise ConfigError(f"index {self.name!r}: the keyword {ID!r} is missing from its fields")
        for name in {leaf.together for leaf in self.paths.values() if isinstance(leaf, Text)} - {""}:
            self._validate_alike(name)
        if taken := {place.name for place in self.places if place.shared} & self.paths.keys():
            raise ConfigError(
                f"index {self.name!r}: {min(taken)!r} is a field, and cannot be a place of several"
            )

    def _validate_alike(self, name: str) -> None:
        texts = [leaf for leaf in self.paths.values() if isinstance(leaf, Text) and leaf.together == name]
        if len({text.analyzer for text in texts}) > 1:
            raise ConfigError(f"index {self.name!r}: texts together as {name!r} are to be analysed alike")

    @cached_property
    def paths(self) -> dict[str, Leaf]:
        """List what can be asked for, by dotted path and in order of declaration."""
        leaves: dict[str, Leaf] = {}
        for field in self.fields:
            if not isinstance(field, Nested):
                if not isinstance(field, Keyword) or field.asked:
                    leaves[field.name] = field
                continue
            for inner in field.fields:
                if field.asked and isinstance(inner, Keyword):
                    leaves[f"{field.name}.{inner.name}"] = inner
        return leaves

    @cached_property
    def places(self) -> tuple[WordPlace, ...]:
        """List where words are kept: a place for each text that is asked for alone, and for those asked together."""
        texts = [leaf for leaf in self.paths.values() if isinstance(leaf, Text)]
        found = [
            WordPlace(text.name, (text.name,), text.title, plain=_is_plain(text))
            for text in texts
            if text.alone
        ]
        for name in dict.fromkeys(text.together for text in texts if text.together):
            members = [text for text in texts if text.together == name]
            names = tuple(text.name for text in members)
            found.append(WordPlace(name, names, shared=True, plain=_is_plain(members[0])))
        return tuple(found)

    def places_of(self, fields: Iterable[str]) -> tuple[WordPlace, ...]:
        """Choose the places that hold just these texts, as few as there are; raises `ValueError` if there are none."""
        names = sorted(set(fields))
        left, found = set(names), []
        for place in sorted(self.places, key=lambda place: -len(place.fields)):
            if left and left.issuperset(place.fields):
                left.difference_update(place.fields)
                found.append(place)
        if left:
            raise ValueError(f"index {self.name!r}: {min(left)!r} is not asked for alone")
        if len({place.plain for place in found}) > 1:
            raise ValueError(f"index {self.name!r}: {', '.join(names)} are not analysed alike")
        return tuple(found)

    @cached_property
    def nested(self) -> dict[str, Nested]:
        """Name the lists of objects that are asked for."""
        return {field.name: field for field in self.fields if isinstance(field, Nested) and field.asked}

    @cached_property
    def objects(self) -> dict[str, "Index"]:
        """Name the lists of objects that are asked for, with the fields of their objects as an index."""
        return {
            name: Index(name, (Keyword(name=ID), *(field for field in nested.fields if field.name != ID)))
            for name, nested in self.nested.items()
        }

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Name the texts that keep the order of their words."""
        return tuple(name for name, leaf in self.paths.items() if isinstance(leaf, Text) and leaf.phrases)

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
        return (
            path == ID
            or isinstance(leaf, Number | Integer | Date)
            or (isinstance(leaf, Text) and leaf.sortable)
        )

    def is_whole(self, path: str) -> bool:
        """Tell whether a field holds whole numbers, moments or booleans."""
        return isinstance(self.paths.get(path), Whole)

    def is_facet(self, path: str) -> bool:
        """Tell whether the values of a keyword can be counted."""
        leaf = self.paths.get(path)
        return isinstance(leaf, Keyword) and leaf.facet and "." not in path

    def is_number(self, path: str) -> bool:
        """Tell whether a field holds numbers."""
        return isinstance(self.paths.get(path), Number)


def _is_plain(text: Text) -> bool:
    return text.analyzer == "plain"


def single(number: float) -> float:
    """Return the nearest number in single precision; what is too large becomes the largest there is."""
    return float(_SINGLE.unpack(_SINGLE.pack(max(-_LARGEST, min(_LARGEST, number))))[0])
