"""/api/system/info: the machine, the process, and the counts that must return to rest after faults (X1)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil

from stagedoor.upstream import Upstream
from stagedoor.web.answer import Answer, json
from stagedoor.web.request import Request
from stagedoor.web.routes import Handler

__all__ = ["system_info"]

_HELD = ("flights", "permits", "probes", "upstream_connections")


def system_info(
    upstreams: Sequence[Upstream[Any, Any]],
    *,
    active: Callable[[], int],
    cache: Callable[[], dict[str, Any]],
    counts: Callable[[], Mapping[str, int]],
    start: float,
) -> Handler:
    """Return the handler; `start` is the wall-clock moment the gateway was built."""
    process = psutil.Process()
    process.cpu_percent()  # the first reading is the base of the next
    psutil.cpu_percent()
    started = datetime.fromtimestamp(start, UTC).isoformat()

    async def handle(_: Request) -> Answer:
        # psutil reads /proc: quick, but file access all the same, so off the loop.
        measured = await asyncio.to_thread(_measured, process)
        held: Counter[str] = Counter(dict.fromkeys(_HELD, 0))
        for upstream in upstreams:
            held.update(upstream.counts())
        # This request and its own task are not what the asker wants to know about.
        idle = counts().get("tasks", 0)
        runtime = {"requests": active() - 1, "tasks": len(asyncio.all_tasks()) - 1 - idle, **held}
        gateway = {**cache(), "start_time": started}
        return json({**measured, "api_gateway": gateway, "runtime": runtime}, headers=_NO_STORE)

    return handle


_NO_STORE = ((b"cache-control", b"no-store"),)


def _measured(process: psutil.Process) -> dict[str, Any]:
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
    return {"system": system, "process": own}
