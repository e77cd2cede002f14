"""What a node keeps of a document beside its declared fields: everything that makes questions cheap for it.

One object more (`OWN`) holds the physical fields. It is no part of `_source`, so that documents are what was written.

A node sorts by long numbers and skips what cannot be on the page; keywords it compares by ordinals, and copies each
value that was ever among the best. So what can be sorted by has numbers whose order is its own: of a text the first 24
bytes, eight a number (UTF-8 orders by code point); of an id its first signs (`id_key`); of a number its `rank` with the
first signs of the id behind it, as one key, upwards for ascending (`up`) and descending order (`down`), null last. Such
keys are coarse: where two are equal the values decide, which the engine sees to.

Words are analysed here and handed over divided by blanks, in the parts that `places` tells of, each a field of its own
whose analyzer divides at blanks and does no more. `prior` is what decides between documents of one score.

`all` is one term that every document has. Objects of a list are documents of their own to Lucene, nine of ten in an
index of films, and a node keeps them out of "everything" by a filter. A term needs none, and is counted without a look.
Its name must not begin with an underscore: of such a field a node expects that objects of lists have it too.
"""

from collections.abc import Callable
from typing import Any, Final

from stagedoor.search.documents import as_declared
from stagedoor.search.keys import packed, prior_of, rank, text_keys
from stagedoor.search.leaves import Field, Number, Text
from stagedoor.search.phrases import in_order, ordered
from stagedoor.search.places import filler, part, parts
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index

__all__ = ["ALL", "FORMAT", "ID_KEY", "OWN", "PRIOR", "TEXT_BYTES", "keys_of", "mapping_of"]

FORMAT: Final = 6  # another form of these fields is another format: an index is known by it, and asked by it
OWN: Final = f"own{FORMAT}"
ALL: Final = f"{OWN}.all"
PRIOR: Final = f"{OWN}.prior"
ID_KEY: Final = f"{OWN}.id"
TEXT_BYTES: Final = 24

_DIVIDED: Final = {"type": "text", "analyzer": "divided", "index_options": "docs", "norms": False}
_IN_ORDER: Final = {"type": "text", "analyzer": "divided", "norms": False}
_SIGNED: Final = 1 << 63  # longs have a sign: the smallest stands for zero


def mapping_of(index: Index) -> dict[str, Any]:
    """Return the mapping of the physical fields."""
    found, compared = {"type": "long"}, {"type": "long", "index": False}
    keys: dict[str, Any] = {"all": {"type": "keyword", "doc_values": False}, "id": found}
    keys["prior"] = compared
    keys |= {in_order(name): _IN_ORDER for name in index.phrases}
    for place in index.places:
        for name in parts(place):
            keys[part(place.name, name)] = _DIVIDED
    for field in index.fields:
        match field:
            case Number():
                keys |= {f"{field.name}_up": found, f"{field.name}_down": found}
            case Text(sortable=True):
                keys |= {f"{field.name}_0": found, f"{field.name}_1": compared, f"{field.name}_2": compared}
            case _:
                pass
    return {"dynamic": "strict", "properties": keys}


def keys_of(index: Index) -> Callable[[Document], dict[str, Any]]:
    """Return what makes the physical fields of a document; that raises for values of another type than declared."""
    compared = [field for field in index.fields if isinstance(field, Number | Text)]
    fill, prior = filler(index), prior_of(index)

    def keys(document: Document) -> dict[str, Any]:
        declared = as_declared(document, index)
        place = id_key(document[ID])
        made = {"all": "1", "id": place - _SIGNED, "prior": prior(declared)[0] - _SIGNED, **fill(declared)}
        for field in compared:
            made |= _keys_of_field(field, declared[field.name], place)
        return made | {in_order(name): ordered(declared[name]) for name in index.phrases}

    return keys


def _keys_of_field(field: Field, value: Any, place: int) -> dict[str, int]:  # noqa: ANN401 - documents hold JSON
    match field:
        case Number():
            up, down = packed(None if value is None else rank(value), place >> 32)
            return {f"{field.name}_up": up - _SIGNED, f"{field.name}_down": down - _SIGNED}
        case Text(sortable=True) if value is not None:
            keys = text_keys(value, TEXT_BYTES // 8)
            return {f"{field.name}_{part}": key - _SIGNED for part, key in enumerate(keys)}
        case _:
            return {}


def id_key(text: str) -> int:
    """Return the first signs of a text as 64 bits that order as it does: hexadecimal digits take five bits each.

    Any other byte takes thirteen: a code that says below, between or above which digits it is, and itself. So a key
    holds 40 random bits of a UUID, not 32, and the half of a key 24, not 16: few films of one rating share that.
    """
    bits = "".join(map(_CODES.__getitem__, text.encode()[:13]))
    return int(bits[:64].ljust(64, "0"), 2)


def _code(byte: int) -> str:
    """Return the bits of a byte; the end of a text is zeros, which is below all of them."""
    digit = b"0123456789abcdef".find(byte)
    if digit >= 0:
        return f"{digit + (2 if digit < 10 else 3):05b}"
    return f"{1 if byte < ord('0') else 12 if byte < ord('a') else 19:05b}{byte:08b}"


_CODES: Final = tuple(map(_code, range(256)))
