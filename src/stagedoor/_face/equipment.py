"""What every gateway does with answers as they leave, as far as its settings want it: codings, and the near cache."""

from stagedoor._cache.memory import MemoryStore
from stagedoor._door.wire import head_of
from stagedoor._face.settings import Settings
from stagedoor._web.compression import Compression
from stagedoor._web.gateway import GatewayApp

__all__ = ["equip"]


def equip(web: GatewayApp, settings: Settings, memory: MemoryStore, *, wrapped: bool) -> None:
    """Give a gateway its codings and its near cache; what wraps the whole would be gone round by the door."""
    if settings.compression:
        web.compression = Compression(memory)
    if settings.near_cache and not wrapped:
        web.repeat_near(head_of, most=settings.cache_bytes, claim=memory.claim)
