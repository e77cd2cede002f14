"""Which build answers: one series that is always 1, whose labels say it."""

import platform
from collections.abc import Iterator
from importlib import metadata

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

__all__ = ["Build"]


class Build:
    """A collector of prometheus_client over what does not change while a process lives.

    `version` is that of the application; that of the kit and of Python are looked up.
    """

    def __init__(self, version: str) -> None:
        self._labels = (version, metadata.version("stagedoor"), platform.python_version())

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        text = "Always 1; the labels say what runs."
        told = GaugeMetricFamily("gateway_build_info", text, labels=("version", "stagedoor", "python"))
        told.add_metric(self._labels, 1.0)
        yield told
