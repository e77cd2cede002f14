"""What an index holds, declared once: engines derive their mappings, sort keys and the tolerant reading from it."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from stagedoor.errors import ConfigError
from stagedoor.search.declarations import faults_of
from stagedoor.search.leaves import (
    Date,
    Field,
    Integer,
    Keyword,
    Leaf,
    Nested,
    Number,
    Text,
    Tie,
    Whole,
)
from stagedoor.search.query import ID

__all__ = ["Index", "WordPlace", "single"]

_SINGLE = struct.Struct("f")
_LARGEST = 3.4028234663852886e38


@dataclass(frozen=True)
class WordPlace:
    """Where the words of one text are kept, or of several that are asked for together."""

    name: str
    fields: tuple[str, ...]
    title: bool = False
    shared: bool = False
    plain: bool = False


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
        if faults := [*faults_of(self.name, self.fields, self.ties)]:
            raise ConfigError(f"index {self.name!r}: {'; '.join(faults)}")
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
        return {name: _Objects(name, nested.fields) for name, nested in self.nested.items()}

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


class _Objects(Index):
    """The fields of the objects of a list, which need no id, and may have one of any kind."""

    def __post_init__(self) -> None:
        pass  # with the index that they are a part of they were judged


def _is_plain(text: Text) -> bool:
    return text.analyzer == "plain"


def single(number: float) -> float:
    """Return the nearest number in single precision; what is too large becomes the largest there is."""
    return float(_SINGLE.unpack(_SINGLE.pack(max(-_LARGEST, min(_LARGEST, number))))[0])
