"""Tomorrow, rehearsed: every package has a newer version, and the Makefile installs what the lock says all the same."""

import os
import shutil
import subprocess
import venv
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Self

import pip
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.install.locks import ROOT, Pin, installed, pins
from tests.install.registry import Registry, publish

LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}


def bare(**more: str) -> dict[str, str]:
    """Make an environment in which neither make nor pip is told anything."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))
    }
    return kept | {"PIP_CONFIG_FILE": os.devnull} | more


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A new machine: a folder with a lock and a virtual environment with pip alone, and one registry."""

    folder: Path
    lock: dict[str, Pin]
    registry: Registry

    @classmethod
    def of(cls, folder: Path, lock: str) -> Self:
        """Make one that is to install a lock."""
        index = folder / "index"
        index.mkdir()
        pinned = pins((ROOT / lock).read_text())
        registry = publish(index, pinned, installed)
        (folder / lock).write_text(registry.lock)
        (folder / "pyproject.toml").touch()
        shutil.copy(ROOT / "Makefile", folder)
        venv.create(folder / ".venv", symlinks=True)
        packages = next((folder / ".venv").glob("lib/python*/site-packages"))
        (packages / "pip").symlink_to(Path(pip.__file__).parent)  # unpacking one takes seconds
        return cls(folder=folder, lock=pinned, registry=registry)

    def told(self, stamp: str) -> tuple[str, str]:
        """Ask make how it installs, and how it checks what it has installed."""
        asked = ["make", "--dry-run", "--always-make", "PYTHON=", f".venv/{stamp}.stamp"]
        said = subprocess.run(asked, cwd=self.folder, env=bare(), capture_output=True, text=True, check=True)
        lines = [line for line in said.stdout.splitlines() if " -m pip " in line]
        (install,) = (line for line in lines if "--requirement" in line)
        (check,) = (line for line in lines if " check " in line)
        return install, check

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the Makefile here."""
        told = bare(PIP_INDEX_URL=self.registry.index.as_uri(), PIP_NO_CACHE_DIR="1")
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=told, capture_output=True, text=True, check=False
        )

    def holds(self) -> dict[str, str]:
        """Tell which packages are installed, in which versions."""
        (packages,) = (self.folder / ".venv").glob("lib/python*/site-packages")
        return {canonicalize_name(one.name): one.version for one in distributions(path=[str(packages)])}


@pytest.mark.parametrize("stamp", LOCKS)
def test_newer_versions_on_the_registry_change_nothing(stamp: str, tmp_path: Path) -> None:
    """A: it was green a week ago, and nobody changed a line."""
    machine = Machine.of(tmp_path, LOCKS[stamp])
    install, check = machine.told(stamp)

    done, checked = machine.run(install), machine.run(check)

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.holds() == {name: pin.version for name, pin in machine.lock.items()}
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(
    Version(pip.__version__) >= Version("23.3"), reason="since 23.3 pip holds extras to the pin"
)
def test_an_install_that_resolves_would_break_by_itself(tmp_path: Path) -> None:
    """A: pytest-cov asks for coverage[toml], and pip takes the newest for it: the rehearsal above sees that."""
    machine = Machine.of(tmp_path, LOCKS["dev"])
    install, _ = machine.told("dev")

    done = machine.run(install.replace(" --no-deps", ""))

    assert done.returncode != 0
    assert "coverage[toml]" in done.stderr


@pytest.mark.parametrize("stamp", LOCKS)
def test_an_install_looks_at_the_lock_alone(stamp: str, tmp_path: Path) -> None:
    """A: whichever pip it is: no further package, no unknown file, and no build, which would fetch its tools."""
    install, _ = Machine.of(tmp_path, LOCKS[stamp]).told(stamp)

    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(install.split())


def test_what_does_not_fit_stops_make(tmp_path: Path) -> None:
    """A: with a package gone from the lock, pip check says which, and the line fails."""
    machine = Machine.of(tmp_path, LOCKS["dev"])
    install, check = machine.told("dev")
    lines = machine.registry.lock.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("pluggy==")]
    (tmp_path / LOCKS["dev"]).write_text("".join(kept))

    done, checked = machine.run(install), machine.run(check)

    assert done.returncode == 0
    assert checked.returncode != 0
    assert "requires pluggy, which is not installed" in checked.stdout


def test_the_tests_packages_move_along_where_they_are_installed(tmp_path: Path) -> None:
    """A: moved without them, what runs would no longer fit what tests, and make run would stop."""
    machine = Machine.of(tmp_path, LOCKS["run"])
    (tmp_path / ".venv" / "dev.stamp").touch()

    install, _ = machine.told("run")

    assert install.endswith(" --requirement requirements-dev.lock")
