"""What a gateway serves that the face has no word for: routes of the engine's own kind, given the running gateway."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from stagedoor._upstream import Upstream
from stagedoor._web.routes import Route

__all__ = ["Extension"]


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What `Gateway.extend` adds.

    `upstreams` are counted and closed with the gateway, `lives` entered while it is open.
    """

    routes: Sequence[Route] = ()
    upstreams: Sequence[Upstream[Any, Any]] = ()
    lives: Sequence[AbstractAsyncContextManager[Any]] = ()
