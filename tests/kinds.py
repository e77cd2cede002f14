"""Which kinds of servers and faults a run is held to: the first by default, all in CI and in `make deep`."""

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["kinds"]

T = TypeVar("T")


def kinds(*names: T, environment: Mapping[str, str] = os.environ) -> Sequence[T]:
    """Return the kinds to test on: the first, or all where time is no matter."""
    every = environment.get("CI", "").lower() in {"1", "true"} or environment.get("DEEP") == "1"
    return names if every else names[:1]
