"""The world round a gateway: clock, chance, logs and metrics; the real one, or a test's."""

import io
import logging
import multiprocessing
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, BinaryIO

from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor._face.settings import Settings, prefix_of
from stagedoor._ids import randbytes
from stagedoor._observers import fan_out
from stagedoor._observers.logs import Logs, LogStream
from stagedoor._observers.sentry import Sentry
from stagedoor._observers.tracing import tracing_of
from stagedoor._web.access import AccessObserver
from stagedoor.errors import ConfigError

__all__ = ["World"]

_LOGGER = logging.getLogger("stagedoor")
_SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class World:
    """What is not deterministic, and who is told of what happens.

    With an `env` of the caller's own nothing is logged and its observer hears everything; metrics count either way.
    """

    def __init__(
        self,
        settings: Settings,
        labels: Mapping[str, str],
        env: Env | None,
        *,
        release: str = "",
        name: str = "",
        all_logs: bool = False,
        stream: LogStream | None = None,
    ) -> None:
        self._all_logs = all_logs
        self.metrics = _metrics(labels, release) if settings.metrics else None
        self.logs: Logs | None = None
        clock = SystemClock() if env is None else env.clock
        self.tracing = tracing_of(os.environ, name, release) if env is None else None
        tracer = self.tracing if env is None else env.tracer
        rng = random.random if env is None else env.rng
        sinks: list[Any] = [] if self.metrics is None else [self.metrics]
        if env is None or stream is not None:
            out = _output() if stream is None else stream
            known, share = {**labels, "redis": "redis"}, settings.log_sample
            self.logs = Logs(
                out,
                level=settings.level,
                format=settings.form,
                service=name,
                spans=tracer is not None,
                labels=known,
                clock=clock,
                sample=share,
                rng=rng,
            )
            sinks.append(self.logs)
        if env is not None:
            sinks.append(env.observe)
        self.env = Env(clock, rng, fan_out(*sinks), tracer)
        self.entropy: Callable[[int], bytes] = randbytes if env is None else _drawn(rng)
        self.sentry = _sentry(settings, name, release, self.env)
        told = (self.metrics, self.logs, self.sentry)
        self.traffic: tuple[AccessObserver, ...] = tuple(one for one in told if one is not None)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Write what is logged and tell what went wrong, until closed."""
        async with AsyncExitStack() as stack:
            if self.logs is not None:
                names = () if self._all_logs else ("stagedoor",)
                self.logs.capture(*names, level="WARNING")
                stack.push_async_callback(self.logs.aclose)
                _tell_what_is_not_shared(self.metrics is not None)
            if self.tracing is not None:
                self.tracing.open()
                stack.push_async_callback(self.tracing.aclose)
            if self.sentry is not None:
                self.sentry.watch()
                stack.push_async_callback(self.sentry.aclose)
            yield


def _output() -> BinaryIO:
    """Return standard output; that of the process where something without bytes, as in a notebook, stands for it."""
    found: BinaryIO | None = getattr(sys.stdout, "buffer", None) or getattr(sys.__stdout__, "buffer", None)
    return io.BytesIO() if found is None else found


def _sentry(settings: Settings, name: str, release: str, env: Env) -> Sentry | None:
    if not settings.sentry_dsn:
        return None
    try:
        return Sentry(
            settings.sentry_dsn,
            environment=settings.sentry_environment,
            release=release,
            traces_rate=settings.sentry_traces_rate,
            rng=env.rng,
            clock=env.clock,
        )
    except ConfigError as error:
        raise ConfigError(f"{prefix_of(name)}SENTRY_DSN: {error}") from None


def _metrics(labels: Mapping[str, str], release: str) -> Any:  # noqa: ANN401 - `Metrics`, of an extra
    """Return what counts; None, with a warning, where its library is missing. Raises `ConfigError`."""
    try:
        from stagedoor._observers.build import Build  # noqa: PLC0415 - an extra: loaded where it is used
        from stagedoor._observers.metrics import Metrics  # noqa: PLC0415 - the same
    except ImportError:
        _LOGGER.warning("/metrics is not served: it needs prometheus-client: pip install stagedoor[metrics]")
        return None
    metrics = Metrics({**labels, "redis": "redis"}, process=True)
    metrics.include(Build(release))
    return metrics


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
