"""What a gateway serves that the face has no word for: routes of the engine's own kind, given the running gateway."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stagedoor._face.places import place_of_code
from stagedoor._upstream import Upstream
from stagedoor._web.routes import Route
from stagedoor.errors import ConfigError

__all__ = ["Extension", "made"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What `Gateway.extend` adds.

    `upstreams` are counted and closed with the gateway, `lives` entered while it is open. `waits_for` names, by the
    name of one of these upstreams, what stands behind it: the log gives that as the cause of a 5xx.
    """

    routes: Sequence[Route] = ()
    upstreams: Sequence[Upstream[Any, Any]] = ()
    lives: Sequence[AbstractAsyncContextManager[Any]] = ()
    waits_for: Mapping[str, str] = field(default_factory=dict)


def made(make: Callable[[T], Extension], running: T) -> Extension:
    """Return what a function adds to a gateway at work; raises `ConfigError` for what is no `Extension`."""
    added: object = make(running)
    if not isinstance(added, Extension):
        raise ConfigError(
            f"{place_of_code(make)}: extend: what it is given returns an Extension, not {type(added).__name__}"
        )
    return added
