"""Who is told of each request: metrics and the access log."""

from collections.abc import Iterable
from typing import Protocol

from stagedoor.problems import Problem
from stagedoor.web.routes import UNMATCHED

__all__ = ["Traffic", "tell_refused"]


class Traffic(Protocol):
    """Who is told of each counted request: metrics and the access log."""

    def request_started(self) -> None:
        """Note that a request is under way."""

    def request_ended(
        self, method: str, endpoint: str, status: int, seconds: float, request_id: str, trace_id: str
    ) -> None:
        """Note that it ended; `endpoint` is the route's template or "unmatched"."""


def tell_refused(traffic: Iterable[Traffic], problem: Problem, request_id: str) -> None:
    """Tell of a request that the door turned away before any application saw it."""
    for sink in traffic:
        sink.request_started()
        sink.request_ended("OTHER", UNMATCHED, problem.status, 0.0, request_id, "")
