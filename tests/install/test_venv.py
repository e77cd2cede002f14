"""Which Python `make` takes, and what it says when there is none: scripts/venv.sh, among programs that pretend."""

import subprocess
from pathlib import Path

import pytest

from tests.install.locks import ROOT

SCRIPT = ROOT / "scripts" / "venv.sh"
PRETENDS = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3"; echo "$0" > "$3/made-with" ;;
    "-I -S") echo {loop} ;;
    *print*) echo {major}.{minor} ;;
    *version_info*) [ {minor} -ge 11 ] ;;
    *ensurepip*) {ensures} ;;
esac
"""


class Machine:
    """A machine with these programs and no others, in a folder whose name has a space."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "a home"
        self.path = self.home / "bin"
        self.made = folder / "a venv"
        self.path.mkdir(parents=True)
        for tool in ("ls", "mkdir", "sort"):
            (self.path / tool).symlink_to(
                Path("/bin") / tool if (Path("/bin") / tool).exists() else f"/usr/bin/{tool}"
            )

    def has(
        self, name: str, version: str, *, ensures: str = "exit 0", loop: int = 100, folder: str = "bin"
    ) -> Path:
        """Put a Python where it belongs: on PATH, or with a slash in its name under pyenv's root."""
        program = (
            self.home / ".pyenv" / "versions" / name / "python" if "/" in name else self.home / folder / name
        )
        program.parent.mkdir(parents=True, exist_ok=True)
        major, minor = version.split(".")
        program.write_text(PRETENDS.format(major=major, minor=minor, ensures=ensures, loop=loop))
        program.chmod(0o755)
        return program

    def shim(self, name: str) -> None:
        """Put a pyenv shim on PATH, of a version that is not in force."""
        shim = self.path / name
        shim.write_text(f"#!/bin/sh\necho 'pyenv: {name}: command not found' >&2\nexit 127\n")
        shim.chmod(0o755)

    def make(self, python: str = "") -> subprocess.CompletedProcess[str]:
        """Make a virtual environment with the named Python."""
        told = {"PATH": f"{self.path}:{self.home / 'second'}", "HOME": str(self.home), "PYTHON": python}
        command = ["/bin/sh", str(SCRIPT), str(self.made)]
        return subprocess.run(command, env=told, capture_output=True, text=True, check=False)

    def made_with(self) -> str:
        """Tell which program made it."""
        return (self.made / "made-with").read_text().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_that_is_new_enough_is_taken(machine: Machine) -> None:
    """A: the system's own may be old."""
    machine.has("python3", "3.9")
    newer = machine.has("python3.12", "3.12")

    done = machine.make()

    assert done.returncode == 0
    assert machine.made_with() == str(newer)


@pytest.mark.parametrize("named", ["python3.13", ""])
def test_behind_a_shim_that_does_not_run_pyenv_has_the_newest_patch(machine: Machine, named: str) -> None:
    """A: pyenv's shims are on PATH for every version, and run only those in force."""
    machine.shim("python3.13")
    machine.has("3.13.9/bin", "3.13")
    newest = machine.has("3.13.10/bin", "3.13")
    machine.has("3.13.11t/bin", "3.13")
    machine.has("3.1.20/bin", "3.1")

    done = machine.make(named)

    assert done.returncode == 0
    assert machine.made_with() == str(newest)


def test_a_path_may_be_named(machine: Machine) -> None:
    """A: with a space in it, too."""
    program = machine.has("3.12.1/bin", "3.12")
    machine.has("python3", "3.11")

    machine.make(str(program))

    assert machine.made_with() == str(program)


@pytest.mark.parametrize(
    ("named", "reason"),
    [("python3.14", "cannot be run"), ("python3.10", "is 3.10"), ("python3.13", "lacks its venv module")],
)
def test_a_named_python_that_cannot_be_had_is_no_other(machine: Machine, named: str, reason: str) -> None:
    """A: whoever asks for 3.13 and gets 3.11 without a word has tested nothing."""
    machine.has("python3", "3.11")
    machine.has("python3.10", "3.10")
    machine.has("python3.13", "3.13", ensures="exit 1")

    done = machine.make(named)

    assert done.returncode == 1
    assert not machine.made.exists()
    assert f"{named} {reason}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_machine_without_python_is_told_what_to_do(machine: Machine) -> None:
    """A: in one line."""
    done = machine.make()

    assert done.returncode == 1
    assert done.stderr == (
        "Python 3.11 or later with its venv module is needed; none found on PATH; name another with PYTHON=...\n"
    )


def test_each_named_python_has_a_folder_of_its_own() -> None:
    """A: two versions in one folder would be neither."""
    names = ["", "python3.13", "/usr/bin/python3.12", "python3", "/opt/a/python", "/opt/b b/python"]

    folders = [folder_of(name) for name in names]

    assert folders == [
        ".venv",
        ".venv-3.13",
        ".venv-3.12",
        ".venv-python3",
        ".venv-_opt_a_python",
        ".venv-_opt_b_b_python",
    ]


def folder_of(python: str) -> str:
    command = ["make", "--dry-run", "--always-make", f"PYTHON={python}", "help", "--print-data-base"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("VENV := "))
    return line.removeprefix("VENV := ")


@pytest.mark.parametrize(("loops", "taken"), [((104, 75), "second"), ((75, 104), "bin"), ((100, 97), "bin")])
def test_the_fastest_build_of_one_version_is_taken(
    machine: Machine, loops: tuple[int, int], taken: str
) -> None:
    """Issue 17: a build with profile-guided optimisation answers a tenth more; noise of a timing changes nothing."""
    machine.has("python3", "3.11", loop=loops[0])
    machine.has("python3.11", "3.11", loop=loops[1], folder="second")
    machine.has("python3.12", "3.12", loop=1)

    done = machine.make()

    assert done.returncode == 0
    assert Path(machine.made_with()).parent.name == taken
    assert ("second" in done.stdout) == (taken == "second")


def test_a_faster_build_without_venv_or_that_cannot_be_timed_is_left_alone(machine: Machine) -> None:
    """Issue 17: what cannot make a virtual environment is of no use, however fast."""
    first = machine.has("python3", "3.11", loop=100)
    machine.has("python3.11", "3.11", loop=10, folder="second", ensures="exit 1")
    machine.has("3.11.9/bin", "3.11", loop=0)

    assert machine.make().returncode == 0
    assert machine.made_with() == str(first)


def test_a_python_that_is_named_is_taken_however_slow(machine: Machine) -> None:
    """Issue 17: PYTHON overrides."""
    named = machine.has("python3.11", "3.11", loop=104)
    machine.has("python3.11", "3.11", loop=75, folder="second")

    assert machine.make("python3.11").returncode == 0
    assert machine.made_with() in {str(named), "python3.11"}
