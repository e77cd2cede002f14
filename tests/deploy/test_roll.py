"""`deploy/roll.sh` finds the engine that there is, and replaces one gateway at a time."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT

WITHOUT_COMPOSE = '[ "$1" != compose ] || exit 1'  # Docker's client alone, as Debian has it
WITH_COMPOSE = '[ "$2" = version ] || echo "docker $*" >> "$SAID"'


@pytest.mark.parametrize(
    ("docker", "engine"),
    [(WITHOUT_COMPOSE, "podman-compose"), (WITH_COMPOSE, "docker compose")],
    ids=["client alone", "with compose"],
)
def test_the_gateways_are_replaced_in_turn_by_the_engine_that_works(
    tmp_path: Path, docker: str, engine: str
) -> None:
    """Issue 15: a docker that cannot compose is no engine; the second gateway waits until the first is new."""
    said = tmp_path / "said"
    for name, does in {
        "docker": docker,
        "podman-compose": 'echo "podman-compose $*" >> "$SAID"',
        "sleep": ":",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SAID": str(said)}
    done = subprocess.run(
        ["sh", ROOT / "deploy/roll.sh"], env=environment, capture_output=True, text=True, check=False
    )

    lines = said.read_text().splitlines()
    verbs = [line.removeprefix(f"{engine} -f compose.prod.yaml ") for line in lines]
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(engine) for line in lines)
    assert verbs[:4] == [
        "run --rm migrate",
        "stop gateway-1",
        "up -d --no-deps --force-recreate gateway-1",
        "exec -T gateway-1 healthy",
    ]
    assert verbs.index("exec -T gateway-1 healthy") < verbs.index("stop gateway-2")
