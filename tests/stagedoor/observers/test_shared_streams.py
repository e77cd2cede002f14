"""Streams that several processes write to, or that take a part of what they are given: lines stay whole."""

import fcntl
import io
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from stagedoor._observers.logs import Logs

LINES: Final = 2_000
# A limit of the size of files takes a part of what is written, and refuses the rest, as a full disk does.
FULL: Final = """
import resource, sys, time
from stagedoor._observers.logs import Logs

def tell(count):
    for _ in range(count):
        logs.request_ended("GET", "/home/{account_id}", 200, 0.003, "r" * 20, "a" * 32)
    time.sleep(0.2)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

logs = Logs(open(sys.argv[1], "wb", buffering=int(sys.argv[2])))
tell(10)
limit(20_000)
tell(200)
tell(200)
limit(resource.RLIM_INFINITY)
tell(50)
logs.close()
print(logs.dropped)
"""


def is_whole(line: bytes) -> bool:
    """Tell whether a line is one record."""
    with suppress(ValueError):
        return isinstance(json.loads(line), dict)
    return False


def test_t15_lines_of_two_workers_in_one_pipe_are_never_torn() -> None:
    """T15: a pipe that is full takes a part of what is written at once, and lets another process in then."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4_096)
    said: list[bytes] = []

    def read() -> None:
        with os.fdopen(reading, "rb") as stream:
            said.extend(stream)

    reader = threading.Thread(target=read)
    reader.start()
    streams = [os.fdopen(os.dup(writing), "wb") for _ in range(2)]
    os.close(writing)
    logs = [Logs(stream, service=name) for stream, name in zip(streams, ("one", "two"), strict=True)]
    for _ in range(LINES):
        for one in logs:
            one.request_ended("GET", "/home/{account_id}", 200, 0.003, "r" * 20, "a" * 32)
    for one, stream in zip(logs, streams, strict=True):
        one.close()
        stream.close()
    reader.join()

    assert len(said) == 2 * LINES
    assert [line for line in said if not is_whole(line)] == []


@pytest.mark.parametrize("buffer", [0, 8_192])
def test_f1_a_disk_that_was_full_leaves_no_line_in_the_middle_of_another(tmp_path: Path, buffer: int) -> None:
    """F1: lines are lost and counted; the first one after that stands by itself."""
    file = tmp_path / "log"
    command = [sys.executable, "-c", FULL, str(file), str(buffer)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=50)
    lines = file.read_bytes().splitlines()

    assert [line for line in lines if not is_whole(line)] == []
    # What a buffer kept is counted, and written all the same.
    assert 460 <= len(lines) + int(ended.stdout) <= 500
    assert len(lines) >= 60


class Reluctant(io.BytesIO):
    """Takes seven octets at a time, and every third time nothing at all."""

    asked = 0

    def write(self, data: Any, /) -> int:
        self.asked += 1
        return 0 if self.asked % 3 == 0 else super().write(data[:7])


def test_a_stream_that_takes_a_part_is_given_the_rest() -> None:
    """Unbuffered output says how much it took; what it left was lost, uncounted, with the next line behind it."""
    sink = Reluctant()
    logs = Logs(sink)
    for _ in range(20):
        logs.log("WARNING", "odd")
    logs.close()
    *whole, last = sink.getvalue().splitlines()

    assert all(map(is_whole, whole))
    assert last.startswith(b'{"timestamp"')
