"""/api/system/info: the machine, the process, and the counts that must return to rest after faults (X1)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import psutil

from cinema.gateway.operations.models import SystemInfo
from stagedoor import Running

__all__ = ["system_info"]

_HELD = ("flights", "permits", "probes", "upstream_connections")


async def system_info(running: Running, process: psutil.Process) -> SystemInfo:
    """Return what the process holds now."""
    # psutil reads /proc: quick, but file access all the same, so off the loop.
    system, own = await asyncio.to_thread(_measured, process)
    held = {**dict.fromkeys(_HELD, 0), **running.held()}
    # This request and its own task are not what the asker wants to know about.
    idle = running.stores.counts().get("tasks", 0)
    counts = {"requests": running.active - 1, "tasks": len(asyncio.all_tasks()) - 1 - idle, **held}
    cache = running.stores.in_use
    started = datetime.fromtimestamp(running.started, UTC).isoformat()
    gateway = {"redis_connected": cache == "redis", "cache_type": cache, "start_time": started}
    return SystemInfo(system=system, process=own, api_gateway=gateway, runtime=counts)


def _measured(process: psutil.Process) -> tuple[dict[str, Any], dict[str, Any]]:
    with process.oneshot():
        own = {
            "pid": process.pid,
            "memory_mb": round(process.memory_info().rss / 1_048_576, 1),
            "cpu_percent": process.cpu_percent(),
            "threads": process.num_threads(),
            "connections": len(process.net_connections()),
        }
    system = {
        "cpu_percent": psutil.cpu_percent(),
        "memory_percent": psutil.virtual_memory().percent,
        "disk_usage": psutil.disk_usage("/").percent,
    }
    return system, own
