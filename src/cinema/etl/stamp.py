"""The stamp that each batch leaves beside the index: how a gateway learns of it without Redis.

The file `batch.json` in SEARCH_DIR holds the number of the newest batch and the cache tags of the latest ones, each
with the batch that named it last. Who has seen batch n purges the tags with larger numbers. The tags are bounded: the
oldest are forgotten by raising `floor`, and who has seen less than that purges everything, as after a rebuild.
Readers look at the file four times a second and read it when it has been replaced; then they reload the engine
first and purge afterwards, so that nothing old is stored again in between.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cinema.etl.state import replace_file

__all__ = ["Stamp", "next_stamp", "read_stamp", "stamp_path", "write_stamp"]

_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the ETL has told up to now; `documents` and `lag_seconds` are for the gateway's metrics."""

    batch: int = 0
    floor: int = 0
    tags: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)  # written since ever, by index
    set_aside: int = 0
    lag_seconds: float = 0.0

    def since(self, seen: int) -> tuple[str, ...] | None:
        """Return the tags named after batch `seen`; None if everything is to be purged."""
        if seen < self.floor or seen > self.batch:
            return None
        return tuple(tag for tag, batch in self.tags.items() if batch > seen)


def next_stamp(
    stamp: Stamp,
    tags: Collection[str] | None,
    documents: Mapping[str, int],
    set_aside: int,
    lag_seconds: float,
) -> Stamp:
    """Return the stamp after another batch with these tags; None means everything."""
    batch = stamp.batch + 1
    totals = {name: stamp.documents.get(name, 0) + count for name, count in documents.items()}
    totals = {**stamp.documents, **totals}
    if tags is None:
        return Stamp(batch, batch, {}, totals, set_aside, lag_seconds)
    known = {**stamp.tags, **dict.fromkeys(tags, batch)}
    floor = stamp.floor
    if len(known) > _LIMIT:
        newest_first = sorted(known.items(), key=lambda item: -item[1])
        known, forgotten = dict(newest_first[:_LIMIT]), newest_first[_LIMIT]
        floor = max(floor, forgotten[1])
    return Stamp(batch, floor, known, totals, set_aside, lag_seconds)


def stamp_path(folder: Path) -> Path:
    """Return where the stamp lies in SEARCH_DIR."""
    return folder / "batch.json"


def read_stamp(path: Path) -> Stamp:
    """Return the stamp; an empty one if there is none that can be read."""
    try:
        return Stamp(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Stamp()


def write_stamp(path: Path, stamp: Stamp) -> None:
    """Replace the stamp."""
    replace_file(path, json.dumps(asdict(stamp)))
