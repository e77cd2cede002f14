"""Write documents, and see to each one that the index does not take.

What is refused for a while is waited for, as long as it takes, and so is an index that is away: whoever loads goes on
when all is in that can be. What is refused for good, and what could not be read in the first place, is logged, counted
and set aside by name, and tried again by later passes.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from cinema.etl.report import EtlReport
from cinema.etl.retrying import Retrying
from cinema.etl.unread import Unread
from stagedoor.search import Change, Refused, Writer, WriterError

__all__ = ["Item", "Loader"]

T = TypeVar("T")
Item: TypeAlias = Change | Unread
_MOST_SET_ASIDE = 1_000  # that are remembered by name; each one is counted and logged


@dataclass(slots=True)
class Loader:
    """One writer, and what has become of what was written."""

    writer: Writer
    retrying: Retrying
    report: EtlReport
    set_aside: dict[str, str] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the index, as often as it takes."""
        return await self.retrying.keep("index", question)

    async def write(self, index: str, version: str, items: Sequence[Item]) -> None:
        """Write the changes; what is refused for good, or could not be read, is logged, counted and set aside.

        Raises:
            WriterError: the engine does not want any of it, or has lost what was not committed.

        """
        left = [item for item in items if not isinstance(item, Unread)]
        attempt = 0
        while left:
            refused = {one.id: one for one in await self._put(version, left)}
            self._confirm(index, left, refused)
            busy = {one.id: one for one in refused.values() if one.retryable}
            for one in refused.values():
                if not one.retryable:
                    self._put_aside(index, one.id, one.reason)
            attempt = attempt + 1 if len(busy) == len(left) else 1
            left = [change for change in left if change.id in busy]
            if busy:
                await self._wait(attempt, busy)
        for item in items:
            if isinstance(item, Unread):
                self._put_aside(item.of, item.id, item.reason)

    async def _put(self, version: str, changes: Sequence[Change]) -> Sequence[Refused]:
        return await self.ask(lambda: self.writer.write(version, changes))

    async def _wait(self, attempt: int, busy: Mapping[str, Refused]) -> None:
        reason = next(iter(busy.values())).reason
        said = WriterError(f"{len(busy)} documents are not taken yet: {reason}")
        await self.retrying.pause(attempt, "index", said)

    def _confirm(self, index: str, changes: Sequence[Change], refused: Mapping[str, Refused]) -> None:
        count = len({change.id for change in changes} - refused.keys())  # as the index counts
        self.written[index] += count
        self.report.advance(index, count)
        if self.set_aside:
            for change in changes:
                if change.id not in refused:
                    self.set_aside.pop(f"{index}/{change.id}", None)

    def _put_aside(self, index: str, name: str, why: str) -> None:
        key, reason = f"{index}/{name}", why[:300]
        if self.set_aside.get(key) == reason:
            return  # told before
        self.report.note("error", "etl_set_aside", index=index, id=name, reason=reason)
        if len(self.set_aside) < _MOST_SET_ASIDE or key in self.set_aside:
            self.set_aside[key] = reason
