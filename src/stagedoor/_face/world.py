"""The world round a gateway: clock, chance, logs and metrics; the real one, or a test's."""

import io
import logging
import multiprocessing
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from stagedoor._face.settings import Settings
from stagedoor.call import Env
from stagedoor.clock import SystemClock
from stagedoor.observers import fan_out
from stagedoor.observers.logs import Logs
from stagedoor.web.traffic import Traffic

__all__ = ["World"]

_LOGGER = logging.getLogger("stagedoor")
_RANDOM = random.Random()  # noqa: S311 - ids must be unlike one another, not unguessable
_SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class World:
    """What is not deterministic, and who is told of what happens.

    With an `env` of the caller's own nothing is logged and its observer hears everything; metrics count either way.
    """

    def __init__(
        self, settings: Settings, services: Sequence[str], env: Env | None, *, all_logs: bool
    ) -> None:
        self._all_logs = all_logs
        self._level = settings.level
        self.metrics = _metrics(services) if settings.metrics else None
        self.logs: Logs | None = None
        clock = SystemClock() if env is None else env.clock
        sinks: list[Any] = [] if self.metrics is None else [self.metrics]
        if env is None:
            self.logs = Logs(_output(), level=settings.level, format=settings.form, clock=clock)
            sinks.append(self.logs)
        else:
            sinks.append(env.observe)
        rng = random.random if env is None else env.rng
        self.env = Env(clock, rng, fan_out(*sinks))
        self.entropy: Callable[[int], bytes] = _RANDOM.randbytes if env is None else _drawn(rng)
        self.traffic: tuple[Traffic, ...] = tuple(one for one in (self.metrics, self.logs) if one is not None)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Write what is logged, until closed."""
        if self.logs is None:
            yield
            return
        names = () if self._all_logs else ("stagedoor",)
        self.logs.capture(*names, level="WARNING")
        _tell_what_is_not_shared(self.metrics is not None)
        try:
            yield
        finally:
            await self.logs.aclose()


def _output() -> BinaryIO:
    """Return standard output; that of the process where something without bytes, as in a notebook, stands for it."""
    found: BinaryIO | None = getattr(sys.stdout, "buffer", None) or getattr(sys.__stdout__, "buffer", None)
    return io.BytesIO() if found is None else found


def _metrics(services: Sequence[str]) -> Any:  # noqa: ANN401 - `Metrics`, of an extra
    """Return what counts; None, with a warning, where its library is missing."""
    try:
        from stagedoor.observers.metrics import Metrics  # noqa: PLC0415 - an extra: loaded where it is used
    except ImportError:
        _LOGGER.warning("/metrics is not served: it needs prometheus-client: pip install stagedoor[metrics]")
        return None
    return Metrics({name: name for name in (*services, "redis")}, process=True)


def _tell_what_is_not_shared(metrics: bool) -> None:
    """Say what several processes of a foreign server do not share."""
    if metrics and multiprocessing.parent_process() is not None and _SHARED_METRICS not in os.environ:
        _LOGGER.warning(
            "/metrics shows the numbers of one worker only: `stagedoor run --workers` adds them up; elsewhere set %s "
            "to an empty folder before the workers start",
            _SHARED_METRICS,
        )


def _drawn(rng: Callable[[], float]) -> Callable[[int], bytes]:
    return lambda count: bytes(int(rng() * 256) for _ in range(count))
