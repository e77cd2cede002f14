"""Write requirements.lock (to run), -dev.lock (to test) and -tools.lock (to lock), pinned and hashed.

    python scripts/lock.py            # keep pins that still fit
    python scripts/lock.py --upgrade  # move every pin to the newest that fits

The locks name no index and no host: which registry a machine uses is its own affair. Each package is listed
with the hashes of all its files, so that one lock serves every platform. Run it with the oldest Python
supported.
The dev lock is resolved with the runtime lock as a constraint: what is tested is what runs.
"""

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
TOOLS = ROOT / "requirements-tools.lock"
PIP_TOOLS = "pip-tools>=7.5,<8"
HEADER = "# Written by scripts/lock.py from pyproject.toml; do not edit.\n"
FROM_LOCK = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement"]
QUIETLY = ["--quiet", "--no-header", "--no-annotate", "--strip-extras", "--allow-unsafe", "--generate-hashes"]
NAMELESS = ["--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"]
# The package itself is installed from the tree, without a build sandbox that would fetch unpinned packages.
ALSO = ["hatchling"]
# The tests' redis needs it before Python 3.11.3, and Debian 12 has 3.11.2; resolving with a later one drops it.
ALSO_DEV = ["async-timeout"]


def main(options: list[str]) -> None:
    """Resolve the locks with a pip-tools of our own, and what that is next time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        python = tools(Path(folder))
        compile_lock(python, [PIP_TOOLS], TOOLS, options)
        needs = [*runtime_needs(project["project"]), *ALSO]
        compile_lock(python, needs, RUNTIME, options)
        tests = [*needs, *project["dependency-groups"]["dev"], *ALSO_DEV, f"-c {RUNTIME}"]
        compile_lock(python, tests, DEV, options)


def runtime_needs(project: dict[str, dict[str, list[str]]]) -> list[str]:
    """Name what the platform needs: the kit's own needs, the extra `cinema` and the extras it includes."""
    extras = project["optional-dependencies"]
    (own,) = (need for need in extras["cinema"] if need.startswith("stagedoor["))
    included = ["cinema", *own.removeprefix("stagedoor[").removesuffix("]").split(",")]
    wanted = [need for name in included for need in extras[name] if need != own]
    return [*project["dependencies"], *wanted]


def tools(folder: Path) -> Path:
    """Install pip-tools, from its own lock, into a folder of its own; return that folder's python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip"]
    subprocess.run([*pip, *FROM_LOCK, str(TOOLS)], check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def compile_lock(python: Path, needs: list[str], lock: Path, options: list[str]) -> None:
    """Resolve the needs into one lock file."""
    subprocess.run(
        [
            str(python),
            "-m",
            "piptools",
            "compile",
            *QUIETLY,
            *NAMELESS,
            *options,
            "--output-file",
            lock.name,
            "-",
        ],
        input="\n".join(needs).encode(),
        cwd=ROOT,
        check=True,
    )
    pins = [line for line in lock.read_text().splitlines() if not line.startswith(("#", "-"))]
    lock.write_text(HEADER + "\n".join(pins) + "\n")
    print(f"{lock.name}: {sum('==' in line for line in pins)} packages")


if __name__ == "__main__":
    main(sys.argv[1:])
