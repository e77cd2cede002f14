"""What the locks pin, what asks for it, and what of that they leave open."""

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import requires
from itertools import product
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["MACHINES", "ROOT", "Machine", "Pin", "Read", "asked", "installed", "left_open", "pins"]

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11.0", "3.11.2", "3.11.15", "3.12.0", "3.12.13", "3.13.0", "3.13.12")
SYSTEMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
Machine = Mapping[str, str]
"""What markers are held against (the environment of PEP 508)."""
MACHINES: tuple[Machine, ...] = tuple(
    {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": name,
    }
    for python, (name, system, machine) in product(PYTHONS, SYSTEMS)
)

Read = Callable[[str], Collection[str]]
"""What a package requires, extras and markers included, by its canonical name."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """An entry of a lock: a version, where it is wanted, and how many files may be it."""

    name: str
    version: str
    marker: Marker | None
    hashes: int

    def fits(self, need: Requirement, machine: Machine) -> bool:
        """Tell whether it is installed on this machine, and is what is needed."""
        here = self.marker is None or self.marker.evaluate(dict(machine))
        return here and need.specifier.contains(self.version, prereleases=True)


def pins(lock: str) -> dict[str, Pin]:
    """Read the text of a lock, by canonical name."""
    entries = [line for line in lock.replace("\\\n", "").splitlines() if not line.startswith("#")]
    return {pin.name: pin for pin in map(_pin, entries)}


def _pin(entry: str) -> Pin:
    first, *hashes = entry.split("--hash=sha256:")
    read = Requirement(first)
    (exact,) = read.specifier
    assert exact.operator == "=="
    name = canonicalize_name(read.name)
    return Pin(name=name, version=exact.version, marker=read.marker, hashes=len(hashes))


def asked(*groups: str) -> list[str]:
    """Name what the project asks for: its own, the whole extra cinema, the build backend, and these groups."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = told["project"]["optional-dependencies"]
    own = [Requirement(need) for need in extras["cinema"] if need.startswith("stagedoor[")]
    included = [extra for need in own for extra in sorted(need.extras)]
    needs = [need for extra in ["cinema", *included] for need in extras[extra]]
    tools = [need for group in groups for need in told["dependency-groups"][group]]
    wanted = [*told["project"]["dependencies"], *needs, *told["build-system"]["requires"], *tools]
    return [need for need in wanted if not need.startswith("stagedoor[")]


@cache
def installed(name: str) -> list[str]:
    """Read what a package of this environment requires."""
    return requires(name) or []


_parsed = cache(Requirement)


def left_open(lock: Mapping[str, Pin], needs: Iterable[str], read: Read, machine: Machine) -> list[str]:
    """Name each requirement that the lock does not pin on this machine, after who has it; none if it is closed.

    Every pin is asked, whether anything leads to it or not, and again with each extra that something wants of it.
    """
    waiting = _required("the project", "", lambda _: list(needs), machine)
    waiting += [one for name in lock for one in _required(name, "", read, machine)]
    seen: set[tuple[str, str]] = set()
    found = set()
    while waiting:
        who, need = waiting.pop()
        name = canonicalize_name(need.name)
        if name not in lock or not lock[name].fits(need, machine):
            found.add(f"{who}: {need}")
            continue
        fresh = {(name, extra) for extra in need.extras} - seen
        seen |= fresh
        waiting += [one for name, extra in fresh for one in _required(name, extra, read, machine)]
    return sorted(found)


def _required(name: str, extra: str, read: Read, machine: Machine) -> list[tuple[str, Requirement]]:
    needs = map(_parsed, read(name))
    return [
        (name, need)
        for need in needs
        if need.marker is None or need.marker.evaluate({**machine, "extra": extra})
    ]
