"""What is wrong with the declaration of an index: said when the program starts, all at once.

An engine would tell of it at the first document, or never: of two fields of one name it keeps the last, and a name that
a node refuses is a name like any other to the embedded engine.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from stagedoor.search.leaves import (
    Field,
    Higher,
    Integer,
    Keyword,
    Leaf,
    More,
    Nested,
    Number,
    Shorter,
    Text,
    Tie,
)
from stagedoor.search.query import ID

__all__ = ["faults_of"]

_LONGEST: Final = 200  # letters of an index's name, behind which its version has room: nodes take 255
_FIELDS: Final = (*get_args(Leaf), Nested)
# What a node takes as the name of an index, and what is one name in a folder, in a pattern of names and in an address.
_is_index = re.compile(r"[a-z0-9][a-z0-9_.-]*", re.ASCII).fullmatch
# What nodes keep for themselves, and what engines put behind the name of a field for fields of their own.
_is_unfit_field = re.compile(r"_.*|own\d+|.*[.~#@%*,\x00-\x1f].*|.*[-+]||\s.*|.*\s", re.DOTALL).fullmatch


def faults_of(name: str, fields: Sequence[Field], ties: Sequence[Tie]) -> Iterator[str]:
    """Yield what is wrong with an index of this name, these fields and these ties, in words."""
    yield from _of_name(name)
    if not isinstance(fields, tuple) or not isinstance(ties, tuple):
        yield "its fields and its ties are to be tuples"
        return
    if strange := [field for field in fields if not isinstance(field, _FIELDS)]:
        yield f"{strange[0]!r} is no field"
        return
    yield from _of_names([field.name for field in fields])
    yield from _of_id([field for field in fields if field.name == ID])
    for field in fields:
        yield from _of_field(field)
    yield from _of_ties(ties, {field.name: field for field in fields})


def _of_name(name: Any) -> Iterator[str]:  # noqa: ANN401 - anybody may have declared it
    if not isinstance(name, str):
        yield "its name is to be a text"
    elif not _is_index(name) or len(name) > _LONGEST:
        yield (
            "its name is to be of small letters of English and digits, and behind the first also of hyphens, "
            f"underscores and dots, at most {_LONGEST} in all"
        )


def _of_names(names: Sequence[Any], inside: str = "") -> Iterator[str]:
    for name in names:
        if not isinstance(name, str) or _is_unfit_field(name):
            yield (
                f"{inside}{name!r} cannot be the name of a field: that is a text without dots, commas and the signs "
                "~#@%*, that does not begin with an underscore nor end with a sign"
            )
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{inside}{name!r} is the name of {times} fields"


def _of_id(found: Sequence[Field]) -> Iterator[str]:
    if not any(isinstance(field, Keyword) and field.asked for field in found):
        yield f"the keyword {ID!r} is missing from its fields"
    elif any(isinstance(field, Keyword) and (field.many or field.facet or not field.kept) for field in found):
        yield f"{ID!r} is to be one value that is kept, and is not counted"


def _of_field(field: Field) -> Iterator[str]:
    match field:
        case Text(analyzer=analyzer) if analyzer not in ("ru_en", "plain"):
            yield f"{field.name!r}: there is no analyzer {analyzer!r}, but 'ru_en' and 'plain'"
        case Text(many=True, sortable=True):
            yield f"{field.name!r}: several texts have no order, and cannot be sortable"
        case Keyword(facet=True, asked=False):
            yield f"{field.name!r}: what is counted is also to be asked for"
        case Nested():
            yield from _of_objects(field)
        case _:
            pass


def _of_objects(nested: Nested) -> Iterator[str]:
    inside = f"{nested.name}."
    if strange := [field for field in nested.fields if not isinstance(field, get_args(Leaf))]:
        yield f"{inside}: {strange[0]!r} is no field of an object"
        return
    yield from _of_names([field.name for field in nested.fields], inside)


def _of_ties(ties: Sequence[Tie], fields: Mapping[str, Field]) -> Iterator[str]:
    for kind, times in Counter(map(type, ties)).items():
        if times > 1:
            yield f"there are {times} ties of the kind {kind.__name__}"
    for tie in ties:
        for name in tie.fields if isinstance(tie, More) else (tie.field,):
            if not _decides(tie, fields.get(name)):
                yield f"a tie of the kind {type(tie).__name__} goes by {_GONE_BY[type(tie)]}, and {name!r} is none"
        if isinstance(tie, Higher) and not tie.most > 0:
            yield f"the highest {tie.field!r} of a tie is to be above 0"


_GONE_BY: Final = {Shorter: "a text", Higher: "a number", More: "a list"}


def _decides(tie: Tie, field: Field | None) -> bool:
    match tie:
        case Shorter():
            return isinstance(field, Text)
        case Higher():
            return isinstance(field, Number | Integer)
        case More():
            return _is_list(field)


def _is_list(field: Field | None) -> bool:
    return isinstance(field, Nested) or (isinstance(field, Keyword | Text) and field.many)
