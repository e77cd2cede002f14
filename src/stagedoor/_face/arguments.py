"""What a handler takes, checked: the parameters of its path, its inputs, its body."""

from collections.abc import Sequence
from typing import Any

from stagedoor._aggregate.part import Argument, Signature, signature_of
from stagedoor._face.declared import Handler
from stagedoor._face.fields import Cookie, Picker
from stagedoor._face.guards import Claimed, Guard, claimed_of, guard_of
from stagedoor._face.inputs import Input, Reader, already, input_of, is_model, nearest, twice, untaken
from stagedoor._face.markers import is_query, well_marked
from stagedoor._face.templates import route_names
from stagedoor._web.rendering import adapted
from stagedoor.errors import ConfigError

__all__ = ["Arguments", "varied"]

_BODIES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Arguments:
    """The arguments of one handler, by where they come from; raises `ConfigError` for one that comes from nowhere."""

    def __init__(self, declared: Handler, running: object) -> None:
        self._declared = declared
        self._where = f"{declared.place}: {declared.method} {declared.path}"
        signature = self._signature()
        self._path = route_names(declared.path, str(declared.place))
        self.returns = signature.returns
        # An argument of the type `Running` is the gateway itself.
        self.given: dict[str, Any] = {
            one.name: running for one in signature.arguments if one.hint is type(running)
        }
        self.claimed = self._find_claimed(signature.arguments)
        self.guard = self._find_guard()
        told = {*self.given, *(one.argument for one in self.claimed)}
        asked = [one for one in signature.arguments if one.name not in told]
        self.body = self._find_body(asked)
        self.inputs = self._find_inputs(asked)
        self.names = [one.argument for one in self.inputs]
        self.read = Reader(self.inputs).read
        self.body_adapter = (
            None
            if self.body is None
            else adapted(self.body.hint, f"{self._where}: the body, {self.body.name!r}, cannot be read")
        )
        self.vary = varied(declared, signature.arguments)
        self._check_tags()

    def _signature(self) -> Signature:
        try:
            return well_marked(signature_of(self._declared.function))
        except ConfigError as error:
            raise ConfigError(f"{self._where}: {error}") from error

    def _find_claimed(self, arguments: Sequence[Argument]) -> tuple[Claimed, ...]:
        """Return the arguments that say who asks."""
        try:
            return tuple(one for one in map(claimed_of, arguments) if one is not None)
        except ConfigError as error:
            raise ConfigError(f"{self._where}: {error}") from error

    def _find_guard(self) -> Guard | None:
        try:
            return guard_of(self._declared.guard, self.claimed)
        except ConfigError as error:
            raise ConfigError(f"{self._where}: {error}") from error

    def _find_body(self, arguments: Sequence[Argument]) -> Argument | None:
        """Return the argument that is the body."""
        found = [
            one
            for one in arguments
            if one.name not in self._path
            and input_of(one, self._path).place == "query"
            and is_model(one.hint)
            and not is_query(one.hint)
        ]
        if not found:
            return None
        if len(found) > 1 or self._declared.method not in _BODIES:
            names = ", ".join(repr(one.name) for one in found)
            none = f"{self._declared.method} has no body: say each of its fields as an argument"
            reason = "a request has one body" if self._declared.method in _BODIES else none
            raise ConfigError(f"{self._where}: {names}: {reason}")
        return found[0]

    def _find_inputs(self, arguments: Sequence[Argument]) -> tuple[Input, ...]:
        found = tuple(input_of(one, self._path) for one in arguments if one is not self.body)
        for one in found:
            try:
                _ = one.adapter
            except ConfigError as error:
                raise ConfigError(f"{self._where}: argument {one.argument!r}: {error}") from error
        for one in twice(found):
            raise ConfigError(f"{self._where}: argument {one.argument!r}: {already(one)}")
        taken = {one.name for one in found if one.place == "path"}
        for name in self._path:
            if name not in taken:
                near = untaken(name, found)
                raise ConfigError(f"{self._where}: the path names {name!r}, which no argument takes{near}")
        return found

    def _check_tags(self) -> None:
        cache = self._declared.cache
        for name in sorted(() if cache is None else cache.names):
            if name not in self.names:
                raise ConfigError(
                    f"{self._where}: a tag names {name!r}, which is no input here{nearest(name, self.names)}"
                )


def varied(declared: Handler, arguments: Sequence[Argument]) -> Picker:
    """Return what identifies an answer of a handler: what it declares, and the fields that are its inputs."""
    inputs = [input_of(one, ()) for one in arguments]
    names = {one.name.lower() for one in inputs if one.place == "header"}
    crumbs = {one.name for one in inputs if one.place == "cookie"}
    return Picker({*declared.vary, *names, *map(Cookie, crumbs)}, str(declared.place))
