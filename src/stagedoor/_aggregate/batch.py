"""Fill a list in batches: each id is asked for once, in as few calls as its upstream allows (P7)."""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stagedoor.errors import ConfigError

__all__ = ["BatchPlan", "batched", "split"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class BatchPlan(Generic[K]):
    """Which ids are known already, and which calls ask for the rest."""

    order: tuple[K, ...]  # every id once, in the order of its first mention
    calls: tuple[tuple[K, ...], ...]


def split(ids: Iterable[K], size: int, known: Mapping[K, object]) -> BatchPlan[K]:
    """Decide the calls: ceil(distinct unknown ids / size), in order, each id in one of them."""
    if size < 1:
        raise ConfigError(f"a batch holds at least one id, not {size}")
    order = tuple(dict.fromkeys(ids))
    rest = [item for item in order if item not in known]
    return BatchPlan(order, tuple(tuple(rest[at : at + size]) for at in range(0, len(rest), size)))


async def batched(
    ids: Iterable[K],
    size: int,
    fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
    known: Mapping[K, V] | None = None,
) -> dict[K, V]:
    """Ask for each id once, in few calls; have the values in the order of the ids. An unknown id is missing alone.

    `fetch` is called with at most `size` ids, one call after the other; not at all if `known` has every id. Raises
    what `fetch` raises.
    """
    found: dict[K, V] = dict(known or {})
    batch = split(ids, size, found)
    for call in batch.calls:
        found.update(await fetch(call))
    return {item: found[item] for item in batch.order if item in found}
