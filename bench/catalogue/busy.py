"""How busy the machine was: what a figure taken on it is worth."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue.load import cpu_of
from bench.process import TICK

__all__ = ["Busy", "Watch", "busy_seconds"]


@dataclass(frozen=True, slots=True)
class Busy:
    """Parts of all cores: what the gateway used, what anybody used (the generator and the engine's node too)."""

    gateway: float  # of one core
    machine: float


class Watch:
    """Watches a process and the machine from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.monotonic(), cpu_of(pid), busy_seconds(Path("/proc/stat").read_text())

    def busy(self) -> Busy:
        """Return what was used since."""
        began, cpu, machine = self._began
        passed = time.monotonic() - began
        used = busy_seconds(Path("/proc/stat").read_text()) - machine
        return Busy((cpu_of(self._pid) - cpu) / passed, used / passed / (os.cpu_count() or 1))


def busy_seconds(stat: str) -> float:
    """Return the seconds that all cores worked, from the first line of /proc/stat (proc(5)): all but idle, iowait."""
    user, nice, system, _, _, irq, softirq, steal = (int(one) for one in stat.split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK
