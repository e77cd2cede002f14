"""Many open connections, few of which ask at a moment: one worker and two, under the same open loop, beside nginx.

python -m bench.connections [--rounds 3] [--seconds 8] [--connections 10000] [--rate 5000]
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.compare import rotated
from bench.connections.crowd import Seen
from bench.connections.targets import KINDS, Kind, present
from bench.load import require
from bench.pace import PATIENCE, Paced
from bench.process import free_port, reported, running
from bench.table import machine, render

TOOLS: Final = (("taskset", "util-linux"), ("setpriv", "util-linux"))
SPARE: Final = 200  # descriptors that are not connections
P99: Final = 0.010  # seconds
OCTETS: Final = 6 * 1024  # of memory, for each connection
SHARE: Final = 0.6  # of all connections, for one of two workers
COST: Final = 1.1  # of one worker's CPU time for an answer


@dataclass(frozen=True, slots=True)
class Row:
    """What all rounds say of one kind; medians."""

    name: str
    seen: Sequence[Seen]
    connections: int

    @property
    def cost(self) -> float:
        """Return CPU seconds for an answer."""
        return median(one.cpu / one.paced.requests for one in self.seen)

    @property
    def octets(self) -> float:
        """Return bytes of memory for each connection, with all that the load left behind."""
        return median(max(one.open, one.loaded) - one.idle for one in self.seen) / self.connections

    @property
    def share(self) -> float:
        """Return the largest part of all connections that one worker held."""
        return max(max(one.held) / sum(one.held) for one in self.seen)

    @property
    def errors(self) -> int:
        """Return what was not answered with 200."""
        return sum(one.paced.errors for one in self.seen)

    @property
    def p99(self) -> float:
        """Return the latency that a hundredth of all requests exceeded."""
        return median(one.paced.p99 for one in self.seen)


def main(options: Sequence[str]) -> int:
    """Run the comparison and print it; the exit code tells whether all bounds are kept."""
    asked = arguments().parse_args(options)
    require(*TOOLS)
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that `with` stops what was started
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    raise_descriptors(asked.connections + SPARE)
    seen: dict[str, list[Seen]] = {name: [] for name in present()}
    for turn in range(asked.rounds):
        for name in rotated(list(seen), turn):
            seen[name].append(crowded(KINDS[name], asked))
    return report(
        [Row(name, each, int(asked.connections * KINDS[name].part)) for name, each in seen.items()], asked
    )


def arguments() -> argparse.ArgumentParser:
    """Return what can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.connections", description="Many open connections.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round, for each kind")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=5_000.0, help="requests a second")
    return parser


def raise_descriptors(least: int) -> None:
    """Allow as many descriptors as a crowd needs, for everybody we start; leave with a message if we may not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < least:
        raise SystemExit(
            f"the system allows {hard} descriptors, and this takes {least}: ulimit -n, or --connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def crowded(kind: Kind, asked: argparse.Namespace) -> Seen:
    """Start a target and let its part of the crowd come; each time a new one, which has seen none."""
    mine = sorted(os.sched_getaffinity(0))
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        command = kind.make(port, kind.workers, tuple(mine[: kind.workers]), Path(folder))
        with running(command) as process:
            process.wait_until_answers(f"http://127.0.0.1:{port}/small")
            return come(port, process.pid, tuple(mine[kind.workers :] or mine[-1:]), kind.part, asked)


def come(port: int, session: int, cores: tuple[int, ...], part: float, asked: argparse.Namespace) -> Seen:
    """Run the crowd, or a part of it, in a process of its own."""
    numbers = (port, session, asked.rate * part, asked.seconds, int(asked.connections * part))
    most = asked.seconds + asked.connections / 100 + PATIENCE + 30
    found = reported("bench.connections.crowd", map(str, numbers), cores, seconds=most)
    return Seen(**{**found, "paced": Paced(**found["paced"]), "held": tuple(found["held"])})


def report(rows: Sequence[Row], asked: argparse.Namespace) -> int:
    """Print the table and the bounds that are missed; return 1 if there is one."""
    print(
        f"{asked.connections:,} connections, {asked.rate:,.0f} hits/s, {asked.rounds} rounds of {asked.seconds:g} s"
    )
    print(f"{machine()}\n")
    print(table(rows))
    by_name = {row.name: row for row in rows}
    faults = [fault for row in rows if KINDS[row.name].bound for fault in missed(row, by_name["1"])]
    print("\n".join(["", *faults]) if faults else "")
    return 1 if faults else 0


def table(rows: Sequence[Row]) -> str:
    """Return all figures; medians, but for errors and shares, of which the worst counts."""
    heads = [
        "workers",
        "p50 ms",
        "p99 ms",
        "errors",
        "bytes/connection",
        "largest share",
        "CPU us/answer",
        "min..max",
        "of one",
        "crowd late p99 ms",
    ]
    by_name = {row.name: row for row in rows}
    return render(heads, [cells(row, by_name[KINDS[row.name].one]) for row in rows])


def cells(row: Row, one: Row) -> list[str]:
    """Return one line of the table."""
    costs = [each.cpu / each.paced.requests * 1e6 for each in row.seen]
    return [
        row.name,
        f"{median(each.paced.p50 for each in row.seen) * 1e3:.2f}",
        f"{row.p99 * 1e3:.2f}",
        f"{row.errors}",
        f"{row.octets:,.0f}",
        f"{row.share:.0%}",
        f"{row.cost * 1e6:.1f}",
        f"{min(costs):.1f}..{max(costs):.1f}",
        f"{row.cost / one.cost:.2f}",
        f"{median(each.paced.lateness for each in row.seen) * 1e3:.2f}",
    ]


def missed(row: Row, one: Row) -> list[str]:
    """Return the bounds that were not kept."""
    found = [f"{row.errors} errors"] if row.errors else []
    if row.octets > OCTETS:
        found.append(f"{row.octets:,.0f} bytes a connection, bound {OCTETS:,}")
    return [
        f"{row.name}: {fault}"
        for fault in (*found, *(shared(row, one) if KINDS[row.name].workers > 1 else ()))
    ]


def shared(row: Row, one: Row) -> list[str]:
    """Return the bounds of several workers that were not kept."""
    found = []
    if row.p99 > P99:
        found.append(f"p99 {row.p99 * 1e3:.1f} ms, bound {P99 * 1e3:g}")
    if row.share > SHARE:
        found.append(f"one worker held {row.share:.0%} of the connections, bound {SHARE:.0%}")
    if row.cost > COST * one.cost:
        found.append(f"{row.cost / one.cost:.2f} times one worker's CPU an answer, bound {COST}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
