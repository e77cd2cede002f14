"""Wait until every gateway worker finds everything well, and say meanwhile what is not."""

import json
import time
import urllib.request
from collections.abc import Callable

from tests.servers import LOOPBACK

__all__ = ["Patience", "until_ready"]

_PAUSE = 0.2
# A worker gives the same answer for two seconds, and the next question may meet another one.
_STEADY = 3.0
# With FILMS=200000 it takes minutes until the first index is built; nothing takes this long.
_LONGEST = 1800.0


class Patience:
    """Tell when to stop waiting: all is well once it has been for a while."""

    def __init__(self, now: float) -> None:
        self._begun = self._heard_at = now
        self._well_since: float | None = None
        self._told = ""

    def hear(self, now: float, missing: str) -> str | None:
        """Take what is missing at an instant, "" for nothing; return what is worth a line, if it is."""
        self._heard_at = now
        self._well_since = None if missing else now if self._well_since is None else self._well_since
        if not missing or missing == self._told:
            return None
        self._told = missing
        return f"waiting for {missing}"

    def is_over(self, now: float) -> bool | None:
        """Return True once nothing but well was heard for a while, False after far too long, else None."""
        if self._well_since is not None and self._heard_at - self._well_since >= _STEADY:
            return True
        return False if now - self._begun >= _LONGEST else None


def until_ready(port: int, runs: Callable[[], bool], say: Callable[[str], None]) -> bool:
    """Ask a gateway's health until it is well; return False if it ends instead, or never is."""
    patience = Patience(time.monotonic())
    while runs() and patience.is_over(time.monotonic()) is None:
        missing = missing_at(port)
        line = patience.hear(time.monotonic(), missing)
        if line:
            say(line)
        time.sleep(_PAUSE)
    return runs() and bool(patience.is_over(time.monotonic()))


def missing_at(port: int) -> str:
    """Return what is not well behind a gateway by its own account, "" where all is."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/health", timeout=10) as answer:
            told = json.load(answer)
            ill = [name for name, state in told["services"].items() if state != "healthy"]
            return ", ".join(ill) or ("" if told["status"] == "healthy" else "the gateway")
    except (OSError, ValueError, KeyError):
        return "the gateway"
