"""Entries, and the bytes that carry them through a shared store.

The bytes name their format, their key and their length, and end in a checksum. Whatever does not fit, be it another
version, a cut or flipped byte, or another key's entry handed over by a confused connection, is no entry (K6, K8).
Nothing in them is ever executed or imported. The moment of birth stands at a fixed place, in digits, so that a script
inside the store can compare two entries without decoding them.
"""

import math
import struct
import zlib
from dataclasses import dataclass

__all__ = ["BORN", "Entry", "born_of", "decode", "encode", "fits"]

_MAGIC = b"SD1 "  # the last digit is the version of this format
BORN = slice(4, 20)  # milliseconds of the store's own clock
_HEAD = struct.Struct(">4s16sQdIIHH")  # magic, born, purges, keep, key, body, schema, tags
_TAG = struct.Struct(">H")
_SUM = struct.Struct(">I")
_MOST = 2**16 - 1  # names of an entry, and bytes of each
_LONGEST = 1e12  # seconds: beyond it no server can say when they are over


@dataclass(frozen=True, slots=True)
class Entry:
    """One value to keep: `key` is the whole cache key, `keep` the seconds it may be used at all, stale or not.

    `schema` names the form of the body; who reads asks for the form it knows. `names` are what a purge can call the
    entry by, beside its key (`stagedoor._cache.tags.tag`). `age` is how many seconds old it is when it is handed over.
    """

    key: bytes
    body: bytes
    keep: float
    schema: str = ""
    names: tuple[bytes, ...] = ()
    age: float = 0.0


def fits(entry: Entry) -> bool:
    """Tell whether there is room for an entry's names, made of whatever an upstream sent, and for its time."""
    names = entry.names
    return len(names) <= _MOST and max(map(len, names), default=0) <= _MOST and entry.keep <= _LONGEST


def encode(entry: Entry, born: int, purges: int) -> bytes:
    """Return the bytes of an entry born at `born` (milliseconds of the store), which has seen so many `purges`."""
    schema = entry.schema.encode()
    head = _HEAD.pack(
        _MAGIC,
        b"%016d" % born,
        purges,
        entry.keep,
        len(entry.key),
        len(entry.body),
        len(schema),
        len(entry.names),
    )
    names = b"".join(_TAG.pack(len(name)) + name for name in entry.names)
    data = b"".join((head, entry.key, schema, names, entry.body))
    return data + _SUM.pack(zlib.crc32(data))


def decode(data: bytes, key: bytes) -> tuple[Entry, int] | None:
    """Return the entry of this key and the purges it has seen; None for anything else, never an exception."""
    if len(data) < _HEAD.size + _SUM.size or not data.startswith(_MAGIC):
        return None
    end = len(data) - _SUM.size
    if zlib.crc32(memoryview(data)[:end]) != _SUM.unpack_from(data, end)[0]:
        return None
    # From here on the bytes are as they were written, by us or by somebody else who uses the same format.
    _, _, purges, keep, key_size, body_size, schema_size, count = _HEAD.unpack_from(data)
    at = _HEAD.size + key_size
    if data[_HEAD.size : at] != key:
        return None
    schema = data[at : at + schema_size]
    names, at = _names(data, at + schema_size, count)
    if at + body_size != end or not 0.0 < keep < math.inf:
        return None
    return Entry(key, data[at:end], keep, schema.decode(errors="replace"), names), purges


def born_of(data: bytes) -> float:
    """Return the second of the store's clock at which an entry was born; not a number if its bytes tell none."""
    digits = data[BORN]
    return int(digits) / 1000 if digits.isdigit() else math.nan


def _names(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    names: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + _TAG.size])
        at += _TAG.size
        names.append(data[at : at + size])
        at += size
    return tuple(names), at
