"""Closed-loop load by wrk: as many requests as the target answers, each for an identity nobody asked for before."""

import itertools
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.process import Command, pinned

__all__ = ["Load", "drive", "fresh_prefix", "parse_report", "require", "wrk"]

SCRIPT = Path(__file__).with_name("fresh.lua")
_RUNS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw. Times are seconds; `errors` counts answers of 400 and above, resets and time-outs."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    size: int  # bytes read, heads included

    @property
    def rate(self) -> float:
        """Return answers per second."""
        return self.requests / self.seconds


def fresh_prefix(path: str) -> str:
    """Return a path that no earlier run of this process used; a count is appended to it."""
    return f"{path}r{next(_RUNS)}n"


def wrk(
    url: str, prefix: str, *, connections: int, seconds: float, cores: tuple[int, ...], patience: int = 2
) -> Load:
    """Load the origin for so long over so many connections, asking for PREFIX1, PREFIX2, ...

    What takes longer than `patience` seconds is late, which is an error.
    """
    return drive(
        url, SCRIPT, (prefix,), connections=connections, seconds=seconds, cores=cores, patience=patience
    )


def drive(
    url: str,
    script: Path,
    arguments: tuple[str, ...],
    *,
    connections: int,
    seconds: float,
    cores: tuple[int, ...],
    patience: int = 2,
) -> Load:
    """Load the origin with the requests that a script makes of its arguments."""
    how = ("-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", f"{patience}s", "-s", str(script))
    argv = ("wrk", *how, url, "--", *arguments)
    done = subprocess.run(
        pinned(Command(name="wrk", argv=argv, cores=cores)),
        capture_output=True,
        check=True,
        text=True,
        timeout=seconds + 15,
    )
    return parse_report(done.stdout)


def parse_report(text: str) -> Load:
    """Read the line of JSON with which fresh.lua ends wrk's output."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"no report in the output of wrk:\n{text}")
    seen = json.loads(lines[-1])
    return Load(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        p50=seen["p50"] / 1e6,
        p99=seen["p99"] / 1e6,
        errors=seen["refused"] + seen["broken"] + seen["late"],
        size=seen["bytes"],
    )


def require(*tools: tuple[str, str]) -> None:
    """Leave with a message unless every tool is on PATH; each is given with the package that brings it."""
    missing = [
        f"{tool} (Debian: apt-get install {package})" for tool, package in tools if not shutil.which(tool)
    ]
    if missing:
        raise SystemExit("this bench needs " + ", ".join(missing))
