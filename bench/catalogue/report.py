"""What is printed: tables, and beside each figure that has a bound whether it keeps to it."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.catalogue.asks import CLASSES, MIX
from bench.catalogue.first import First
from bench.catalogue.load import Answer
from bench.catalogue.run import Measured, Plan, worst
from bench.pace import quantile
from bench.table import render

__all__ = ["bounded", "building", "first", "tables"]

P99: Final = {"tantivy": 0.020, "opensearch": 0.060}  # seconds, of the mix
TIMES_MEDIAN: Final = 10.0
MEMORY: Final = 300 * 10**6
FILMS_PER_SECOND: Final = 15_000.0
FIRST_INDEX: Final = 15.0


def tables(engine: str, seen: Measured, plan: Plan) -> str:
    """Return everything that is said of one engine."""
    parts = [
        f"{engine}: open loop, {plan.rate:g} requests/s",
        paced(engine, seen),
        f"{seen.hits} of {seen.asked:,} answers came from a cache; {len(seen.faults)} bodies or statuses were wrong",
        f"\n{engine}: one at a time, typical and worst allowed question of each class",
        single(seen),
        f"\n{engine}: memory of the gateway",
        memory(seen),
    ]
    if seen.direct:
        parts += [f"\n{engine}: the gateway, and the node asked directly", direct(seen)]
    return "\n".join([*parts, ""])


def paced(engine: str, seen: Measured) -> str:
    """Return the latencies of the open loop, by class and in all."""
    rows = [_latencies(kind, [answer for one, answer in seen.paced if one == kind]) for kind in MIX]
    every = [answer for _, answer in seen.paced]
    mix = _latencies("mix", every)
    mix[3] = bounded(quantile([one.latency for one in every], 0.99), P99[engine], 1e3)
    late = quantile([answer.late for answer in every], 0.99)
    table = render(["class", "requests", "p50 ms", "p99 ms", "max ms", "errors"], [*rows, mix])
    return f"{table}\ngenerator late p99 {late * 1e3:.2f} ms{_busy(seen)}"


def _busy(seen: Measured) -> str:
    if seen.busy is None:
        return ""
    used, cores = f"{seen.busy.gateway:.0%} of a core", f"{seen.busy.machine:.0%} of the time"
    return f"; the gateway used {used}, all cores were busy {cores}"


def _latencies(name: str, answers: Sequence[Answer]) -> list[str]:
    times = [answer.latency for answer in answers]
    figures = [f"{quantile(times, share) * 1e3:.1f}" for share in (0.5, 0.99, 1.0)]
    return [name, f"{len(answers)}", *figures, f"{sum(answer.status != 200 for answer in answers)}"]


def single(seen: Measured) -> str:
    """Return medians and worst questions."""
    heads = ["class", "median ms", "worst ms", "times", "CPU ms", "worst", "times", "the worst question"]
    rows = []
    for kind in CLASSES:
        typical, hard = seen.typical[kind], worst(seen, kind)
        if hard is None:
            continue
        times = bounded(hard.took.seconds / typical.seconds, TIMES_MEDIAN)
        cpu = f"{hard.took.cpu / typical.cpu:.1f}" if typical.cpu else "-"
        rows.append(
            [
                kind,
                f"{typical.seconds * 1e3:.2f}",
                f"{hard.took.seconds * 1e3:.2f}",
                times,
                f"{typical.cpu * 1e3:.2f}",
                f"{hard.took.cpu * 1e3:.2f}",
                cpu,
                hard.name,
            ]
        )
    return render(heads, rows)


def memory(seen: Measured) -> str:
    """Return what the gateway held, at each moment."""
    rows = [
        [
            moment,
            bounded(held.rss, MEMORY, 1e-6),
            *(f"{one / 1e6:.0f}" for one in (held.pss, held.anonymous)),
        ]
        for moment, held in seen.memory.items()
    ]
    return render(["moment", "RSS MB", "PSS MB", "anonymous MB"], rows)


def direct(seen: Measured) -> str:
    """Return how much longer an answer of the gateway takes than one of the node."""
    rows = [
        [kind, *(f"{one.seconds * 1e3:.2f}" for one in (ours, node)), f"{ours.seconds / node.seconds:.2f}"]
        for kind, (ours, node) in seen.direct.items()
    ]
    return render(["class", "gateway ms", "node ms", "times"], rows)


def building(took: Mapping[str, float], films: int) -> str:
    """Return how long the steps took when they were done, which may be an earlier run."""
    rows = []
    for name, seconds in took.items():
        rate = films / seconds if name.endswith("movies") else 0.0
        bound = f"{rate:,.0f} ({_verdict(rate >= FILMS_PER_SECOND)} {FILMS_PER_SECOND:,.0f})"
        told = (bound if name.startswith("tantivy") else f"{rate:,.0f}") if rate else ""
        rows.append([name, f"{seconds:.1f}", told])
    return render(["built, when it was built last", "s", "films/s"], rows) + "\n"


def first(seen: First) -> str:
    """Return the first start."""
    index = bounded(seen.index, FIRST_INDEX)
    return f"first `cinema up` with the real films: index {index} s, ready after {seen.ready:.1f} s\n"


def bounded(figure: float, most: float, scale: float = 1.0) -> str:
    """Return a figure with its bound, and whether it keeps to it."""
    return f"{figure * scale:.1f} ({_verdict(figure <= most)} {most * scale:g})"


def _verdict(kept: bool) -> str:
    return "ok" if kept else "over"
