"""How an index is kept in Tantivy: its physical fields, and documents in their form.

Tantivy has no nested documents: of objects their keywords are indexed as flat lists, and the document as a whole is
stored as JSON, from which answers are read. How keywords become terms is told in `keywords`.

Words are analysed here and handed over divided by spaces, each with its first letter three times: "star" is kept as
"ssstar". No two edits get from one first letter to another, so that Tantivy's fuzzy query, which knows no fixed
prefix, keeps the first letter fixed by itself.

One field more (`_words`) has the words of all texts of a document: who searches every text asks it alone, for what
accepts all that is near a word walks through every word that a field has.

What can be sorted by has columns of its own. A text is compared by its first eight bytes as one number (`#`), then by
the next eight (`##`), which is quick, and only within a group of equal ones as a whole (`@`). An id is two numbers,
`#` and `##`. A number is kept as its `rank`, and has two columns more: with the first bits of the id packed behind it,
ascending (`+`) and descending (`-`), both to be read upwards, null last.

Relevance is a score, of which thousands may be equal. `_early` is larger the smaller the id; scores are weighted with
it by less than a thousandth, so that ties come in the order of ids from the search itself, but for a few.

Documents are handed over as JSON, which Tantivy reads without the interpreter's lock: to make its objects here, value
by value, costs twice as much. Its reader of JSON may be a bit off with fractions, which is why numbers are ranks.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson
import tantivy

from stagedoor.search.analysis import analyze
from stagedoor.search.documents import as_declared, refusal
from stagedoor.search.keys import packed, rank, text_keys
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index, Keyword, Leaf, Number, Text
from stagedoor.search.tantivy.keywords import all_in_json, base64, key, uuid_in
from stagedoor.search.tantivy.remembered import Remembered

__all__ = ["EARLY", "EVERY", "SOURCE", "WORDS", "builder", "encoded", "schema_of"]

SOURCE: Final = "_source"
EVERY: Final = "_words"  # the words of every text, where an index has several
EARLY: Final = "_early"
WORDS: Final = "words"  # the tokenizer that divides at spaces
_LOW: Final = (1 << 64) - 1
_HIGH: Final = ID + "#"
_LOW_HALF: Final = ID + "##"


def schema_of(index: Index) -> tantivy.Schema:
    """Return the physical schema of an index."""
    build = tantivy.SchemaBuilder()
    build.add_bytes_field(SOURCE, stored=True)
    build.add_float_field(EARLY, fast=True)
    if index.joined:
        build.add_text_field(EVERY, tokenizer_name=WORDS, index_option="basic")
    for path, leaf in index.paths.items():
        match leaf:
            case Keyword():
                build.add_bytes_field(path, indexed=True)
            case Text():
                build.add_text_field(path, tokenizer_name=WORDS, index_option="freq")
            case Number():
                build.add_unsigned_field(path, indexed=True, fast=True)
                build.add_unsigned_field(path + "+", fast=True)
                build.add_unsigned_field(path + "-", fast=True)
        if path == ID:
            build.add_unsigned_field(path + "#", fast=True)
            build.add_unsigned_field(path + "##", fast=True)
        elif isinstance(leaf, Text) and leaf.sortable:
            build.add_unsigned_field(path + "#", fast=True)
            build.add_unsigned_field(path + "##", fast=True)
            build.add_text_field(path + "@", tokenizer_name="raw", index_option="basic", fast=True)
    return build.build()


def encoded(word: str) -> str:
    """Return a word as it is indexed."""
    return word[0] * 2 + word


def id_keys(term: bytes) -> tuple[int, int]:
    """Return the term of an id as two numbers that order as ids do; raises `ValueError` for one that does not fit.

    It fits if it is of a UUID, whose hyphens at fixed places order nothing, or at most 16 bytes.
    """
    raw = uuid_in(term) or term
    if not 0 < len(raw) <= 16:
        raise ValueError(f"the id {term!r} is neither a UUID in lower case nor 1 to 16 bytes")
    number = int.from_bytes(raw.ljust(16, b"\0"))
    return number >> 64, number & _LOW


def earliness(id_key: int) -> float:
    """Return what falls while the first 16 bits of an id rise: from 1.001 to 1, in steps that a column packs well."""
    return 1.0 + (0xFFFF - (id_key >> 48)) * 2.0**-26


def builder(index: Index) -> Callable[[Document], str]:
    """Return what turns a document into its physical form, as JSON; that raises for a document of another shape."""
    steps = [_step(path, leaf) for path, leaf in index.paths.items() if path != ID]
    kept = [field.name for field in index.fields if field.kept]
    texts = index.joined

    def build(document: Document) -> str:
        if reason := refusal(document, index):
            raise ValueError(reason)
        document = as_declared(document, index)
        term = key(document[ID])
        high, low = id_keys(term)
        source = orjson.dumps({name: document[name] for name in kept})
        physical: _Physical = {
            SOURCE: base64(source),
            ID: base64(term),
            _HIGH: high,
            _LOW_HALF: low,
            EARLY: earliness(high),
        }
        for step in steps:
            step(physical, document, high)
        if texts:
            physical[EVERY] = " ".join([physical[name] for name in texts if name in physical])
        return orjson.dumps(physical).decode()

    return build


_Physical: TypeAlias = dict[str, Any]
_Step: TypeAlias = Callable[[_Physical, Document, int], None]


def _step(path: str, leaf: Leaf) -> _Step:
    match leaf:
        case Keyword():
            return _inner_keyword_step(path) if "." in path else _keyword_step(path)
        case Text():
            return _text_step(path, sortable=leaf.sortable)
        case Number():
            return _number_step(path)


def _keyword_step(path: str) -> _Step:
    def step(physical: _Physical, document: Document, _: int) -> None:
        value = document[path]
        if isinstance(value, list):
            physical[path] = all_in_json(value)
        elif value is not None:
            physical[path] = base64(key(value))

    return step


def _inner_keyword_step(path: str) -> _Step:
    head, _, tail = path.partition(".")

    def step(physical: _Physical, document: Document, _: int) -> None:
        values = (one.get(tail) for one in document[head] or ())
        physical[path] = all_in_json([value for value in values if value is not None])

    return step


def _text_step(path: str, *, sortable: bool) -> _Step:
    first, second, whole = path + "#", path + "##", path + "@"

    def step(physical: _Physical, document: Document, _: int) -> None:
        value = document[path]
        if value is None:
            return
        text = " ".join(value) if isinstance(value, list) else value
        if text:
            physical[path] = " ".join(map(_words_of, text.split(" ")))
        if sortable:
            physical[first], physical[second] = text_keys(text, 2)
            physical[whole] = text

    return step


def _words(run: str) -> str:
    """Return the words of a run of a text between two spaces, over which no rule of the analyzer reaches."""
    return " ".join([encoded(word) for word in analyze(run)])


_words_of = Remembered(_words).__getitem__


def _number_step(path: str) -> _Step:
    upwards, downwards = path + "+", path + "-"

    def step(physical: _Physical, document: Document, id_key: int) -> None:
        value = document[path]
        place = None if value is None else rank(value)
        physical[upwards], physical[downwards] = packed(place, id_key >> 32)
        if place is not None:
            physical[path] = place

    return step
