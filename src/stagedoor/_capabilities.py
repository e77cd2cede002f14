"""What policies and layers may say of themselves: asked when one is built, counted or closed, never per call."""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

from stagedoor._events import BreakerState

__all__ = ["Addressed", "Breaking", "Closing", "Holding", "InUseGauges", "Keyed"]


@runtime_checkable
class Keyed(Protocol):
    """A policy that says whether it needs the keys of calls, by a class variable. One that does not say may."""

    @property
    def keyed(self) -> bool:
        """Whether it reads keys, or wraps what does."""
        ...


@runtime_checkable
class InUseGauges(Protocol):
    """A layer that holds things which must return to rest after faults (X1)."""

    def counts(self) -> Mapping[str, int]:
        """Return how many of each are held now: `permits`, `probes`, `flights`, `upstream_connections` ..."""
        ...


@runtime_checkable
class Addressed(Protocol):
    """A transport to one server."""

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port; the path of a Unix socket, and 0."""
        ...


@runtime_checkable
class Breaking(Protocol):
    """A layer with a circuit that may be open."""

    @property
    def state(self) -> BreakerState:
        """Where the circuit stands."""
        ...


@runtime_checkable
class Holding(Protocol):
    """A layer with a circuit that an operator may hold open or closed."""

    def hold(self, state: Literal["open", "closed", "auto"], operation: str) -> None:
        """Hold it, or let it go; `operation` is what is told of the move."""
        ...


@runtime_checkable
class Closing(Protocol):
    """What holds work of its own that ends when it is closed."""

    async def aclose(self) -> None:
        """Let go of it."""
        ...
