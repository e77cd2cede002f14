"""The stored documents of an open index, and how much of their files the process keeps mapped.

Tantivy maps its files. Documents are read at random, and the kernel maps 64 kB round each (fault-around), so that soon
all of the largest files counts as memory of the process, although it is the page cache's. Every so many documents
their mappings are let go (madvise(2), MADV_DONTNEED): the pages stay in the cache, and who reads there next maps them
again, in about a microsecond.

To let go of what is no mapping of a file any more would lose memory. So addresses are taken when a state of an index
is opened, only those of segments that this state surely has, and used only while it is held, for it holds the mapping.
"""

import ctypes
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import orjson
import tantivy

from stagedoor.search.query import Document
from stagedoor.search.tantivy.fields import SOURCE

__all__ = ["Address", "Stored", "newest"]

Address: TypeAlias = tantivy.DocAddress
Mapping: TypeAlias = tuple[int, int]  # address, length

_DOCUMENTS: Final = 256  # are read before their mappings are let go: 16 MB
_DONTNEED: Final = 4
_MAPPED: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r--. \S+ \S+ \S+ +(.+)\.store")
_madvise = getattr(ctypes.CDLL(None), "madvise", None)


class Stored:
    """The documents of one open state of an index."""

    __slots__ = ("_mappings", "_read", "_searcher")

    def __init__(self, searcher: tantivy.Searcher, mappings: Sequence[Mapping] = ()) -> None:
        self._searcher = searcher
        self._mappings = mappings
        self._read = 0

    def at(self, addresses: Iterable[Address]) -> list[Document]:
        """Return the documents at these addresses."""
        found: list[Document] = [orjson.loads(self._searcher.doc(one)[SOURCE][0]) for one in addresses]
        self._read += len(found)
        if self._read >= _DOCUMENTS:
            self._read = 0
            self._let_go()
        return found

    def _let_go(self) -> None:
        if _madvise is not None:
            for address, length in self._mappings:
                _madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _DONTNEED)


def newest(files: tantivy.Index, path: Path) -> tuple[tantivy.Searcher, Stored]:
    """Return the newest committed state of an index, and its documents."""
    before = segments_of(path)
    files.reload()
    searcher = files.searcher()
    # A commit in between: whose segments are mapped cannot be told, and nothing is let go.
    mappings = mappings_of(path, before) if segments_of(path) == before else ()
    return searcher, Stored(searcher, mappings)


def segments_of(path: Path) -> frozenset[str]:
    """Return the segments of the last commit."""
    said = json.loads((path / "meta.json").read_text())
    return frozenset(segment["segment_id"].replace("-", "") for segment in said["segments"])


def mappings_of(path: Path, segments: Iterable[str]) -> tuple[Mapping, ...]:
    """Return where the documents of these segments are mapped; nothing unless each is mapped exactly once."""
    wanted = sorted(str(path.resolve() / segment) for segment in segments)
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # the kernel is another
        return ()
    found = [match.groups() for match in map(_MAPPED.fullmatch, maps.splitlines()) if match]
    mine = [(name, int(start, 16), int(end, 16)) for start, end, name in found if name in wanted]
    if sorted(name for name, _, _ in mine) != wanted:
        return ()
    return tuple((start, end - start) for _, start, end in mine)
