"""/api/system/info: the machine, the process, and the counts that must return to rest after faults (X1)."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeAlias

import psutil

from cinema.gateway.operations.models import SystemInfo
from stagedoor import Running

__all__ = ["Measured", "system_info"]

_HELD = ("flights", "permits", "probes", "upstream_connections")
_REUSE = 1.0  # seconds
Figures: TypeAlias = tuple[dict[str, Any], dict[str, Any]]


class Measured:
    """What was measured of the machine and of this process: once a second at most, however many ask, off the loop."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first reading is the base of the next
        psutil.cpu_percent()
        self._asking = asyncio.Lock()
        self._fresh_until = float("-inf")
        self._figures: Figures = ({}, {})

    async def figures(self, now: Callable[[], float]) -> Figures:
        """Return what was measured at most a second ago."""
        async with self._asking:
            if now() >= self._fresh_until:
                self._figures = await asyncio.to_thread(_measured, self._process)
                self._fresh_until = now() + _REUSE
        return self._figures


async def system_info(running: Running, measured: Measured) -> SystemInfo:
    """Return what the process holds now."""
    system, own = await measured.figures(running.env.clock.now)
    held = {**dict.fromkeys(_HELD, 0), **running.held()}
    # This request and its own task are not what the asker wants to know about.
    idle = running.stores.counts().get("tasks", 0)
    counts = {"requests": running.active - 1, "tasks": len(asyncio.all_tasks()) - 1 - idle, **held}
    cache = running.stores.in_use
    started = datetime.fromtimestamp(running.started, UTC).isoformat()
    gateway = {"redis_connected": cache == "redis", "cache_type": cache, "start_time": started}
    return SystemInfo(system=system, process=own, api_gateway=gateway, runtime=counts)


def _sockets() -> int:
    """Count the sockets of this process, from its own files: the system's tables list those of the whole machine."""
    count = 0
    with suppress(OSError), os.scandir("/proc/self/fd") as files:
        for file in files:
            with suppress(OSError):  # closed meanwhile
                count += os.readlink(file.path).startswith("socket:")  # noqa: PTH115 - thousands of them
    return count


def _measured(process: psutil.Process) -> Figures:
    with process.oneshot():
        own = {
            "pid": process.pid,
            "memory_mb": round(process.memory_info().rss / 1_048_576, 1),
            "cpu_percent": process.cpu_percent(),
            "threads": process.num_threads(),
            "connections": _sockets(),
        }
    system = {
        "cpu_percent": psutil.cpu_percent(),
        "memory_percent": psutil.virtual_memory().percent,
        "disk_usage": psutil.disk_usage("/").percent,
    }
    return system, own
