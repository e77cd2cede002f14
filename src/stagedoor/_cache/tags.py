"""Purges: calling answers out by their names, on every tier and in every process, without ever missing one.

A purge does not look for entries. It writes names down with a number that only grows, and each entry knows how many
purges it has seen: it is out as soon as one of its names (its key, its tags, or ALL) bears a higher number. Since the
number is taken before an answer is computed (`mark`) and compared when it is to be kept, an answer computed before a
purge is never stored after it, without knowing its tags in advance.
There are two numbers. `position` counts the purges that this process has noted, and orders what it has in memory.
`heard` is the number of the newest purge known here of the log in the shared store, and orders what lies there; the
log hands out numbers from the server's clock, so that they go on rising when it has lost its memory.
Every answer of the server brings the purges that are news, and an idle process asks four times a second: a purge
arrives within that time, a lost message cannot exist, and the moment of the last answer says how deaf a process is.
A server that knows less than its client has lost purges, and so may have one that was started again, or took over from
another: whoever asks first then purges ALL. The log of names is bounded here and there: the oldest are forgotten by
raising ALL to their number, which costs some misses and nothing else.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["ALL", "Purges", "TagVersion", "key_name", "octets", "tag"]

ALL = b""  # every entry has this name


class TagVersion(NamedTuple):
    """How many purges were known at a moment: in this process, and of the shared log."""

    position: int
    heard: int


_NONE = TagVersion(0, 0)


def tag(name: str) -> bytes:
    """Return the name under which a purge finds all entries with this tag."""
    return b"#" + octets(name)


def octets(name: str) -> bytes:
    """Return a name's bytes, also of one that is no proper text: it may be what an upstream or a caller sent."""
    return name.encode("utf-8", "surrogatepass")


def key_name(key: bytes) -> bytes:
    """Return the name under which a purge finds the entry of this cache key."""
    return b"=" + key


class Purges:
    """The purges this process knows, by name; at most `limit` names."""

    __slots__ = ("_floor", "_last", "_limit", "mark")

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._floor = _NONE
        self._last: OrderedDict[bytes, TagVersion] = OrderedDict()
        self.mark = _NONE  # kept ready: it is read at each look-up and changes only by a purge

    def note(self, names: Iterable[bytes], heard: int = 0) -> None:
        """Note a purge of these names; `heard` is its number in the shared log, 0 if it is not there."""
        here = TagVersion(self.mark.position + 1, heard)
        self.mark = TagVersion(here.position, max(heard, self.mark.heard))
        for name in names:
            if name == ALL:
                self._raise(here)
                continue
            before = self._last.pop(name, _NONE)
            self._last[name] = TagVersion(here.position, max(heard, before.heard))
        while len(self._last) > self._limit:
            self._raise(self._last.popitem(last=False)[1])

    def hear(self, number: int) -> None:
        """Note that everything up to this number of the shared log is known."""
        self.mark = TagVersion(self.mark.position, number)

    def reached(self, key: bytes, names: tuple[bytes, ...], position: int) -> bool:
        """Tell whether an entry of this process that has seen `position` purges is out."""
        return any(mark.position > position for mark in self._marks(key, names))

    def reached_shared(self, key: bytes, names: tuple[bytes, ...], heard: int) -> bool:
        """Tell whether an entry of the shared store that has seen purges up to `heard` is out."""
        return any(mark.heard > heard for mark in self._marks(key, names))

    def _marks(self, key: bytes, names: tuple[bytes, ...]) -> Iterable[TagVersion]:
        yield self._floor
        if self._last:
            last = self._last.get
            yield last(key_name(key), _NONE)
            for name in names:
                yield last(name, _NONE)

    def _raise(self, mark: TagVersion) -> None:
        self._floor = TagVersion(max(mark.position, self._floor.position), max(mark.heard, self._floor.heard))

    def __len__(self) -> int:
        return len(self._last)

    def __repr__(self) -> str:
        return f"<Purges {len(self)} names, position {self.mark.position}, heard {self.mark.heard}>"
