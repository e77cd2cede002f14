"""One comparison: several targets, one after the other under the same load, in one run.

All targets run from the start, each on the same core; those not under load are idle. Rounds are interleaved, and each
begins with another target, so that a disturbance of the machine meets all of them; what is reported is the median.
Generator, upstreams and target may share two cores, so throughput says as much about the others as about the target:
the figure to trust is the CPU time of the target per answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, TypeVar

from bench.load import Load, fresh_prefix, wrk
from bench.pace import Paced, pace
from bench.process import Process
from bench.table import render

__all__ = ["Plan", "Result", "Run", "Target", "closed_table", "compare", "open_table"]

T = TypeVar("T")
# Seconds: requests under way when wrk leaves are finished, and charged, before accounts are read.
SETTLING: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; times are seconds, `rate` is requests per second of the open loop; `paced` 0: none."""

    rounds: int = 3
    seconds: float = 8.0
    warmup: float = 5.0  # V8 still compiles in its third second
    connections: int = 64
    rate: float = 300.0
    paced: float = 6.0
    patience: int = 2


@dataclass(frozen=True, slots=True)
class Target:
    """A process that listens."""

    name: str
    process: Process
    port: int

    @property
    def origin(self) -> str:
        """Return where it listens, as scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Run:
    """One target under load once: what the generator saw and what it cost."""

    load: Load
    cpu: float  # seconds of the target's process tree
    rss: int
    calls: int  # upstream calls made

    @property
    def cost(self) -> float:
        """Return CPU seconds per answer."""
        return self.cpu / max(1, self.load.requests)

    @property
    def share(self) -> float:
        """Return the part of a core that the target had."""
        return self.cpu / self.load.seconds


@dataclass(slots=True)
class Result:
    """What all rounds say of one target."""

    name: str
    runs: list[Run] = field(default_factory=list)
    paced: Paced | None = None

    def middle(self, figure: Callable[[Run], float]) -> float:
        """Return the median of a figure over the rounds."""
        return median(figure(run) for run in self.runs)

    @property
    def cost(self) -> float:
        """Return the median CPU seconds per answer."""
        return self.middle(lambda run: run.cost)

    @property
    def calls(self) -> float:
        """Return upstream calls per answer over all rounds."""
        return sum(run.calls for run in self.runs) / max(1, sum(run.load.requests for run in self.runs))


def compare(
    targets: Sequence[Target], path: str, plan: Plan, calls: Callable[[], int], cores: tuple[int, ...]
) -> list[Result]:
    """Load the targets in turn; `calls` counts the upstream calls so far, `cores` are those of the generator."""
    results = {target.name: Result(target.name) for target in targets}
    for target in targets:
        load(target, path, plan, plan.warmup, cores)
    for turn in range(plan.rounds):
        for target in rotated(targets, turn):
            results[target.name].runs.append(measured(target, path, plan, calls, cores))
    for target in targets if plan.paced else ():
        prefix = fresh_prefix(path)
        seen = pace(target.port, prefix, rate=plan.rate, seconds=plan.paced, cores=cores)
        results[target.name].paced = seen
    return list(results.values())


def measured(target: Target, path: str, plan: Plan, calls: Callable[[], int], cores: tuple[int, ...]) -> Run:
    """Put one target under load and read its accounts before and after."""
    before, called = target.process.usage(), calls()
    seen = load(target, path, plan, plan.seconds, cores)
    after = target.process.usage()
    return Run(seen, after.cpu - before.cpu, after.rss, calls() - called)


def load(target: Target, path: str, plan: Plan, seconds: float, cores: tuple[int, ...]) -> Load:
    prefix = fresh_prefix(path)
    seen = wrk(
        target.origin,
        prefix,
        connections=plan.connections,
        seconds=seconds,
        cores=cores,
        patience=plan.patience,
    )
    time.sleep(SETTLING)
    return seen


def rotated(targets: Sequence[T], turn: int) -> list[T]:
    """Return the targets beginning with another one each turn."""
    first = turn % len(targets)
    return [*targets[first:], *targets[:first]]


def closed_table(results: Sequence[Result], peers: Sequence[str]) -> str:
    """Return the figures under full load; the last columns are CPU per answer as a multiple of each peer's."""
    heads = [
        "target",
        "answers/s",
        "p50 ms",
        "p99 ms",
        "errors",
        "CPU us/answer",
        "min..max",
        "core",
        "RSS MB",
        "calls",
    ]
    base = {result.name: result.cost for result in results}
    known = [peer for peer in peers if peer in base]
    rows = [[*_closed(result), *(f"{result.cost / base[peer]:.2f}" for peer in known)] for result in results]
    return render([*heads, *(f"x {peer}" for peer in known)], rows)


def _closed(result: Result) -> list[str]:
    costs = [run.cost * 1e6 for run in result.runs]
    return [
        result.name,
        f"{result.middle(lambda run: run.load.rate):,.0f}",
        f"{result.middle(lambda run: run.load.p50) * 1e3:.1f}",
        f"{result.middle(lambda run: run.load.p99) * 1e3:.1f}",
        f"{sum(run.load.errors for run in result.runs)}",
        f"{result.cost * 1e6:.0f}",
        f"{min(costs):.0f}..{max(costs):.0f}",
        f"{result.middle(lambda run: run.share):.0%}",
        f"{result.middle(lambda run: run.rss) / 2**20:.0f}",
        f"{result.calls:.2f}",
    ]


def open_table(results: Sequence[Result]) -> str:
    """Return the figures at the fixed rate."""
    heads = ["target", "requests", "p50 ms", "p99 ms", "errors", "generator late p99 ms"]
    return render(heads, [_open(result.name, result.paced) for result in results if result.paced])


def _open(name: str, seen: Paced) -> list[str]:
    times = [f"{seen.p50 * 1e3:.2f}", f"{seen.p99 * 1e3:.2f}"]
    return [name, f"{seen.requests}", *times, f"{seen.errors}", f"{seen.lateness * 1e3:.2f}"]
