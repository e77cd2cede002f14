"""What is deployed, as data: the compose files and what kustomize builds."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers import SCRIPTS

__all__ = ["ROOT", "built", "compose", "containers_of", "named"]

ROOT = Path(__file__).resolve().parents[2]


@cache
def compose(name: str) -> dict[str, Any]:
    """Read a compose file."""
    read: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return read


@cache
def built(overlay: str) -> tuple[dict[str, Any], ...]:
    """Build an overlay; each object is one dictionary."""
    command = [str(SCRIPTS / "kubectl"), "kustomize", str(ROOT / "deploy/kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def named(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in built(overlay) if one["kind"] == kind}


def containers_of(overlay: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return each container with its owner's name and its pod's specification."""
    found = []
    for one in built(overlay):
        if one["kind"] in {"Deployment", "StatefulSet", "CronJob"}:
            pod = one["spec"].get("jobTemplate", one)["spec"]["template"]["spec"]
            found += [
                (one["metadata"]["name"], container, pod)
                for container in [*pod.get("initContainers", []), *pod["containers"]]
            ]
    return found
