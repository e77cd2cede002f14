"""The first start of the platform with the real films: how long until the index is built, and until it answers."""

import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.process import ROOT, Command, free_port, running
from cinema.services import SERVICES

__all__ = ["First", "first_start"]

_BUILT = re.compile(r"search index built in ([0-9.]+) s")


@dataclass(frozen=True, slots=True)
class First:
    """Seconds."""

    index: float
    ready: float


def first_start(cores: tuple[int, ...]) -> First:
    """Run `cinema up` in an empty folder until the gateway is ready."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        services = {service.setting: f"http://127.0.0.1:{free_port()}" for service in SERVICES.values()}
        command = Command(
            name="cinema up",
            argv=(sys.executable, "-m", "cinema", "up"),
            cores=cores,
            environment={"PYTHONPATH": str(ROOT / "src"), "GATEWAY_PORT": str(port), "FILMS": "", **services},
            folder=Path(folder),
        )
        began = time.monotonic()
        with running(command) as platform:
            platform.wait_until_answers(f"http://127.0.0.1:{port}/health/ready", seconds=120)
            ready = time.monotonic() - began
            built = _BUILT.search(platform.log(200_000))
        return First(float(built[1]) if built else float("nan"), ready)
