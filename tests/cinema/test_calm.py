"""A calm terminal: warnings in plain words, and all else in a file that is turned over."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from cinema.stack.calm import CalmOutput, RotatedFile, warning_of
from cinema.stack.run import state_of

# A limit of the size of files takes a part of what is written, and refuses the rest, as a full disk does.
FULL: Final = """
import resource, sys
from pathlib import Path
from cinema.stack.calm import RotatedFile
from cinema.stack.terminal import copy

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

file = RotatedFile(Path(sys.argv[1]))
write = file.write if sys.argv[2] == "file" else lambda lines: copy("orders", lines.removesuffix(b"\\n"))
lines = b"".join(b'{"number": %d, "said": "%s"}\\n' % (number, b"x" * 90) for number in range(300))
write(b"".join(lines.splitlines(keepends=True)[:10]))
limit(20_000)
write(lines)
write(lines)
limit(resource.RLIM_INFINITY)
write(lines)
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"level":"INFO","event":"log","message":"x"}', None),
        (b'{"level":"WARNING","event":"request","status":503}', None),
        (
            b'{"level":"WARNING","event":"upstream_failed","service":"user_service","reason":"timeout"}',
            "upstream failed user_service timeout",
        ),
        (b'{"level":"ERROR","event":"etl_failed","service":"etl","reason":"disk"}', "etl failed etl disk"),
        (b"Traceback (most recent call last):", "Traceback (most recent call last):"),
        (b"7", "7"),
        (b'{"level":"ERROR","event":"log","message":["disk",7],"detail":{}}', "log ['disk', 7]"),
        (b'{"level":["ERROR"],"event":"log"}', None),
        pytest.param(b"[" * 5_000, "[" * 200, id="too deep"),
        (b"  ", None),
    ],
)
def test_only_what_warns_is_shown(line: bytes, told: str | None) -> None:
    """Whoever watches sees what is wrong; a process that falls says so in its own words."""
    assert warning_of(line) == told


def test_all_lines_lie_in_a_file_that_never_grows_large(tmp_path: Path) -> None:
    """A platform that is left running over a weekend fills no disk."""
    file = RotatedFile(tmp_path / "data" / "cinema.log", most=1_000, kept=2)
    for number in range(200):
        file.write(b"%06d %s\n" % (number, b"x" * 43))
    file.close()
    file.write(b"after the end\n")

    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    sizes = [path.stat().st_size for path in (tmp_path / "data").iterdir()]
    assert names == ["cinema.log", "cinema.log.1", "cinema.log.2"]
    assert max(sizes) <= 1_000
    assert b"000199" in (tmp_path / "data" / "cinema.log").read_bytes()


def test_a_file_that_could_not_be_turned_over_goes_on_once_it_can_be(tmp_path: Path) -> None:
    """Lines are lost while something stands in the way, and not for ever after."""
    file = RotatedFile(tmp_path / "cinema.log", most=10, kept=1)
    obstacle = tmp_path / "cinema.log.1"
    file.write(b"the first\n")
    obstacle.mkdir()
    file.write(b"lost\n")
    obstacle.rmdir()
    file.write(b"the next\n")
    file.close()

    assert (tmp_path / "cinema.log").read_bytes() == b"the next\n"
    assert obstacle.read_bytes() == b"the first\n"


def test_warnings_are_counted_and_everything_is_kept(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """By process: the one that warns most is looked at first."""
    file = RotatedFile(tmp_path / "cinema.log")
    calm = CalmOutput(file)
    calm.take(
        "users", b'{"level":"INFO","event":"request"}\n{"level":"ERROR","event":"log","message":"no disk"}'
    )
    file.close()

    assert calm.warnings == {"users": 1}
    assert capfdbinary.readouterr().out == b"cinema: users: log no disk\n"
    assert len((tmp_path / "cinema.log").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("ready", "restarts", "state"),
    [(True, 0, "ready"), (False, 1, "not ready, started again"), (True, 3, "ready, started again 3 times")],
)
def test_a_process_says_how_it_fares(ready: bool, restarts: int, state: str) -> None:
    """In a word or two."""
    assert state_of(ready, restarts) == state


@pytest.mark.parametrize("to", ["file", "output"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_was_full_leaves_no_line_in_the_middle_of_another(
    tmp_path: Path, to: str, unbuffered: str
) -> None:
    """Lines are lost; the first one after that stands by itself, in the file and where output is led to one."""
    file, output = tmp_path / "cinema.log", tmp_path / "output"
    command = [sys.executable, "-c", FULL, str(file), to]
    with output.open("wb") as out:
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        subprocess.run(command, check=True, stdout=out, env=environment, timeout=50)
    said = (file if to == "file" else output).read_bytes()
    lines = [line.removeprefix(b"orders   | ") for line in said.splitlines()]

    assert len(lines) > 400
    assert {len(json.loads(line)) for line in lines} == {2}
