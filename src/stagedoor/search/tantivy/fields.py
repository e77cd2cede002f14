"""How an index is kept in Tantivy: its physical fields, and documents in their form.

Tantivy has no nested documents: of objects their keywords are indexed as flat lists, and the document as a whole is
stored as JSON, from which answers are read. How keywords become terms is told in `keywords`.

Words are analysed here and handed over divided by blanks, in the parts that `places` tells of. Beside each part that
forgives errors stands another with the first letter of each longer word three times (`~words3`): "star" is kept as
"ssstar". No two edits get from one first letter to another, so that Tantivy's fuzzy query, which knows no fixed prefix,
keeps the first letter fixed by itself where two errors are forgiven.

What can be sorted by has columns of its own. A text is compared by its first eight bytes as one number (`#`), then by
the next eight (`##`), which is quick, and only within a group of equal ones as a whole (`@`), which is left out where
the numbers say all of it. An id is two numbers,
`#` and `##`. A number is kept as its `rank`, and has two columns more: with the first bits of the id packed behind it,
ascending (`+`) and descending (`-`), both to be read upwards, null last. A facet is found and counted by one (`%`).

Relevance is a score, of which thousands may be equal. What decides then is a number (`_prior`), and after it the id.
`_early` is larger the smaller that number; scores are weighted with it by less than their smallest difference, so that
ties come in that order from the search itself, but for a few.

Documents are handed over as JSON, which Tantivy reads without the interpreter's lock: to make its objects here, value
by value, costs twice as much. Its reader of JSON may be a bit off with fractions, which is why numbers are ranks.
"""

from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import orjson
import tantivy

from stagedoor.search.compared import LEAST, comparable
from stagedoor.search.documents import as_declared, refusal, validate_value
from stagedoor.search.keys import LEVELS, packed, prior_of, rank, text_keys
from stagedoor.search.leaves import Boolean, Date, Integer, Keyword, Leaf, Nested, Number, Text, Whole
from stagedoor.search.phrases import in_order, ordered
from stagedoor.search.places import THRICE, filler, part, parts
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.keywords import Terms, uuid_number

__all__ = ["DIVIDED", "EARLY", "PRIOR", "SOURCE", "THERE", "builder", "schema_of", "whole_key"]

SOURCE: Final = "_source"
EARLY: Final = "_early"
PRIOR: Final = "_prior"
THERE: Final = "_there"  # the names of the fields that have a value
DIVIDED: Final = "divided"  # the tokenizer that divides at blanks
_LONGEST: Final = (
    32_766  # bytes of one term: Lucene refuses longer ones, Tantivy leaves them out from 65,531 on
)
_SHORT: Final = _LONGEST // 4  # letters that are no more bytes than that
_LOW: Final = (1 << 64) - 1
_HIGH: Final = ID + "#"
_LOW_HALF: Final = ID + "##"


def schema_of(index: Index) -> tantivy.Schema:
    """Return the physical schema of an index."""
    build = tantivy.SchemaBuilder()
    build.add_bytes_field(SOURCE, stored=True)
    build.add_float_field(EARLY, fast=True)
    build.add_unsigned_field(PRIOR, fast=True)
    if index.exists:
        build.add_text_field(THERE, tokenizer_name="raw", index_option="basic")
    for name in _parts_of(index):
        build.add_text_field(name, tokenizer_name=DIVIDED, index_option="basic")
    for path, leaf in index.paths.items():
        _add_columns(build, path, leaf)
    for name in index.phrases:
        build.add_text_field(in_order(name), tokenizer_name=DIVIDED, index_option="position")
    return build.build()


def _add_columns(build: tantivy.SchemaBuilder, path: str, leaf: Leaf) -> None:
    match leaf:
        case Keyword(facet=True) if "." not in path:
            build.add_text_field(path + "%", tokenizer_name="raw", index_option="basic", fast=True)
        case Keyword():
            build.add_unsigned_field(path, indexed=True)
        case Number():
            build.add_unsigned_field(path, indexed=True, fast=True)
            build.add_unsigned_field(path + "+", fast=True)
            build.add_unsigned_field(path + "-", fast=True)
        case Integer() | Date() | Boolean():
            build.add_unsigned_field(path, indexed=True, fast=True)
        case Text():
            pass
    sortable = isinstance(leaf, Text) and leaf.sortable
    if path == ID or sortable:
        build.add_unsigned_field(path + "#", fast=True)
        build.add_unsigned_field(path + "##", fast=True)
    if sortable:
        build.add_text_field(path + "@", tokenizer_name="raw", index_option="basic", fast=True)


def _parts_of(index: Index) -> Iterator[str]:
    for place in index.places:
        yield from (part(place.name, name) for name in parts(place))
        yield part(place.name, THRICE)


def _id_keys(document_id: str, terms: Terms) -> tuple[int, int, int]:
    """Return the term of an id, and two numbers that order as ids do; raises `ValueError` for one that does not fit.

    It fits if it is a UUID in lower case, whose hyphens at fixed places order nothing, or at most 16 bytes.
    """
    number = uuid_number(document_id)
    if number is not None:
        return terms.of_uuid(number), number >> 64, number & _LOW
    raw = document_id.encode()
    if len(raw) > 16:
        raise ValueError(f"the id {document_id!r} is neither a UUID in lower case nor 1 to 16 bytes")
    number = int.from_bytes(raw.ljust(16, b"\0"))
    return terms.of_text(document_id), number >> 64, number & _LOW


def earliness(level: int) -> float:
    """Return what falls while a level rises, in steps that single precision tells apart and scores do not feel."""
    return (LEVELS - 1 - level) * 2.0**-22


def builder(index: Index, terms: Terms) -> Callable[[Document], str]:
    """Return what turns a document into its physical form, as JSON; that raises for a document of another shape."""
    steps = [
        _step(path, leaf, terms)
        for path, leaf in index.paths.items()
        if path != ID and (not isinstance(leaf, Text) or leaf.sortable)
    ]
    steps += map(_order_step, index.phrases)
    steps += [_objects_step(nested) for nested in index.nested.values() if _is_compared(nested)]
    if index.exists:
        steps.append(_exists_step([field.name for field in index.fields]))
    kept = [field.name for field in index.fields if field.kept]
    fill = filler(index, thrice=True)
    prior = prior_of(index)

    def build(document: Document) -> str:
        if reason := refusal(document, index):
            raise ValueError(reason)
        document = as_declared(document, index)
        term, high, low = _id_keys(document[ID], terms)
        source = orjson.dumps({name: document[name] for name in kept})
        place, level = prior(document) if index.ties else (0, high * LEVELS >> 64)
        physical: _Physical = {
            SOURCE: b2a_base64(source, newline=False).decode(),
            ID: term,
            _HIGH: high,
            _LOW_HALF: low,
            PRIOR: place,
            EARLY: earliness(level),
            **fill(document),
        }
        for step in steps:
            step(physical, document, high)
        return orjson.dumps(physical).decode()

    return build


_Physical: TypeAlias = dict[str, Any]
_Step: TypeAlias = Callable[[_Physical, Document, int], None]


def _step(path: str, leaf: Leaf, terms: Terms) -> _Step:
    match leaf:
        case Keyword():
            if "." in path:
                return _inner_keyword_step(path, terms)
            return _facet_step(path) if leaf.facet else _keyword_step(path, terms)
        case Text():
            return _text_step(path)
        case Number():
            return _number_step(path)
        case Integer() | Date() | Boolean():
            return _whole_step(path, leaf)


def _facet_step(path: str) -> _Step:
    name = path + "%"

    def step(physical: _Physical, document: Document, _: int) -> None:
        value = document[path]
        if isinstance(value, list):
            if len("".join(value)) > _SHORT:  # raises where one of them is no text
                _validate_lengths(path, value)
            physical[name] = list(dict.fromkeys(value))
        elif value is not None:
            if len(value) > _SHORT:
                _validate_lengths(path, [value])
            physical[name] = str.__str__(value)  # which raises for what is no text

    return step


def _keyword_step(path: str, terms: Terms) -> _Step:
    def step(physical: _Physical, document: Document, _: int) -> None:
        value = document[path]
        if isinstance(value, list):
            physical[path] = terms.many(value)
        elif value is not None:
            physical[path] = terms.one(value)

    return step


def _inner_keyword_step(path: str, terms: Terms) -> _Step:
    head, _, tail = path.partition(".")

    def step(physical: _Physical, document: Document, _: int) -> None:
        values = [value for one in document[head] or () if (value := one.get(tail)) is not None]
        if list in map(type, values):
            values = [one for value in values for one in (value if isinstance(value, list) else [value])]
        physical[path] = terms.many(values)

    return step


def _is_compared(nested: Nested) -> bool:
    """Tell whether objects hold what is looked at only when asked for: wrong there, it would fail each question."""
    return any(isinstance(field, Number | Whole) for field in nested.fields)


def _objects_step(nested: Nested) -> _Step:
    def step(_: _Physical, document: Document, __: int) -> None:
        validate_value(nested, document[nested.name])

    return step


def _text_step(path: str) -> _Step:
    first, second, whole = path + "#", path + "##", path + "@"

    def step(physical: _Physical, document: Document, _: int) -> None:
        value = document[path]
        if value is None:
            return
        text = " ".join(value) if isinstance(value, list) else value
        physical[first], physical[second] = _, low = text_keys(text, 2)
        if low & 0xFF:  # the two numbers do not tell all of it
            if len(text) > _SHORT:
                _validate_lengths(path, [text])
            physical[whole] = text

    return step


def _validate_lengths(path: str, values: Sequence[str]) -> None:
    """Raise for a value that is too long to be counted or sorted by, and would be missing there without a word."""
    for value in values:
        if (length := len(value.encode())) > _LONGEST:
            raise ValueError(f"{path!r}: a value of {length:,} bytes is too long: at most {_LONGEST:,}")


def _order_step(path: str) -> _Step:
    name = in_order(path)

    def step(physical: _Physical, document: Document, _: int) -> None:
        physical[name] = ordered(document[path])

    return step


def _whole_step(path: str, leaf: Leaf) -> _Step:
    def step(physical: _Physical, document: Document, _: int) -> None:
        if document[path] is not None:
            physical[path] = whole_key(comparable(leaf, document[path]))

    return step


def whole_key(value: int) -> int:
    """Return a whole number with a sign as one without, which orders as it does."""
    return value - LEAST


def _exists_step(names: Sequence[str]) -> _Step:
    def step(physical: _Physical, document: Document, _: int) -> None:
        physical[THERE] = [name for name in names if document[name] not in (None, [])]

    return step


def _number_step(path: str) -> _Step:
    upwards, downwards = path + "+", path + "-"

    def step(physical: _Physical, document: Document, id_key: int) -> None:
        value = document[path]
        if value.__class__ is bool:
            raise TypeError(f"{value!r} is no number")
        place = None if value is None else rank(value)
        physical[upwards], physical[downwards] = packed(place, id_key >> 32)
        if place is not None:
            physical[path] = place

    return step
