"""Bulk requests: what the answer means for each change, and how much may go into one.

Theory. A cluster refuses a document for what is in it, which no repetition mends, or for the state that the cluster
is in, which passes: busy, full, blocked, without its shards. The first is always said with status 400 or 413; but a
closed or blocked index says 400 and 403 too, so the type of the exception is looked at as well. Of 500 both may be
the cause: programming errors that a document provokes are known by their names, everything else passes.

A request may be too large as a whole: for the node (`http.max_content_length`: 413, or the connection is closed), for
a proxy before it, for what a node takes at one time (429). It is divided until it fits. What was too large once is not
tried again by the same writer; what was too much for a busy node is, since it gets less busy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, TypeAlias

from stagedoor.search.engine import Refused, WriterError

__all__ = ["ALWAYS_FITS", "GONE", "PASSING", "Line", "Room", "judged", "passes"]

Line: TypeAlias = tuple[str, bytes]  # the id of a change, and its lines in the request

ALWAYS_FITS: Final = 64 * 1024  # octets that every node and proxy takes: a failure below has another reason

_CONTENT: Final = frozenset((400, 413))
PASSING: Final = frozenset(
    (
        "circuit_breaking_exception",
        "cluster_block_exception",
        "es_rejected_execution_exception",
        "index_closed_exception",
        "index_create_block_exception",
        "rejected_execution_exception",
        "unavailable_shards_exception",
    )
)
_PROVOKED: Final = frozenset(
    (
        "arithmetic_exception",
        "array_index_out_of_bounds_exception",
        "class_cast_exception",
        "index_out_of_bounds_exception",
        "null_pointer_exception",
        "string_index_out_of_bounds_exception",
        "unsupported_operation_exception",
    )
)
GONE: Final = "index_not_found_exception"


def passes(status: int, kind: str) -> bool:
    """Tell whether a refusal with this status and type of exception may be over later."""
    return kind in PASSING or (status not in _CONTENT and kind not in _PROVOKED)


def judged(answer: Any, sent: Sequence[Line]) -> list[Refused]:  # noqa: ANN401 - JSON
    """Return what the answer to a bulk request refuses.

    Raises:
        WriterError: the version is gone, or the answer does not speak of what was sent.

    """
    try:
        items = answer["items"]
        refused = [one for item in items if (one := _refused(item)) is not None]
        whole = len(items) == len(sent)
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise WriterError("bulk: the answer is none to a bulk request") from error
    if not whole:
        raise WriterError(f"bulk: {len(sent)} changes were sent, {len(items)} answered")
    return refused


def _refused(item: Mapping[str, Any]) -> Refused | None:
    verb, said = next(iter(item.items()))
    status = said["status"]
    if status < 300:
        return None
    error = said.get("error") or {}
    kind = str(error.get("type"))
    if kind == GONE:
        raise WriterError(f"bulk: {kind}: the version is gone", lost=True)
    if verb == "delete" and status == 404:
        return None
    return Refused(said["_id"], f"{kind}: {error.get('reason')}", passes(status, kind))


@dataclass(slots=True)
class Room:
    """How many octets one request may have; `most` is what is tried now, and never above `ceiling`."""

    ceiling: float = inf
    most: float = inf

    def too_large(self, size: int) -> None:
        """Note that a request of this size will never be taken."""
        self.ceiling = self.most = min(self.ceiling, size / 2)

    def too_much(self, size: int) -> None:
        """Note that a request of this size was too much for a busy node."""
        self.most = min(self.most, max(ALWAYS_FITS, size / 2))

    def taken(self) -> None:
        """Note that everything was taken, so that more may be tried."""
        self.most = min(self.ceiling, self.most * 2)

    def divided(self, lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
        """Yield the lines in order, as many at once as there is room for, and at least one."""
        if self.most == inf:
            yield lines
            return
        begin, size = 0, 0
        for place, (_, octets) in enumerate(lines):
            if place > begin and size + len(octets) > self.most:
                yield lines[begin:place]
                begin, size = place, 0
            size += len(octets)
        yield lines[begin:]
