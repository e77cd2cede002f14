"""`./start_with_monitoring.sh` says that it is ready when there is something to see."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT

# Answers the third question for a user, and each one for films if they are there at all.
COMPOSE = """
echo "$*" >> "$SAID"
case $* in
    *user123) [ "$(grep -c user123 "$SAID")" -ge 3 ] ;;
    */films*) [ -n "$FILMS" ] ;;
esac
"""


@pytest.mark.parametrize(("films", "asked"), [("yes", 3), ("", 61)])
def test_it_waits_for_the_first_data_but_not_for_ever(tmp_path: Path, films: str, asked: int) -> None:
    """Issue 15: the first profile after "ready" was 404; who has deleted the demo's data is ready all the same."""
    said = tmp_path / "said"
    for name, does in {"podman-compose": COMPOSE, "podman": "exit 1", "sleep": ":"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "COMPOSE": str(tmp_path / "podman-compose"),
        "SAID": str(said),
        "FILMS": films,
    }
    done = subprocess.run(
        [ROOT / "start_with_monitoring.sh"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "ready:" in done.stdout
    assert said.read_text().count("user123") == asked
    assert ("not there yet" in done.stderr) == (not films)
