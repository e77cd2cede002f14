"""An observer that remembers."""

from typing import TypeVar

from stagedoor._events import Event

__all__ = ["Events"]

E = TypeVar("E")


class Events(list[Event]):
    """Everything that was observed, in order; give it as `Env.observe`."""

    def __call__(self, event: Event) -> None:
        """Remember one event."""
        self.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Pick the events of one kind, in order."""
        return [event for event in self if isinstance(event, kind)]
