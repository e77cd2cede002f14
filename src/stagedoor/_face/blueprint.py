"""A declaration with everything that includes brought, checked as a whole before anything is built."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

from stagedoor._aggregate.part import PlanError, signature_of
from stagedoor._events import upstream_of
from stagedoor._face.aggregates import Aggregate
from stagedoor._face.arguments import varied
from stagedoor._face.backends import Backend
from stagedoor._face.caller import unlike, unvaried
from stagedoor._face.declared import DeclaredPart, Handler, Passage, Source
from stagedoor._face.extension import Extension
from stagedoor._face.fields import Cookie, Picker
from stagedoor._face.formatted import formatted_in
from stagedoor._face.guards import Guard, guards_in
from stagedoor._face.layouts import Layout
from stagedoor._face.overlaps import may_equal
from stagedoor._face.places import Place, place_of_code
from stagedoor._face.remote import AnyPolicy, default_policies
from stagedoor._face.roles import Declares
from stagedoor._face.screens import reserve
from stagedoor._face.service import Service
from stagedoor._face.settings import RESERVED
from stagedoor._face.uses import awaits, used_by
from stagedoor.errors import ConfigError

__all__ = ["Blueprint"]

Behind: TypeAlias = Service | Source | Backend[Any, Any]
_CALLS = 100  # of a source at once, at most
_SHORTER = 0.98  # of what there is: an attempt that takes all of it could never be repeated (D3)


class Blueprint:
    """Everything one gateway is made of. Raises `ConfigError` with all that is wrong, each with its place."""

    def __init__(self, declared: Declares) -> None:
        self._declared = declared
        self.services: list[Service] = []
        self.sources: list[Source] = []
        self.backends: list[Backend[Any, Any]] = []
        self.extensions: list[Callable[[Any], Extension]] = []
        self.layouts: list[Layout[Any]] = []
        self.handlers: list[Handler] = []
        self.passages: list[Passage] = []
        self._problems: list[str] = []
        self._taken: list[Any] = []
        self._take(declared, "", ())
        self._parts = {part.function: part for one in self.layouts for part in one.declared.parts}
        self._seen: dict[Callable[..., Any], list[Any]] = {}
        if not self._problems:
            self._problems.extend(self._findings())
        if self._problems:
            raise ConfigError("\n".join(dict.fromkeys(self._problems)))
        self._attempts = {one: self._attempt_of(one) for one in self.behind}

    @property
    def behind(self) -> list[Behind]:
        """Return everything that may be asked."""
        return [*self.services, *self.sources, *self.backends]

    def _take(self, one: Declares, prefix: str, above: tuple[Any, ...]) -> None:
        """Take over what a gateway and those that it includes declare."""
        if one in above:
            self._problems.append(f"{one.place}: the gateway {one.name!r} includes itself")
            return
        if one in self._taken:
            self._problems.append(
                f"{one.place}: the gateway {one.name!r} is included twice: its services would be two of one name"
            )
            return
        self._taken.append(one)
        self.services += one.services
        self.sources += one.sources
        self.backends += one.backends
        self.extensions += one.extensions
        for aggregate in one.aggregates:
            try:
                self.layouts.append(Layout(aggregate, prefix))
            except PlanError as error:
                self._problems += map(str, error.findings)
            except ConfigError as error:
                self._problems.append(str(error))
        self.handlers += [replace(handler, path=prefix + handler.path) for handler in one.handlers]
        for passage in one.passages:
            to = passage.to or passage.path.replace(":path}", "}")
            self.passages.append(replace(passage, path=prefix + passage.path, to=to))
        for other, below in one.included:
            self._take(other, prefix + below, (*above, one))

    def _findings(self) -> Iterator[str]:
        yield from self._names()
        yield from self._paths()
        yield from self._reserves()
        yield from self._keys()
        yield from self._unvaried()
        yield from self._untagged()
        yield from self._unused()
        yield from self._strangers()
        yield from self._guards()
        yield from self._tokens()

    @property
    def guards(self) -> list[Guard]:
        """Return the guards of all routes, each once."""
        found = [one.guard for one in self.layouts]
        found += [guard for one in self.passages for guard in (one.guard, one.recognises)]
        for handler in self.handlers:
            found += [handler.guard, *guards_in(handler.function)]
        return list(dict.fromkeys(one for one in found if one is not None))

    @cached_property
    def kept_fields(self) -> frozenset[bytes]:
        """Return the fields of requests that end here on every passage: what guards read, and what says who asks.

        A client sends its key on whichever route, and a service believes who it is told of on whichever way.
        """
        subjects = {one.subject_field for one in self.passages if one.subject_field}
        return frozenset(subjects | {guard.header for guard in self.guards})

    def _guards(self) -> Iterator[str]:
        """Find guards of one name that are not of one kind: they would share settings."""
        known: dict[str, Guard] = {}
        for one in self.guards:
            other = known.setdefault(one.name, one)
            told = [(type(guard), guard.header, guard.given, guard.paths) for guard in (other, one)]
            if told[0] != told[1]:
                yield f"{one.place}: the guard {one.name!r} is declared already, and otherwise, at {other.place}"

    def _tokens(self) -> Iterator[str]:
        """Find calls that would send a session's token where no session is known."""
        for layout in self.layouts:
            for part in layout.declared.parts:
                where = f"{part.place}: {layout.where}.{part.name}"
                yield from _unguarded(where, self.uses_of(part), layout.guard)
        for handler in self.handlers:
            guard = handler.guard or next(iter(guards_in(handler.function)), None)
            yield from _unguarded(f"{handler.place}: {handler.path}", self.seen(handler.function), guard)
        for one in self.passages:
            yield from _unguarded(f"{one.place}: proxy {one.path}", [one.service], one.guard)

    def _names(self) -> Iterator[str]:
        """Find names that are declared twice, or mean something else already."""
        known: dict[str, Place] = {}
        hidden = [one.declared for one in self.layouts if not one.template]
        for screen in hidden:  # its name is all that tells its answers from others' in a store
            if screen.name in known:
                yield f"{screen.place}: the screen {screen.name!r} is declared already, at {known[screen.name]}"
            known.setdefault(screen.name, screen.place)
        known.clear()
        for one in self.behind:
            name = one.name.upper()
            if one.name in RESERVED:
                yield f"{one.place}: {one.name!r} is the name of a setting: call the service otherwise"
            if name in known:
                yield f"{one.place}: {one.name!r} is declared already, at {known[name]}"
            known.setdefault(name, one.place)

    def _paths(self) -> Iterator[str]:
        """Find two routes on one path."""
        known: dict[tuple[str, str], Place] = {}
        named = {one.name: one for one in self.guards}
        everything = [
            *[("GET", one.template, one.declared.place) for one in self.layouts if one.template],
            *[(one.method, one.path, one.place) for one in self.handlers],
            *[(method, one.path, one.place) for one in self.passages for method in sorted(one.methods)],
            *[(method, path, one.place) for one in named.values() for method, path in one.paths],
        ]
        for method, path, place in everything:
            plain = "/".join("{}" if part.startswith("{") else part for part in path.rstrip("/").split("/"))
            if (method, plain) in known:
                yield f"{place}: {method} {path} is declared already, at {known[method, plain]}"
            known.setdefault((method, plain), place)

    def _reserves(self) -> Iterator[str]:
        """Find screens that leave their parts no time."""
        for one in (layout.declared for layout in self.layouts):
            deadline = self.deadline_of(one.deadline)
            if one.reserve is not None and one.reserve >= deadline:
                yield f"{one.place}: reserve={one.reserve:g} leaves nothing of the deadline, {deadline:g} s, for parts"

    def _keys(self) -> Iterator[str]:
        """Find two routes whose answers would be kept under one readable key."""
        known: dict[str, Place] = {}
        screens = [(one.declared.cache, one.declared.place) for one in self.layouts]
        for cache, place in [*screens, *((one.cache, one.place) for one in self.handlers)]:
            if cache is not None and cache.key is not None:
                other = next((at for key, at in known.items() if may_equal(key, cache.key.shape)), None)
                if other is not None:
                    yield f"{place}: Cache(key={cache.key.text!r}) is that of another answer, at {other}"
                known.setdefault(cache.key.shape, place)

    def _unvaried(self) -> Iterator[str]:
        """Find calls that would forward what their answer does not vary by."""
        for layout in self.layouts:
            for part in layout.declared.parts:
                for service in self.uses_of(part):
                    if isinstance(service, Service):
                        missing = layout.vary.covers(service.forward)
                        if missing:
                            yield f"{part.place}: {layout.where}.{part.name}: {unvaried(service.name, missing)}"
                for name, missing in self._unlike(part.function, layout.vary):
                    yield f"{part.place}: {layout.where}.{part.name}: {unlike(name, missing)}"

    def _unlike(
        self, function: Callable[..., Any], vary: Picker
    ) -> Iterator[tuple[str, frozenset[str | Cookie]]]:
        """Yield the screens that a function's code shows, with what they vary by and its own answer does not."""
        known = {id(one.declared): one for one in self.layouts}
        for screen in used_by(function, Aggregate):
            inner = known.get(id(screen))
            missing = None if inner is None else vary.covers(inner.vary)
            if missing:
                yield screen.name, missing

    def _untagged(self) -> Iterator[str]:
        """Find services whose cache names inputs that who uses them does not have."""
        for layout in self.layouts:
            known = {one.argument for one in layout.inputs}
            for part in layout.declared.parts:
                for one in self.uses_of(part):
                    cache = one.cache if isinstance(one, Service) else None
                    for name in sorted(() if cache is None else cache.names - known):
                        yield (
                            f"{part.place}: {layout.where}.{part.name}: the cache of {one.name!r} names {name!r}, "
                            "which is no input of this screen"
                        )

    def _unused(self) -> Iterator[str]:
        """Find services that nothing uses."""
        used = {id(one) for function in self._functions() for one in self.seen(function)}
        used |= {id(one.service) for one in self.passages}
        used |= {id(one) for part in self._parts.values() for one in part.uses or ()}
        hiding = {function.__name__: place_of_code(function) for function in self._functions()}
        names = [one.name for one in self.services]
        for service in self.services:
            if id(service) not in used and names.count(service.name) == 1:
                cure = "if one uses it in a way that its code does not show, say uses={...}"
                if service.name in hiding:
                    cure = f"the function of its name, at {hiding[service.name]}, hides it: name its variable otherwise"
                yield f"{service.place}: the service {service.name!r} is used by no part, handler or proxy; {cure}"

    def _strangers(self) -> Iterator[str]:
        """Find parts that say they use what belongs to another gateway."""
        known = set(map(id, self.behind))
        for layout in self.layouts:
            for part in layout.declared.parts:
                for one in part.uses or ():
                    if id(one) not in known:
                        yield f"{part.place}: {layout.where}.{part.name}: {one.name!r} of uses= is another gateway's"

    def _functions(self) -> list[Callable[..., Any]]:
        parts = [part.function for part in self._parts.values()]
        return [*parts, *[one.function for one in self.handlers], *[one.function for one in self.sources]]

    def seen(self, function: Callable[..., Any]) -> list[Any]:
        """Return the services and sources that a function's code shows."""
        if function not in self._seen:
            self._seen[function] = used_by(function)
        return self._seen[function]

    def waited_for(self) -> dict[str, str]:
        """Return the one service that stands behind a screen or a handler, by its name; it is why that fails."""
        screens = {id(one.declared): self._names_behind(one) for one in self.layouts}
        shown = {one.declared.name: screens[id(one.declared)] for one in self.layouts}
        for one in self.handlers:
            used = used_by(one.function, Aggregate)
            shown[one.function.__name__] = set().union(*(screens.get(id(each), {each.name}) for each in used))
        names = {one.name for one in self.behind}
        return {name: min(used) for name, used in shown.items() if len(used) == 1 and name not in names}

    def _names_behind(self, layout: Layout[Any]) -> set[str]:
        return {one.name for part in layout.declared.parts for one in self.uses_of(part)}

    def uses_of(self, part: DeclaredPart) -> Sequence[Any]:
        """Return the services and sources of a part: as it says, else as its code shows."""
        found = self.seen(part.function) if part.uses is None else part.uses
        known = set(map(id, self.behind))
        return [one for one in found if id(one) in known]

    def unseen(self) -> Iterator[str]:
        """Name the parts that await something and show no service: what they cost cannot be told."""
        for layout in self.layouts:
            for part in layout.declared.parts:
                if part.uses is None and not self.seen(part.function) and awaits(part.function):
                    yield (
                        f"{part.place}: {layout.declared.name}.{part.name} awaits something, and its code shows no "
                        "service or source: say uses={...}, or uses=set() if there is none"
                    )
        yield from self._unvaried_handlers()
        for function in self._functions():
            for text in formatted_in(function):
                yield f"{place_of_code(function)}: {text}"
        for passage in self.passages:
            if passage.path != "/" and passage.path.endswith("/"):
                yield (
                    f"{passage.place}: proxy {passage.path} is that path alone: what is below it is "
                    f"{passage.path}{{rest:path}}"
                )

    def _unvaried_handlers(self) -> Iterator[str]:
        """Find handlers of GET that would forward what their answer does not vary by."""
        for handler in self.handlers:
            vary = varied(handler, signature_of(handler.function).arguments)
            for service in self.seen(handler.function) if handler.method == "GET" else ():
                missing = vary.covers(service.forward) if isinstance(service, Service) else None
                if missing:
                    yield f"{handler.place}: GET {handler.path}: {unvaried(service.name, missing)}"
            for name, missing in self._unlike(handler.function, vary) if handler.method == "GET" else ():
                yield f"{handler.place}: GET {handler.path}: {unlike(name, missing)}"

    def deadline_of(self, own: float | None) -> float:
        """Return the seconds that a route has."""
        return self._declared.deadline if own is None else own

    def policies_of(self, one: Behind) -> Sequence[AnyPolicy]:
        """Return the policies round a service or source, outermost first."""
        if one.policies is not None:
            return tuple(one.policies)
        most = one.connections if isinstance(one, Service) else _CALLS
        return default_policies(self._attempts[one], most)

    def sees_credentials(self, operation: str) -> bool:
        """Tell whether the service of an operation sees the caller's credentials."""
        name = upstream_of(operation)
        return any(service.name == name and service.sees_credentials for service in self.services)

    def _attempt_of(self, one: Behind) -> float:
        """Return the time-out of an attempt: as declared, else what the shortest of its users leaves for it."""
        if one.attempt is not None:
            return one.attempt
        shares = [*self._shares(one), self._declared.deadline]
        return _SHORTER * min(shares)

    def _shares(self, one: Behind) -> Iterator[float]:
        for layout in self.layouts:
            budget = self.deadline_of(layout.declared.deadline)
            budget -= reserve(budget) if layout.declared.reserve is None else layout.declared.reserve
            weights = {part.name: max(1, len(self.uses_of(part))) for part in layout.declared.parts}
            share = budget / layout.depth(weights)
            for part in layout.declared.parts:
                if one in self.uses_of(part):
                    yield min(share, math.inf if part.limit is None else part.limit / weights[part.name])
        for handler in self.handlers:
            used = self.seen(handler.function)
            if one in used:
                yield self.deadline_of(handler.deadline) / len(used)
        for passage in self.passages:
            if passage.service is one:
                yield self.deadline_of(passage.deadline)


def _unguarded(where: str, used: Sequence[Any], guard: Guard | None) -> Iterator[str]:
    for one in used:
        token = one.token if isinstance(one, Service) else None
        if token is not None and (guard is None or guard.name != token.name):
            yield f"{where}: the service {one.name!r} is sent the token of {token.name!r}: let it guard this route"
