"""Traces and reports of the platform's processes: OpenTelemetry by its standard variables, and Sentry."""

import os
import random
from collections.abc import Mapping
from typing import Protocol

from cinema import __version__
from cinema.faults import Fault
from stagedoor._observers.sentry import Sentry
from stagedoor._observers.tracing import exporters_in
from stagedoor.errors import ConfigError

__all__ = ["Reporting", "sentry_of", "share_variables"]


class Reporting(Protocol):
    """What the settings say of Sentry."""

    @property
    def sentry_dsn(self) -> str | None:
        """Where to, if anywhere."""
        ...

    @property
    def sentry_environment(self) -> str:
        """Which installation this is."""
        ...

    @property
    def sentry_traces_rate(self) -> float:
        """Which share of requests to tell of, 0 to 1."""
        ...


def sentry_of(settings: Reporting, service: str) -> Sentry | None:
    """Return what tells Sentry of a process's own errors; None where nobody is to be told.

    Raises:
        Fault: the package is missing.

    """
    if not settings.sentry_dsn:
        return None
    try:
        return Sentry(
            settings.sentry_dsn,
            environment=settings.sentry_environment,
            release=__version__,
            service=service,
            loggers=("stagedoor", "cinema"),
            traces_rate=settings.sentry_traces_rate,
            rng=random.random,
        )
    except ConfigError as error:
        raise Fault(f"SENTRY_DSN: {error}") from None


def share_variables(said: Mapping[str, str | None]) -> None:
    """Put what `.env` says of OTEL_* into the environment, which is all that the library reads.

    Raises:
        ConfigError: a value cannot work.

    """
    for name, value in said.items():
        if name.startswith("OTEL_") and value and not os.environ.get(name):
            os.environ[name] = value
    exporters_in(os.environ)
