"""Compare kept answers: ours at the door, caches in C, and servers that answer from memory; one core each, in one run.

python -m bench.hit [--rounds 3] [--seconds 3] [--only stagedoor nginx] [--rows "1.9 kB"]
"""

import argparse
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import node
from bench.compare import SETTLING, Run, Target, rotated
from bench.hit.bodies import BODIES
from bench.hit.targets import LIMITED, OURS, TARGETS, available, log_of
from bench.load import drive, require
from bench.process import Command, cores, free_port, running
from bench.table import machine, render

SCRIPT: Final = Path(__file__).with_name("hit.lua")
TOOLS: Final = (("wrk", "wrk"), ("node", "nodejs"), ("npm", "npm"), ("taskset", "util-linux"))
PEER: Final = "nginx, log"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request. The lines are added to each head; ETAG stands for the target's entity tag."""

    name: str
    path: str
    lines: tuple[str, ...] = ()


ROWS: Final = (
    Row("1.9 kB", "/small"),
    Row("35 kB", "/large"),
    Row("304", "/small", ("If-None-Match: ETAG",)),
    Row("1.9 kB, gzip", "/small", ("Accept-Encoding: gzip",)),
    Row("unlike heads", "/small", ("unlike",)),
)


def main(options: Sequence[str]) -> int:
    """Run the comparison and print it; the exit code tells whether all that was answered was counted and logged."""
    asked = arguments().parse_args(options)
    require(*TOOLS)
    node.install()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that `with` stops what was started
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    core, others = cores()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        origin = start_origin(stack, others)
        targets = [start(stack, name, origin, core, folder) for name in asked.only if available(name)]
        rows = [row for row in ROWS if row.name in asked.rows]
        results = measure(targets, rows, asked, others)
        report(results, rows, asked)
        return finish(targets, folder)


def arguments() -> argparse.ArgumentParser:
    """Return what can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.hit", description="Compare kept answers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round, for each target and row")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    names = [row.name for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, default=names)
    return parser


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for logs and caches, on tmpfs where there is one; nginx must be able to get in."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def start_origin(stack: ExitStack, others: tuple[int, ...]) -> str:
    """Start what the caches ask once."""
    port = free_port()
    argv = (sys.executable, "-m", "bench.hit.origin", str(port))
    process = stack.enter_context(running(Command(name="origin", argv=argv, cores=others)))
    process.wait_until_answers(f"http://127.0.0.1:{port}/small")
    return f"http://127.0.0.1:{port}"


def start(stack: ExitStack, name: str, origin: str, core: tuple[int, ...], folder: Path) -> Target:
    """Start one target; leave with a message if it answers other bodies than the origin."""
    port = free_port()
    command = TARGETS[name](port, origin, core, folder)
    target = Target(name, process := stack.enter_context(running(command)), port)
    process.wait_until_answers(f"{target.origin}/small")
    for path, body in BODIES.items():
        with urllib.request.urlopen(f"{target.origin}/{path}", timeout=5) as answer:
            if answer.read() != body:
                raise SystemExit(f"{name} answers another body than the origin")
    return target


def etag_of(target: Target, path: str) -> str:
    """Return the entity tag of a target's answer."""
    with urllib.request.urlopen(f"{target.origin}{path}", timeout=5) as answer:
        return str(answer.headers["ETag"])


Results = dict[tuple[str, str], list[Run]]


def measure(
    targets: Sequence[Target], rows: Sequence[Row], asked: argparse.Namespace, others: tuple[int, ...]
) -> Results:
    """Load each target with each row in turn, and begin each round with another target."""
    results: Results = {}
    for target in targets:
        load(target, ROWS[0], asked.warmup, asked.connections, others)
    for turn in range(asked.rounds):
        for row in rows:
            for target in rotated(targets, turn):
                run = load(target, row, asked.seconds, asked.connections, others)
                results.setdefault((row.name, target.name), []).append(run)
    return results


def load(target: Target, row: Row, seconds: float, connections: int, others: tuple[int, ...]) -> Run:
    """Put one target under load and read its accounts before and after."""
    lines = [
        line.replace("ETAG", etag_of(target, row.path)) if "ETAG" in line else line for line in row.lines
    ]
    before = target.process.usage()
    seen = drive(
        target.origin, SCRIPT, (row.path, *lines), connections=connections, seconds=seconds, cores=others
    )
    time.sleep(SETTLING)
    after = target.process.usage()
    return Run(seen, after.cpu - before.cpu, after.rss, 0)


def report(results: Results, rows: Sequence[Row], asked: argparse.Namespace) -> None:
    """Print a table for each row."""
    print(f"kept answers, {asked.connections} connections, {asked.rounds} rounds of {asked.seconds:g} s")
    print(f"{machine()}, node {node.version()}")
    for row in rows:
        of_row = {name: runs for (kind, name), runs in results.items() if kind == row.name}
        print(f"\n{row.name}\n{table(of_row)}")


def table(runs: dict[str, list[Run]]) -> str:
    """Return the figures of one row; answers per second of CPU are told as multiples of nginx' with an access log."""
    base = median(run.cost for run in runs[PEER]) if PEER in runs else 0.0
    heads = ["target", "answers/s", "CPU us/answer", "min..max", "core", "errors", f"of {PEER}", "RSS MB"]
    lines = []
    for name, each in runs.items():
        costs = [run.cost * 1e6 for run in each]
        lines.append(
            [
                name,
                f"{median(run.load.rate for run in each):,.0f}",
                f"{median(costs):.1f}",
                f"{min(costs):.1f}..{max(costs):.1f}",
                f"{median(run.share for run in each):.0%}",
                f"{sum(run.load.errors for run in each)}",
                f"{base * 1e6 / median(costs):.2f}" if base else "",
                f"{median(run.rss for run in each) / 2**20:.0f}",
            ]
        )
    return render(heads, lines)


def finish(targets: Sequence[Target], folder: Path) -> int:
    """Hold our lines against our counts; return 1 if they differ."""
    faults = 0
    for target in targets:
        if target.name not in {OURS, LIMITED}:
            continue
        time.sleep(SETTLING)
        answered = counted(target)
        lines = [
            line
            for line in log_of(folder / target.name.replace(", ", "-")).read_bytes().splitlines()
            if b'"request"' in line and (b'"/small"' in line or b'"/large"' in line)
        ]
        print(f"\n{target.name}: {answered:,} answers counted, {len(lines):,} lines")
        faults += answered != len(lines)
    return 1 if faults else 0


def counted(target: Target) -> int:
    """Return how many answers the metrics tell of."""
    with urllib.request.urlopen(f"{target.origin}/metrics", timeout=5) as page:
        text = page.read().decode().splitlines()
    paths = ('endpoint="/small"', 'endpoint="/large"')
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in text
        if line.startswith("http_requests_total{") and any(path in line for path in paths)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
