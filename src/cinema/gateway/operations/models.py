"""The shapes of the operators' answers, for the documentation."""

from typing import Any

from pydantic import BaseModel

__all__ = ["Alive", "CacheStats", "HealthAnswer", "Ready", "StartAnswer", "SystemInfo"]


class Alive(BaseModel):
    """The process runs."""

    status: str


class Ready(BaseModel):
    """The process takes requests."""

    status: str


class HealthAnswer(BaseModel):
    """The gateway and what stands behind it; `services` is `components` without details."""

    status: str
    service: str
    version: str
    timestamp: str
    components: dict[str, dict[str, Any]]
    services: dict[str, str]
    cache: dict[str, str]


class CacheStats(BaseModel):
    """The cache in use and how it fares."""

    cache_type: str
    status: str
    stats: dict[str, Any] | None = None
    error: str | None = None


class SystemInfo(BaseModel):
    """The machine, this process, and what it holds: `runtime` must return to rest after faults."""

    system: dict[str, float]
    process: dict[str, float]
    api_gateway: dict[str, Any]
    runtime: dict[str, int]


class StartAnswer(BaseModel):
    """Where everything is."""

    message: str
    service: str
    version: str
    date: str
    monitoring: dict[str, str]
    endpoints: list[str]
    docs: list[str]
