"""Numbers in files are told as the library's own would be, by the library."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stagedoor._observers import shared_numbers as shared

BOUNDS = (0.1, 0.5, 1.0)
# What the library writes for the same: it chooses its files when it is imported.
THEIRS: Final = """
import sys
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
registry = CollectorRegistry()
counter = Counter("x_total", "X, told.", ("l", "m"), registry=registry)
counter.labels("a", 'b"c').inc()
counter.labels("a", "ж").inc()
Counter("bare_total", "Bare.", registry=registry)
gauge = Gauge("g", "G.", registry=registry, multiprocess_mode="livesum")
gauge.set(5); gauge.dec(); gauge.inc()
Gauge("worst", "W.", ("l",), registry=registry, multiprocess_mode="livemax").labels("a").set(2)
histogram = Histogram("h", "H.", ("l",), registry=registry, buckets=(0.1, 0.5, 1.0))
for value in (0.1, 0.3, 7.0):
    histogram.labels("a").observe(value)
"""


def page(folder: Path) -> list[str]:
    """Return what the library makes of all files of a folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return sorted(generate_latest(registry).decode().splitlines())


def test_a_page_reads_like_the_librarys(tmp_path: Path) -> None:
    """Same names, labels, values and texts; what was never counted is 0."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    files = shared.NumberFiles(ours)
    counter = shared.counters(files, "x_total", "X, told.", ("l", "m"))
    counter.labels("a", 'b"c').inc()
    counter.labels("a", "ж").inc()
    shared.counters(files, "bare_total", "Bare.", ()).labels()
    gauge = shared.gauges(files, "g", "G.", (), "livesum").labels()
    gauge.set(5)
    gauge.dec()
    gauge.inc()
    shared.gauges(files, "worst", "W.", ("l",), "livemax").labels("a").set(2)
    histogram = shared.histograms(files, "h", "H.", ("l",), BOUNDS).labels("a")
    for value in (0.1, 0.3, 7.0):
        histogram.observe(value)
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(theirs)}
    subprocess.run([sys.executable, "-c", THEIRS], check=True, env=environment, timeout=50)

    assert page(ours) == page(theirs)


# Files may not grow for a while, as on a disk that is full.
FULL: Final = """
import resource, sys
from pathlib import Path
from stagedoor._observers import shared_numbers as shared

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

limit(65_536)
family = shared.counters(shared.NumberFiles(Path(sys.argv[1])), "x_total", "X.", ("number",))
for _ in range(2):
    for number in range(2_000):
        family.labels(number).inc()
limit(int(sys.argv[2]))
for number in range(2_000):
    family.labels(number).inc()
"""


@pytest.mark.parametrize("later", [65_536, 1_000_000])
def test_f1_numbers_that_there_is_no_room_for_are_counted_and_told_later(tmp_path: Path, later: int) -> None:
    """F1: no request fails of them, one line says so, and no count is lost once there is room."""
    command = [sys.executable, "-c", FULL, str(tmp_path), str(later)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=50)
    lines = [line for line in page(tmp_path) if line.startswith("x_total{")]

    assert ended.stderr.count("no room for a number") == 1
    assert {line.rpartition(" ")[2] for line in lines} == {"3.0"}
    assert (len(lines) == 2_000) == (later > 65_536)


def test_f1_room_is_reserved_before_it_is_written_to(tmp_path: Path) -> None:
    """F1: a process that writes where a full disk has no room is killed by the system (SIGBUS)."""
    files = shared.NumberFiles(tmp_path)
    family = shared.counters(files, "x_total", "X.", ("number",))
    for number in range(2_000):
        family.labels(number)
    shared.gauges(files, "g", "G.", (), "livesum").labels()

    assert [
        file.name for file in tmp_path.iterdir() if 512 * file.stat().st_blocks < file.stat().st_size
    ] == []


@given(st.lists(st.floats(-1, 2) | st.sampled_from(BOUNDS), max_size=20))
def test_any_observations_fall_into_the_same_buckets(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    """Against the library's own histogram of one process."""
    folder = tmp_path_factory.mktemp("numbers")
    registry = CollectorRegistry()
    ours = shared.histograms(shared.NumberFiles(folder), "h", "H.", (), BOUNDS).labels()
    theirs = Histogram("h", "H.", registry=registry, buckets=BOUNDS)
    for value in values:
        ours.observe(value)
        theirs.observe(value)
    lines = generate_latest(registry).decode().splitlines()

    assert set(page(folder)) - {line for line in lines if "_created" not in line} <= {
        "# HELP h Multiprocess metric"
    }


def test_numbers_stay_where_they_are_while_their_file_grows(tmp_path: Path) -> None:
    """A page of the file that was mapped before is the same page afterwards."""
    files = shared.NumberFiles(tmp_path)
    family = shared.counters(files, "x_total", "X.", ("number",))
    children = [family.labels(number) for number in range(2_000)]
    for child in children:
        child.inc()
    children[0].inc()
    (file,) = tmp_path.iterdir()

    assert file.stat().st_size > 65_536
    assert (
        sum(float(line.rpartition(" ")[2]) for line in page(tmp_path) if line.startswith("x_total{")) == 2_001
    )


def test_a_process_that_has_the_id_of_a_dead_one_adds_to_its_counts(tmp_path: Path) -> None:
    """Counts are for ever; what a dead one had under way is not."""
    for _ in range(2):
        files = shared.NumberFiles(tmp_path)
        shared.counters(files, "x_total", "X.", ()).labels().inc()
        shared.gauges(files, "g", "G.", (), "livesum").labels().inc()

    assert {"x_total 2.0", "g 1.0"} <= set(page(tmp_path))


# A worker that counts, says so, and is killed, or lives on until it is told to end.
WORKER: Final = """
import os, signal, sys
from pathlib import Path
from stagedoor._observers import shared_numbers as shared
files = shared.NumberFiles(Path(sys.argv[1]))
shared.counters(files, "x_total", "X.", ("l",)).labels("a").inc()
shared.counters(files, "x_total", "X.", ("l",)).labels(sys.argv[2]).inc()
shared.histograms(files, "h", "H.", (), (0.1, 0.5, 1.0)).labels().observe(0.3)
print("counted", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def born(folder: Path, label: str) -> "subprocess.Popen[str]":
    """Start a worker, and wait until it has counted."""
    command = [sys.executable, "-c", WORKER, str(folder), label]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "counted\n"
    return worker


def test_x1_workers_that_come_and_go_leave_no_more_files_than_ever_lived_at_once(tmp_path: Path) -> None:
    """X1: whoever comes counts on where a dead one has left off; each page read the files of all that ever were."""
    for number in range(3):
        for worker in [born(tmp_path, f"{number}-{one}") for one in range(2)]:
            worker.communicate("end\n")
    said = page(tmp_path)

    assert 'x_total{l="a"} 6.0' in said
    assert "h_count 6.0" in said
    assert 'h_bucket{le="0.1"} 0.0' in said
    assert [line for line in said if line.startswith('x_total{l="2-')] == [
        'x_total{l="2-0"} 1.0',
        'x_total{l="2-1"} 1.0',
    ]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("torn", [b"", b"\xff" * 64, b"\x80" + bytes(127)])
def test_a_torn_file_of_a_dead_worker_is_left_alone(tmp_path: Path, torn: bytes) -> None:
    """Nobody counts on what cannot be read."""
    born(tmp_path, "one").communicate("end\n")
    (left,) = tmp_path.glob("counter_*.db")
    left.write_bytes(torn)
    born(tmp_path, "two").communicate("end\n")

    assert left.read_bytes() == torn
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_gateways_of_one_process_are_added_up(tmp_path: Path) -> None:
    """Several may be mounted in one application: none takes the gauges of another away, and each ends with its own."""
    first, second = shared.NumberFiles(tmp_path), shared.NumberFiles(tmp_path)
    shared.gauges(first, "worst", "W.", ("l",), "livemax").labels("a").set(2)
    for files, count in ((first, 1), (second, 3)):
        shared.gauges(files, "g", "G.", (), "livesum").labels().inc(count)
    both = page(tmp_path)
    del first, files

    assert {"g 4.0", 'worst{l="a"} 2.0'} <= set(both)
    assert {"g 3.0", 'worst{l="a"} 0.0'} <= set(page(tmp_path))
    del second
    assert "g 0.0" in page(tmp_path)


def test_a_child_is_made_once(tmp_path: Path) -> None:
    """Whatever its labels are written as."""
    family = shared.counters(shared.NumberFiles(tmp_path), "x_total", "X.", ("l",))

    assert family.labels(200) is family.labels("200")
