"""Which kinds of databases and stores a run is held to: one of each by default, all in CI and in `make deep`."""

import os
from collections.abc import Mapping, Sequence

__all__ = ["kinds"]


def kinds(*names: str, environment: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Return the kinds to test on: the first, or all where time is no matter."""
    every = environment.get("CI", "").lower() in {"1", "true"} or environment.get("DEEP") == "1"
    return names if every else names[:1]
