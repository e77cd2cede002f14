"""The seams of a search engine: reading is a transport like any other, writing is for whoever fills the indices.

    Upstream("search", engine, Cached(..), Deadline(..), Retry(..), CircuitBreaker(..), Bulkhead(..), env=env)

An index is known by its name ("movies"), which is an alias of one versioned index ("movies-000003"). A writer creates
a version, fills it while readers go on with the old one, and switches the name over in one step.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from stagedoor._call import Transport
from stagedoor._value import value
from stagedoor.errors import StagedoorError
from stagedoor.search.query import Document, Query, Result
from stagedoor.search.schema import Index

__all__ = [
    "Change",
    "Delete",
    "Engine",
    "Prepare",
    "Put",
    "Ready",
    "Refused",
    "Writer",
    "WriterError",
    "key_of",
]


@value()
class Put:
    """Index a document, in place of the one that has its `id`."""

    document: Document

    @property
    def id(self) -> str:
        """What the document is found, replaced and deleted by."""
        return str(self.document["id"])


@value()
class Delete:
    """Remove a document; harmless where there is none."""

    id: str


@value()
class Ready:
    """What `Put` does, with the document in the form that its writer has made of it beforehand."""

    id: str
    form: Any

    def __reduce__(self) -> tuple[type["Ready"], tuple[str, Any]]:
        """Pickle in half the time of a dataclass: hundreds of thousands go from process to process."""
        return Ready, (self.id, self.form)


Change: TypeAlias = Put | Ready | Delete
"""One thing that a writer is told to do with a document."""
Prepare: TypeAlias = Callable[[Index], Callable[[Document], Change]]
"""What makes, for an index, the function that turns a document into a change."""


@value()
class Refused:
    """One change that the engine did not take. Repeating helps only if `retryable`."""

    id: str
    reason: str
    retryable: bool = False


class WriterError(StagedoorError):
    """The engine as a whole did not do what it was asked; `retryable` if it may when asked again later.

    `lost` says that what was written since the last commit is gone, or the version is: asking again begins there.
    """

    def __init__(self, detail: str, *, retryable: bool = True, lost: bool = False) -> None:
        super().__init__(detail)
        self.retryable = retryable
        self.lost = lost


class Engine(Transport[Query, Result], Protocol):
    """Reading: answers queries under every rule of a transport.

    An index that does not exist (yet) is `UpstreamUnavailable`, not an empty answer.
    """

    async def reload(self) -> None:
        """See what writers have committed until now; engines that always do return at once.

        Whoever purges caches after a batch calls this first, and purges nothing if it raises `UpstreamUnavailable`.
        """


class Writer(Protocol):
    """Writing: one writer a set of indices at a time.

    Methods raise `WriterError` if the engine is away or refuses; they may be repeated after it, and repeating
    changes nothing. Blocking work is done off the event loop.
    """

    @property
    def prepare(self) -> Prepare:
        """What makes the function that turns a document into a change, and spares `write` as much work as it can.

        It and the changes can be pickled: a process that reads a source may prepare what another writes, into a version
        that this writer has created. A document that the index does not take becomes a change that `write` refuses.
        """
        ...

    async def create(self, index: Index, /) -> str:
        """Create an empty version of an index, with its mapping, and return the version's name.

        Raises `WriterError`, not retryable, if the index's name could not stand for it: it is taken by something else.
        """
        ...

    async def current(self, name: str, /) -> str | None:
        """Look up the version that an index's name stands for now; None if it stands for none."""
        ...

    async def versions(self, name: str, /) -> tuple[str, ...]:
        """List all versions of an index there are, oldest first, in use or not."""
        ...

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        """Apply changes in order; return those that were not taken. The others count once `commit` has returned."""
        ...

    async def commit(self, version: str, /) -> None:
        """Make what was written durable, and visible to readers that look again."""

    async def switch(self, name: str, version: str, /) -> None:
        """Let an index's name stand for another version, in one step for every reader."""

    async def mark(self, version: str, text: str, /) -> None:
        """Keep a short text with a version, in place of the one before; where the version is copied, it goes along."""

    async def marked(self, version: str, /) -> str:
        """Read the text that a version was marked with; an empty one if it was not."""
        ...

    async def drop(self, version: str, /) -> None:
        """Remove a version that no name stands for; harmless where there is none."""

    async def count(self, version: str, /) -> int:
        """Count the documents that a version holds, as of its last commit."""
        ...

    async def aclose(self) -> None:
        """Give back what is held; what was not committed is lost."""


def key_of(query: Query) -> bytes:
    """Return the key of a query for caches: its representation, in which texts are quoted and types differ (T6)."""
    return repr(query).encode("utf-8", "surrogatepass")
