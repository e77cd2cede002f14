"""Traces and reports of the platform's processes: OpenTelemetry by its standard variables, and Sentry."""

import os
from collections.abc import Mapping

from stagedoor._observers.tracing import exporters_in

__all__ = ["share_variables"]


def share_variables(said: Mapping[str, str | None]) -> None:
    """Put what `.env` says of OTEL_* into the environment, which is all that the library reads.

    Raises:
        ConfigError: a value cannot work.

    """
    for name, value in said.items():
        if name.startswith("OTEL_") and value and not os.environ.get(name):
            os.environ[name] = value
    exporters_in(os.environ)
