"""A set of containers as a test uses it: up, down, asked from outside and looked into."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.deploy.manifests import ROOT, compose
from tests.servers import SCRIPTS

__all__ = ["Set", "copied", "until"]

# What a clean clone has of it; no data, no environment, no secrets.
_SHIPPED = (
    "Dockerfile",
    "compose.yaml",
    "compose.prod.yaml",
    "start_with_monitoring.sh",
    "deploy",
    "scripts",
)


def until(seconds: float, what: str, holds: Callable[[], bool]) -> None:
    """Wait for something to hold; fail with what it was."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)


def copied(folder: Path) -> Path:
    """Copy what is shipped into a folder, as a clone would have it."""
    for name in _SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


class Set:
    """One compose file, run by podman-compose in a folder of its own."""

    def __init__(self, folder: Path, file: str, engine: dict[str, str], **said: str) -> None:
        self.folder = folder
        self.file = file
        self.project = compose(file)["name"]
        command = SCRIPTS / "podman-compose"
        self.environment = (
            engine | {"COMPOSE": str(command), "PATH": f"{SCRIPTS}:{os.environ['PATH']}"} | said
        )

    def run(self, *command: str, seconds: float = 300.0, check: bool = True) -> str:
        """Run a command in the folder; return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout + done.stderr

    def compose(self, *words: str, seconds: float = 300.0) -> str:
        """Run podman-compose on the file."""
        return self.run(self.environment["COMPOSE"], "-f", self.file, *words, seconds=seconds)

    def podman(self, *words: str, check: bool = True) -> str:
        """Run podman; what it says of systemd, which is not here, goes to the other stream and is dropped."""
        done = subprocess.run(
            ["podman", *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"podman {words}: {done.stderr[-2000:]}"
        return done.stdout

    def name(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}_{service}_1"

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what podman knows of a container."""
        (found,) = json.loads(self.podman("inspect", self.name(service)))
        return dict(found)

    def is_healthy(self, service: str) -> bool:
        """Ask a container's own health check; podman does so only when told, without systemd."""
        command = ["podman", "healthcheck", "run", self.name(service)]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0

    def exec(self, service: str, *words: str) -> str:
        """Run a command inside a container."""
        return self.podman("exec", self.name(service), *words)
