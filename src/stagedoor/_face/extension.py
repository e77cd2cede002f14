"""What a gateway serves that the face has no word for: routes of the engine's own kind, given the running gateway."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from stagedoor._upstream import Upstream
from stagedoor._web.routes import Route

__all__ = ["Extension"]


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
