"""/health, /health/live, /health/ready."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from stagedoor import problems
from stagedoor.clock import Clock
from stagedoor.web.answer import Answer, json
from stagedoor.web.health import Health, overall
from stagedoor.web.request import Request
from stagedoor.web.routes import Handler, Refused

__all__ = ["alive", "health", "ready"]

_NO_STORE = ((b"cache-control", b"no-store"),)


async def alive(_: Request) -> Answer:
    """Say that the process runs; touches nothing else."""
    return json({"status": "alive"}, headers=_NO_STORE)


def ready(is_ready: Callable[[], bool]) -> Handler:
    """Return the handler that says whether requests are welcome; upstream outages do not change it."""

    async def handle(_: Request) -> Answer:
        if not is_ready():
            raise Refused(problems.overloaded())
        return json({"status": "ready"}, headers=_NO_STORE)

    return handle


def health(
    asked: Health, cache_in_use: Callable[[], Literal["redis", "in_memory"]], *, clock: Clock, version: str
) -> Handler:
    """Return the handler that says how each component is; 200 as long as the gateway itself serves."""

    async def handle(_: Request) -> Answer:
        components = await asked.components()
        redis = components.get("redis")
        return json(
            {
                "status": overall(components),
                "service": "api-gateway",
                "version": version,
                "timestamp": datetime.fromtimestamp(clock.wall(), UTC).isoformat(),
                "components": {name: one.as_json() for name, one in components.items()},
                "services": {name: one.status for name, one in components.items()},
                "cache": {
                    "type": cache_in_use(),
                    "status": "healthy" if redis is None or redis.status == "healthy" else "degraded",
                },
            },
            headers=_NO_STORE,
        )

    return handle
