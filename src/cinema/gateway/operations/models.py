"""The shapes of the operators' answers."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

__all__ = ["CacheStats", "HealthAnswer", "StartAnswer", "SystemInfo"]


class HealthAnswer(TypedDict):
    """The gateway and what stands behind it; `services` is `components` without details."""

    status: str
    service: str
    version: str
    timestamp: str
    components: dict[str, dict[str, Any]]
    services: dict[str, str]
    cache: dict[str, str]


class CacheStats(TypedDict):
    """The cache in use and how it fares."""

    cache_type: str
    status: str
    stats: NotRequired[dict[str, Any]]
    error: NotRequired[str]


class SystemInfo(TypedDict):
    """The machine, this process, and what it holds: `runtime` must return to rest after faults."""

    system: dict[str, float]
    process: dict[str, int | float]
    api_gateway: dict[str, Any]
    runtime: dict[str, int]


class StartAnswer(TypedDict):
    """Where everything is."""

    message: str
    service: str
    version: str
    date: str
    monitoring: dict[str, str]
    endpoints: list[str]
    docs: list[str]
