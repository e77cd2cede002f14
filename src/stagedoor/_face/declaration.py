"""A gateway as it was declared: a name, what it asks, what it answers, and what it includes."""

import inspect
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString, Self

from stagedoor._face.declared import Source, validate_plain, validate_seconds, validate_takes
from stagedoor._face.extension import Extension
from stagedoor._face.fields import field_name, standing_fields
from stagedoor._face.guards import Guard, guards_in
from stagedoor._face.options import validate_texts, words
from stagedoor._face.places import Place, here, place_of_code
from stagedoor._face.routes import Routes
from stagedoor._face.running import Running
from stagedoor._face.service import Service
from stagedoor._face.settings import Settings
from stagedoor._face.upstreams import Upstreams
from stagedoor._web.cors import EXPOSED
from stagedoor._web.docs import DocumentSet
from stagedoor.errors import ConfigError

__all__ = ["Declaration"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_WHOLE = DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc")
Lifespan = Callable[[Running], AbstractAsyncContextManager[None]]


class Declaration(Upstreams, Routes):
    """All that was said of a gateway, and where. It holds no state of anything at work."""

    def __init__(
        self,
        name: str,
        *,
        deadline: float = 0.5,
        settings: Settings | None = None,
        lifespan: Callable[[Running], AbstractAsyncContextManager[None]] | None = None,
        middleware: Sequence[Callable[[Any], Any]] = (),
        title: str = "",
        version: str = "1",
        description: str = "",
        documents: Sequence[DocumentSet] = (_WHOLE,),
        headers: Mapping[str, str] | None = None,
        exposed: Sequence[str] = EXPOSED,
    ) -> None:
        Upstreams.__init__(self)
        Routes.__init__(self)
        self.place = here()
        given: object = name
        if not isinstance(given, str) or _NAME.fullmatch(given) is None:
            raise ConfigError(f"{self.place}: a gateway's name is lower case such as 'shop', not {name!r}")
        whole: object = deadline
        if whole is None:  # which a route may say: it has the gateway's
            raise ConfigError(f"{self.place}: deadline is seconds, not None")
        validate_seconds(deadline, "deadline", self.place)
        validate_texts(self.place, title=title, version=version, description=description)
        self._validate_kinds(middleware, documents)
        _validate_options(settings, lifespan, self.place)
        self.name = name
        self.deadline = deadline
        self.settings = settings
        self._lifespan = lifespan
        self.middleware = tuple(middleware)
        self.title = title or name
        self.version = version
        self.description = description
        self.documents = tuple(documents)
        self.headers = standing_fields(headers, self.place)
        self.exposed = tuple(name for name in words(exposed, "exposed", self.place) if field_name(name))
        self.extensions: list[Callable[[Running], Extension]] = []
        self.included: list[tuple[Declaration, str]] = []

    def _validate_kinds(self, middleware: Sequence[object], documents: Sequence[object]) -> None:
        """Raise `ConfigError` for what would fail later, without a place."""
        several: dict[str, object] = {"middleware": middleware, "documents": documents}
        for name, given in several.items():
            if not isinstance(given, list | tuple):
                raise ConfigError(f"{self.place}: {name} is a list, not {given!r}")
        for one in middleware:
            if not callable(one):
                raise ConfigError(
                    f"{self.place}: middleware is called with an application, which {one!r} cannot be"
                )
            validate_takes(one, "middleware", ("the application inside of it",), self.place)
        for one in documents:
            if not isinstance(one, DocumentSet):
                raise ConfigError(f"{self.place}: documents are DocumentSet(...), not {one!r}")

    def extend(self, make: Callable[[Running], Extension]) -> None:
        """Add routes of the engine's own kind, which the face has no word for: `make` is given the running gateway.

        It is called whenever a gateway is built, before anything is open. Raises `ConfigError` for what is no
        function of one.
        """
        validate_takes(make, "extend", ("the running gateway",), here())
        validate_plain(make, "extend", here())
        self.extensions.append(make)

    def include(self, other: Self, *, prefix: LiteralString = "") -> None:
        """Take over what another module declared; its settings take this gateway's prefix. Raises `ConfigError`."""
        place = here()
        given: object = other
        if not isinstance(given, Declaration) or given is self:
            raise ConfigError(f"{place}: include takes another gateway, not {other!r}")
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ConfigError(f"{place}: prefix={prefix!r} begins with a slash and ends without")
        self.included.append((other, prefix))

    @property
    def lifespan_of(self) -> Lifespan | None:
        """Return what is entered while it runs: of all that it includes, then its own; None if there is nothing."""
        hooks = self.all_lifespans()
        return (lambda running: _entered(hooks, running)) if hooks else None

    def all_lifespans(self) -> list[Lifespan]:
        """Return the lifespans of all that it includes, then its own."""
        own = [] if self._lifespan is None else [self._lifespan]
        return [*(hook for other, _ in self.included for hook in other.all_lifespans()), *own]

    def all_services(self) -> list[Service]:
        """Return its services and those of all that it includes."""
        return [service for one in self._family() for service in one.services]

    def all_sources(self) -> list[Source]:
        """Return its sources and those of all that it includes."""
        return [source for one in self._family() for source in one.sources]

    def all_guards(self) -> list[Guard]:
        """Return the guards of its routes and of all that it includes, as far as their declarations name them."""
        found = [guard for one in self._family() for guard in _guards_of(one)]
        return list(dict.fromkeys(guard for guard in found if guard is not None))

    def _family(self) -> list["Declaration"]:
        """Return itself and all that it includes, each once: a circle is refused where the whole is checked."""
        found: list[Declaration] = []
        left: list[Declaration] = [self]
        while left:
            one = left.pop(0)
            if one not in found:
                found.append(one)
                left[:0] = [other for other, _ in one.included]
        return found

    def own_paths(self, prefix: str = "") -> frozenset[str]:
        """Return the paths that are declared, so that nothing else is put there."""
        paths = [
            *[one.path for one in self.aggregates],
            *[one.path for one in self.handlers],
            *[one.path for one in self.passages],
        ]
        found = {prefix + path for path in paths}
        for other, below in self.included:
            found |= other.own_paths(prefix + below)
        return frozenset(found)


def _guards_of(one: Declaration) -> list[Guard | None]:
    """Return the guards of its own routes; None where there is none."""
    own = [each.guard for each in one.aggregates]
    own += [each.guard for each in one.handlers]
    own += [guard for each in one.passages for guard in (each.guard, each.recognises)]
    functions = [part.function for each in one.aggregates for part in each.parts]
    functions += [each.function for each in one.handlers]
    return own + [guard for function in functions for guard in guards_in(function)]


def _validate_options(settings: object, lifespan: object, place: Place) -> None:
    """Raise `TypeError` for settings that are none, `ConfigError` for a lifespan that nothing can enter."""
    if settings is not None and not isinstance(settings, Settings):
        raise TypeError(
            f"{place}: settings is a Settings, as in Settings(port=8000), not {type(settings).__name__}"
        )
    if lifespan is None:
        return
    plain = inspect.iscoroutinefunction(lifespan) or inspect.isasyncgenfunction(lifespan)
    sync = callable(lifespan) and inspect.isgeneratorfunction(inspect.unwrap(lifespan))
    if plain or sync or not callable(lifespan):
        name = getattr(lifespan, "__name__", repr(lifespan))
        raise ConfigError(
            f"{place}: lifespan={name} cannot be entered: let it yield once, under @asynccontextmanager"
        )
    validate_takes(lifespan, "lifespan", ("the running gateway",), place)


@asynccontextmanager
async def _entered(hooks: Sequence[Lifespan], running: Running) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for hook in hooks:
            await stack.enter_async_context(_enterable(hook, running))
        yield


def _enterable(hook: Lifespan, running: Running) -> AbstractAsyncContextManager[None]:
    """Return what a lifespan makes; raises `ConfigError` for what cannot be entered."""
    made: object = hook(running)
    if not isinstance(made, AbstractAsyncContextManager):
        name = getattr(hook, "__name__", repr(hook))
        said = f"it returned {type(made).__name__}: let it yield once, under @asynccontextmanager"
        raise ConfigError(f"{place_of_code(hook)}: lifespan={name} cannot be entered, for {said}")
    return made
