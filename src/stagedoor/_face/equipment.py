"""What every gateway does with answers as they leave, as far as its settings want it: codings, and the near cache.

And what its own middleware makes of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from stagedoor._cache.memory import MemoryStore
from stagedoor._door.wire import head_of
from stagedoor._face.places import Place
from stagedoor._face.settings import Settings
from stagedoor._web.compression import Compression
from stagedoor._web.gateway import GatewayApp
from stagedoor.errors import ConfigError

__all__ = ["enclosed", "equip"]


def equip(web: GatewayApp, settings: Settings, memory: MemoryStore, *, wrapped: bool) -> None:
    """Give a gateway its codings and its near cache; what wraps the whole would be gone round by the door."""
    if settings.compression:
        web.compression = Compression(memory)
    if settings.near_cache and not wrapped:
        web.repeat_near(head_of, most=settings.cache_bytes, claim=memory.claim)


def enclosed(web: GatewayApp, middleware: Sequence[Callable[[Any], Any]], place: Place) -> Any:  # noqa: ANN401 - ASGI
    """Return a gateway within its middleware, outermost first; raises `ConfigError` for what makes no application."""
    app: Any = web
    for wrap in reversed(middleware):
        app = wrap(app)
        if not callable(app):
            name = getattr(wrap, "__name__", repr(wrap))
            raise ConfigError(f"{place}: middleware {name} returned {type(app).__name__}, not an application")
    return app
