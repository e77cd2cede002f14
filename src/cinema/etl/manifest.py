"""The manifest that each batch leaves beside the index: how a gateway learns of it without Redis, and what it shows.

The file `batch.json` in SEARCH_DIR holds the number of the newest batch and the cache tags of the latest ones, each
with the batch that named it last. Who has seen batch n purges the tags with larger numbers. The tags are bounded: the
oldest are forgotten by raising `floor`, and who has seen less than that purges everything, as after a rebuild.
Readers look at the file four times a second and read it when it has been replaced; then they reload the engine
first and purge afterwards, so that nothing old is stored again in between.

For metrics the manifest counts documents, and tells how long changes have waited: `lags` of the last batch, and
`behind` since when the oldest change waits that a batch under way has to bring. A batch that dies or is held up leaves
that moment standing, so that the lag grows until another one has done its work. `alive` is renewed every few seconds,
whatever there is to do: an ETL that has ended would otherwise look like one with nothing to carry.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cinema.etl.state import replace_file

__all__ = [
    "FinishedBatch",
    "Manifest",
    "figures_key",
    "manifest_of",
    "manifest_path",
    "next_manifest",
    "read_manifest",
    "text_of",
    "waiting",
    "without_tags",
    "write_manifest",
]

_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class FinishedBatch:
    """What a batch did: documents written by index, set aside in all, and how many seconds its oldest change waited."""

    written: Mapping[str, int] = field(default_factory=dict)
    set_aside: int = 0
    lags: Mapping[str, float] = field(
        default_factory=dict
    )  # by index; none where the source tells no moments


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the ETL has told up to now."""

    batch: int = 0
    floor: int = 0
    tags: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)  # written since ever, by index
    set_aside: int = 0
    lags: Mapping[str, float] = field(default_factory=dict)  # of the last batch of each index
    behind: Mapping[str, float] = field(default_factory=dict)  # Unix time, by index
    alive: float = 0.0  # Unix time at which the ETL last said that it runs

    def since(self, seen: int) -> tuple[str, ...] | None:
        """Return the tags named after batch `seen`; None if everything is to be purged."""
        if seen < self.floor or seen > self.batch:
            return None
        return tuple(tag for tag, batch in self.tags.items() if batch > seen)


def next_manifest(manifest: Manifest, tags: Collection[str] | None, did: FinishedBatch) -> Manifest:
    """Return the manifest after another batch with these tags; None means everything."""
    batch = manifest.batch + 1
    totals = {name: manifest.documents.get(name, 0) + count for name, count in did.written.items()}
    told = Manifest(
        batch,
        documents={**manifest.documents, **totals},
        set_aside=did.set_aside,
        lags={**manifest.lags, **did.lags},
        alive=manifest.alive,
    )
    if tags is None:
        return replace(told, floor=batch)
    known = {**manifest.tags, **dict.fromkeys(tags, batch)}
    floor = manifest.floor
    if len(known) > _LIMIT:
        newest_first = sorted(known.items(), key=lambda item: -item[1])
        known, forgotten = dict(newest_first[:_LIMIT]), newest_first[_LIMIT]
        floor = max(floor, forgotten[1])
    return replace(told, floor=floor, tags=known)


def waiting(manifest: Manifest, since: Mapping[str, float]) -> Manifest:
    """Return the manifest while a batch is under way whose oldest changes are of these moments, by index."""
    return replace(manifest, behind=since)


def without_tags(manifest: Manifest) -> Manifest:
    """Return the figures alone."""
    return replace(manifest, tags={})


def manifest_path(folder: Path) -> Path:
    """Return where the manifest lies in SEARCH_DIR."""
    return folder / "batch.json"


def figures_key(prefix: str) -> str:
    """Return the key in Redis under which the figures of the manifest lie, for gateways that cannot see the file."""
    return f"{prefix}#etl"


def read_manifest(path: Path) -> Manifest:
    """Return the manifest; an empty one if there is none that can be read."""
    try:
        return manifest_of(path.read_bytes())
    except OSError:
        return Manifest()


def manifest_of(text: bytes | str | None) -> Manifest:
    """Return the manifest that a text holds; an empty one if it holds none."""
    try:
        manifest = Manifest(**json.loads(text or ""))
    except (ValueError, TypeError, RecursionError):
        return Manifest()
    return manifest if _is_right(manifest) else Manifest()


def _is_right(manifest: Manifest) -> bool:
    """Tell whether every field is of its type: whoever can write the file or the key can write anything."""
    numbers = (manifest.batch, manifest.floor, manifest.set_aside)
    counts, seconds = (manifest.tags, manifest.documents), (manifest.lags, manifest.behind)
    return (
        all(isinstance(number, int) for number in numbers)
        and all(isinstance(one, dict) for one in (*counts, *seconds))
        and all(isinstance(number, int) for one in counts for number in one.values())
        and all(isinstance(number, int | float) for one in seconds for number in one.values())
        and isinstance(manifest.alive, int | float)
    )


def text_of(manifest: Manifest) -> str:
    """Return a manifest as text."""
    return json.dumps(asdict(manifest))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the manifest."""
    replace_file(path, text_of(manifest))
