"""Write documents, and see to each one that the index does not take."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cinema.etl.patience import Patience
from cinema.etl.report import Report
from stagedoor.search import Change, Refused, Writer

__all__ = ["Loader"]

_TRIES = 5
_MOST_SET_ASIDE = 1_000  # that are remembered by name; each one is counted and logged


@dataclass(slots=True)
class Loader:
    """One writer, and what has become of what was written."""

    writer: Writer
    patience: Patience
    report: Report
    set_aside: dict[str, str] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)

    async def write(self, index: str, version: str, changes: Sequence[Change]) -> None:
        """Write the changes; what is refused for good is logged, counted and set aside.

        Raises:
            WriterError: the engine is away, or does not want any of it.

        """
        left: Sequence[Change] = changes
        attempt = 0
        while left:
            attempt += 1
            refused = {one.id: one for one in await self._put(version, left)}
            self._confirm(index, left, refused)
            hopeless = [one for one in refused.values() if attempt == _TRIES or not one.retryable]
            for one in hopeless:
                self._put_aside(index, one)
            lost = {one.id for one in hopeless}
            left = [change for change in left if change.id in refused and change.id not in lost]
            if left:
                await self.patience.pause(attempt)

    async def _put(self, version: str, changes: Sequence[Change]) -> Sequence[Refused]:
        return await self.patience.keep("index", lambda: self.writer.write(version, changes), tries=_TRIES)

    def _confirm(self, index: str, changes: Sequence[Change], refused: Mapping[str, Refused]) -> None:
        count = len(changes) - len(refused)
        self.written[index] += count
        self.report.advance(index, count)
        if self.set_aside:
            for change in changes:
                if change.id not in refused:
                    self.set_aside.pop(f"{index}/{change.id}", None)

    def _put_aside(self, index: str, refused: Refused) -> None:
        self.report.note("error", "etl_set_aside", index=index, id=refused.id, reason=refused.reason[:300])
        if len(self.set_aside) < _MOST_SET_ASIDE:
            self.set_aside[f"{index}/{refused.id}"] = refused.reason[:300]
