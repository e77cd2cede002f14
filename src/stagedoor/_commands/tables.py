"""What the commands print: routes, settings, worst cases and amplification as tables, and doubts as lines."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from stagedoor._aggregate.worst import NamedUpstream, WorstCase, doubts_of
from stagedoor._commands.targets import RouteRow
from stagedoor.policies._cost import Cost

__all__ = [
    "aggregate_table",
    "findings_of",
    "output",
    "routes_table",
    "settings_table",
    "upstream_table",
]

_PIPE_WIDTH = 140  # columns where nobody looks at a terminal


def output() -> Console:
    """Return standard output: as wide as the terminal, or wide enough where there is none."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def findings_of(
    cases: Iterable[WorstCase], upstreams: Iterable[NamedUpstream], deadline: float | None = None
) -> Iterator[str]:
    """Say what is doubtful: about the parts, then about upstreams that no part stands before, or nobody closes.

    `deadline` is the seconds of a request.
    """
    seen: set[str] = set()
    for case in cases:
        seen |= set(case.upstreams)
        yield from map(str, case.findings)
        if deadline is not None and case.budget > deadline:
            yield f"{case.aggregate}: the budget of {_ms(case.budget)} is above the deadline of {_ms(deadline)}"
    owned = {remote.name: remote for remote in upstreams}
    for name, remote in owned.items():
        if name not in seen:
            yield from doubts_of(remote)
    for name in sorted(seen - set(owned)):
        yield f"upstream {name!r} is none of the gateway's own, so that nobody closes it: name it in `upstreams`"


def routes_table(routes: Iterable[RouteRow]) -> Table:
    """Return a line a route: method, path, kind, who may see an answer, how long it is kept."""
    table = Table("method", "path", "kind", "answers", "kept")
    for route in routes:
        kept = "" if route.cached is None else f"{route.cached:g} s"
        table.add_row(route.method, route.path, route.kind, _answers(route), kept)
    return table


def settings_table(rows: Iterable[Sequence[str]]) -> Table:
    """Return a line a setting: name, default, meaning."""
    table = Table("setting", "default", "meaning")
    for row in rows:
        table.add_row(*row)
    return table


def aggregate_table(case: WorstCase) -> Table:
    """Return the parts of one aggregate; seconds as milliseconds."""
    title = f"{case.aggregate}: longest path {_ms(case.longest)} of {_ms(case.budget)}, one attempt a part"
    table = Table(
        "part",
        "upstreams",
        "one attempt",
        "path",
        "path takes",
        "with retries",
        title=title,
        title_justify="left",
    )
    for part in case.parts:
        table.add_row(
            part.part,
            ", ".join(part.upstreams),
            "deadline" if part.single is None else _ms(part.single),
            " → ".join(part.path),
            _ms(part.longest),
            _ms(part.with_retries),
        )
    return table


def upstream_table(costs: Mapping[str, Cost]) -> Table:
    """Return what repetition can make of calls."""
    table = Table(
        "upstream", "calls for one", "load, all failing", title="amplification", title_justify="left"
    )
    for name, cost in costs.items():
        table.add_row(name, f"{cost.calls}", f"{cost.load:.2f}")
    return table


def _answers(route: RouteRow) -> str:
    """Say who may see an answer; what is no question has none that two could share."""
    if route.method not in {"GET", "HEAD"}:
        return ""
    varies = getattr(route, "varies", ())
    if varies:
        return f"per {', '.join(varies)}"
    return "public" if route.public else "per identity"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"
