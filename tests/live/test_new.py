"""The project that `stagedoor new` writes, followed as its README says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.docs.pages import ROOT
from tests.servers import LOOPBACK, free_port, parental

pytestmark = pytest.mark.live

COMMAND = [sys.executable, "-m", "stagedoor"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project as it was written."""
    folder = tmp_path_factory.mktemp("new")
    subprocess.run([*COMMAND, "new", "corner_shop"], cwd=folder, check=True, capture_output=True)
    return folder / "corner_shop"


def done(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python program in the project, under no settings of ours."""
    environment = {name: said for name, said in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


@contextmanager
def served(project: Path) -> Iterator[str]:
    """Serve the project; give its address once it answers."""
    port = str(free_port())
    command = [*parental(), *COMMAND, "run", "corner_shop:app", "--port", port]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL)
    address = f"http://{LOOPBACK}:{port}"
    try:
        for _ in range(1_200):
            with suppress(OSError), urlopen(f"{address}/health/ready"):
                break
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_its_own_tests_pass(project: Path) -> None:
    """12.4: with what its pyproject says and nothing else."""
    result = done(project, "pytest", "-q", "-p", "no:cacheprovider")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout


@pytest.mark.long
def test_its_types_are_right(project: Path) -> None:
    """12.4: strictly, tests included."""
    result = done(project, "mypy", f"--cache-dir={ROOT}/.mypy_cache/new")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "no issues found in 4 source files" in result.stdout


def test_check_has_no_findings(project: Path) -> None:
    """12.4: an example that is doubtful teaches doubtful things."""
    result = done(project, "stagedoor", "check", "corner_shop:app")

    assert (result.returncode, "no findings" in result.stdout) == (0, True)


def test_it_answers_from_the_first_minute(project: Path) -> None:
    """12.4: no address is set, and every part is there."""
    with served(project) as address, urlopen(f"{address}/home/1") as answer:
        parts, body = answer.headers["stagedoor-parts"], answer.read()

    assert parts == "account=fresh, recent=fresh"
    assert body.startswith(b'{"account":{"name":"Ann","segment":"gold"},"recent":[{"id":1')
