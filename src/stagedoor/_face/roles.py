"""What is asked of a gateway and of its declaration by those below them, so that nobody imports what imports them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from stagedoor._face.places import Place
from stagedoor._requests import Headers

__all__ = ["AtWork", "Declares"]


class AtWork(Protocol):
    """A gateway at work, as the things that are used inside a request find themselves in it.

    What is found is of the kind that belongs to what was declared: whoever asks knows it.
    """

    @property
    def at_work(self) -> Mapping[Any, Any]:
        """Return the services, by their declaration."""
        ...

    def remote(self, service: Any, /) -> Any:  # noqa: ANN401
        """Return a service."""
        ...

    def source(self, source: Any, /) -> Any:  # noqa: ANN401
        """Return a source."""
        ...

    def upstream(self, backend: Any, /) -> Any:  # noqa: ANN401
        """Return an upstream of a user's own kind."""
        ...

    def screen(self, declared: Any, /) -> Any:  # noqa: ANN401
        """Return a screen."""
        ...


class Declares(Protocol):
    """A declaration, as what is built of it reads it. What its lists hold is known to whoever builds of it."""

    place: Place
    name: str
    settings: Any  # None: those of the environment
    deadline: float
    title: str
    version: str
    description: str
    documents: tuple[Any, ...]
    middleware: tuple[Callable[[Any], Any], ...]
    headers: Headers
    exposed: tuple[str, ...]
    services: list[Any]
    sources: list[Any]
    backends: list[Any]
    extensions: list[Callable[[Any], Any]]
    aggregates: list[Any]
    handlers: list[Any]
    passages: list[Any]

    @property
    def included(self) -> "Sequence[tuple[Declares, str]]":
        """Return what it includes, each with the prefix of its paths."""
        ...

    @property
    def lifespan_of(self) -> Callable[[Any], Any] | None:
        """Return what is entered while it runs."""
        ...

    def own_paths(self) -> frozenset[str]:
        """Return the paths that are declared."""
        ...
