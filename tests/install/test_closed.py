"""A lock that leaves nothing open can be installed without asking a registry what is newest."""

from importlib.metadata import version

import pytest

from tests.install.locks import MACHINES, ROOT, Machine, Pin, asked, installed, left_open, pins

LOCKS = {"requirements.lock": asked(), "requirements-dev.lock": asked("dev")}


def text_of(lock: str) -> str:
    return (ROOT / lock).read_text()


def named(machine: Machine) -> str:
    return f"{machine['python_full_version']}-{machine['sys_platform']}-{machine['platform_machine']}"


@pytest.mark.parametrize("machine", MACHINES, ids=named)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_all_that_its_packages_require(lock: str, machine: Machine) -> None:
    """A: what it leaves open, the registry of the day decides."""
    assert left_open(pins(text_of(lock)), LOCKS[lock], installed, machine) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_read_is_what_is_pinned(lock: str) -> None:
    """A: requirements change from version to version."""
    told = pins(text_of(lock))

    assert {name: version(name) for name in told} == {name: pin.version for name, pin in told.items()}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_names_its_files(lock: str) -> None:
    """A: a pin without a hash is any file of that name."""
    assert [pin.name for pin in pins(text_of(lock)).values() if not pin.hashes] == []


def test_what_is_tested_is_what_runs() -> None:
    """A: one lock holds the other, version for version."""
    runs, tests = (pins(text_of(lock)) for lock in LOCKS)

    assert {name: pin.version for name, pin in runs.items()} == {name: tests[name].version for name in runs}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_pin_can_be_taken_away(lock: str) -> None:
    """A: whichever is gone, something of the lock is open on some machine; a pin nobody needs has no business here."""
    whole = pins(text_of(lock))

    unmissed = [gone for gone in whole if not any(missed(whole, gone, lock, one) for one in MACHINES)]

    assert unmissed == []


def missed(whole: dict[str, Pin], gone: str, lock: str, machine: Machine) -> bool:
    rest = {name: pin for name, pin in whole.items() if name != gone}
    return bool(left_open(rest, LOCKS[lock], installed, machine))


NEEDS = {
    "a": ["b[toml]>=2", "w; sys_platform == 'win32'"],
    "b": ["t; extra == 'toml'", "o; extra == 'other'"],
}
WHOLE = "a==1 --hash=sha256:0\nb==2 --hash=sha256:0\nt==1 ; python_version < '3.12' --hash=sha256:0\n"


@pytest.mark.parametrize(
    ("lock", "python", "found"),
    [
        (WHOLE, "3.11.2", []),
        (WHOLE, "3.13.0", ["b: t; extra == 'toml'"]),
        (WHOLE.replace("b==2", "b==1.9"), "3.11.2", ["a: b[toml]>=2"]),
        (WHOLE.replace("a==1", "c==1"), "3.11.2", ["the project: a"]),
        (WHOLE.replace("b==2", "b==3rc1"), "3.11.2", []),
    ],
    ids=["closed", "marker", "version", "missing", "candidate"],
)
def test_an_end_that_a_lock_leaves_open_is_named(lock: str, python: str, found: list[str]) -> None:
    """A: extras lead on to more, and a marker may leave a pin out."""
    machine = next(one for one in MACHINES if one["python_full_version"] == python)

    said = left_open(pins(lock), ["a"], lambda name: NEEDS.get(name, []), machine)

    assert said == [line.replace("'", '"') for line in found]
