"""Compare bodies on their way through: a passage of the kit, nginx and Caddy, each with one core.

python -m bench.proxy [--rounds 5] [--seconds 4] [--only stagedoor nginx] [--sizes 1024 102400]
"""

import argparse
import os
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.compare import Plan, Result, Target, closed_table, compare
from bench.load import fresh_prefix, require
from bench.process import cores, free_port, running
from bench.proxy.targets import OURS, PEERS, TARGETS, origin
from bench.table import machine, render

SIZES = (1_024, 102_400, 20_971_520)
CONNECTIONS = {20_971_520: 8}  # what is under way when a round ends is paid for, and not counted
AT_LEAST = {"nginx": 0.5, "caddy": 1.0}  # of a peer's octets for a second of processor
BOUND = SIZES[1:]
TOOLS = (("wrk", "wrk"), ("nginx", "nginx-light"), ("caddy", "caddy"), ("taskset", "util-linux"))


def main(options: Sequence[str]) -> int:
    """Run the comparison and print it; the exit code tells whether all was answered and the bounds are kept."""
    asked = arguments().parse_args(options)
    require(*TOOLS)
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that `with` stops what was started
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    core, others = cores()
    results: dict[int, list[Result]] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory())))
        bodies = {size: written(scratch, size) for size in asked.sizes}
        behind = free_port()
        who = stack.enter_context(running(origin(behind, others, scratch)))
        who.wait_until_answers(f"http://127.0.0.1:{behind}/calls")
        targets = [start(stack, name, behind, core, scratch) for name in asked.only]
        for size, body in bodies.items():
            refuse_unequal(targets, size, body)
            plan = Plan(rounds=asked.rounds, seconds=asked.seconds, warmup=1.0, paced=0.0, patience=20)
            plan = replace(plan, connections=CONNECTIONS.get(size, plan.connections))
            results[size] = compare(targets, f"/files/{size}/", plan, lambda: calls(behind), others)
    return report(results, asked.rounds, asked.seconds)


def arguments() -> argparse.ArgumentParser:
    """Return what can be asked for; the defaults are those of the published figures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.proxy", description="Compare bodies passing through."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round, for each target and size")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="octets of a body")
    return parser


def memory() -> str | None:
    """Return a folder that lies in memory, if there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def written(scratch: Path, size: int) -> bytes:
    """Write a file of so many octets, none of which can be guessed."""
    body = os.urandom(size)
    (scratch / str(size)).write_bytes(body)
    return body


def start(stack: ExitStack, name: str, behind: int, core: tuple[int, ...], scratch: Path) -> Target:
    """Start one target and wait for its first answer."""
    port = free_port()
    process = stack.enter_context(running(TARGETS[name](port, behind, core, scratch)))
    target = Target(name, process, port)
    process.wait_until_answers(f"{target.origin}/calls" if name in PEERS else f"{target.origin}/health/live")
    return target


def calls(port: int) -> int:
    """Return how many requests the origin has had: the third number of its third line."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls", timeout=5) as answer:
        return int(answer.read().split(b"\n")[2].split()[2])


def refuse_unequal(targets: Sequence[Target], size: int, body: bytes) -> None:
    """Leave with a message if a target answers anything but the file (G11)."""
    for target in targets:
        with urllib.request.urlopen(
            f"{target.origin}{fresh_prefix(f'/files/{size}/')}0", timeout=20
        ) as answer:
            if answer.read() != body or answer.headers["content-length"] != str(size):
                raise SystemExit(f"{target.name} answers something else than the origin holds")


def report(results: Mapping[int, Sequence[Result]], rounds: int, seconds: float) -> int:
    """Print the tables, and what is missed or does not compare; return 1 if there is such a thing."""
    print(f"bodies passing through, {rounds} rounds of {seconds:g} s, each target on one core\n{machine()}")
    faults = []
    for size, found in results.items():
        print(f"\n{size:,} octets, {CONNECTIONS.get(size, Plan().connections)} connections\n")
        print(closed_table(found, PEERS))
        print(f"\n{through(found)}")
        faults += [fault for one in found for fault in unfit(one)]
        faults += [fault for fault in missed(size, found) if size in BOUND]
    print("\n".join(["", *faults]) if faults else "")
    return 1 if faults else 0


def through(results: Sequence[Result]) -> str:
    """Return the throughput per core: megabytes for a second of the target's processor."""
    rows = [[one.name, f"{rate(one) / 1e6:,.0f}", *shares(one, results)] for one in results]
    return render(["target", "MB/CPU s", *(f"of {one.name}" for one in results if one.name in PEERS)], rows)


def rate(result: Result) -> float:
    """Return the median of octets for a second of processor, those of bodies that were cut off included."""
    return result.middle(lambda run: run.load.size / max(run.cpu, 0.001))


def shares(result: Result, results: Sequence[Result]) -> list[str]:
    """Return the throughput per core as a share of each peer's."""
    return [f"{rate(result) / rate(one):.2f}" for one in results if one.name in PEERS]


def missed(size: int, results: Sequence[Result]) -> list[str]:
    """Say which peers have more for a second of processor than is allowed."""
    rates = {one.name: rate(one) for one in results}
    found = {peer: rates[OURS] / rates[peer] for peer in AT_LEAST if peer in rates and OURS in rates}
    return [
        f"{size:,} octets: {share:.2f} of {peer}, not {AT_LEAST[peer]}"
        for peer, share in found.items()
        if share < AT_LEAST[peer]
    ]


def unfit(result: Result) -> list[str]:
    """Say why a result must not be compared: errors, or answers that came from somewhere else."""
    errors = sum(run.load.errors for run in result.runs)
    return [f"{result.name}: {errors} errors under load"] if errors else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
