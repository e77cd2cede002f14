"""Serve a gateway, and ask it about itself before it serves anybody.

    stagedoor run MODULE:ATTR         serve it
    stagedoor check MODULE:ATTR       prove what can be proved; exit code 1 if something cannot work or is doubtful
    stagedoor routes MODULE:ATTR      list the routes
    stagedoor settings MODULE:ATTR    list the settings

ATTR is a `Gateway`, or a function without arguments that returns one. Exit code 2: there is no such thing.
"""

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol, runtime_checkable

import typer
from rich.console import Console
from rich.table import Table

from stagedoor.aggregate import Plan, PlanError
from stagedoor.aggregate.worst import NamedUpstream, WorstCase, doubts_of
from stagedoor.errors import ConfigError
from stagedoor.policies.cost import Cost, cost_of

__all__ = ["Inspectable", "RouteRow", "app", "findings_of", "load"]

app = typer.Typer(
    name="stagedoor",
    help="Serve a gateway, and ask it about itself before it serves anybody.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, and some may be secret
)
Target = Annotated[
    str, typer.Argument(metavar="MODULE:ATTR", help="A Gateway, or a function that returns one")
]

_KIT = Path(__file__).parent
_PLACE = re.compile(r"[^:\s]+:[0-9]+: ")
_PIPE_WIDTH = 140  # columns where nobody looks at a terminal


class RouteRow(Protocol):
    """What `routes` shows of a route."""

    @property
    def method(self) -> str:
        """Return the method."""
        ...

    @property
    def path(self) -> str:
        """Return the template of the path."""
        ...

    @property
    def kind(self) -> str:
        """Return what kind of route it is."""
        ...

    @property
    def public(self) -> bool:
        """Tell whether everybody gets the same answer."""
        ...

    @property
    def cached(self) -> float | None:
        """Return the seconds that an answer may be kept."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """What this module asks of a `Gateway`."""

    @property
    def plans(self) -> Sequence[Plan[Any]]:
        """Return the plans of its aggregates."""
        ...

    @property
    def upstreams(self) -> Sequence[NamedUpstream]:
        """Return its upstreams."""
        ...

    @property
    def routes(self) -> Sequence[RouteRow]:
        """Return its routes."""
        ...


@runtime_checkable
class Declaration(Protocol):
    """A gateway of the face, which says what there is to look at."""

    def inspected(self) -> Inspectable:
        """Return it; raises `ConfigError` with everything that is wrong."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A gateway whose routes have one deadline."""

    @property
    def deadline(self) -> float:
        """Return it, in seconds."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """A gateway that has doubts of its own."""

    @property
    def doubts(self) -> Sequence[str]:
        """Return them."""
        ...


@runtime_checkable
class Varying(Protocol):
    """A route whose answers differ by fields of the request."""

    @property
    def varies(self) -> Sequence[str]:
        """Return the names of the fields."""
        ...


@app.command()
def check(target: Target) -> None:
    """Prove worst-case latency and amplification; say with file and line what cannot work."""
    console = _console()
    gateway = _loaded(console, target)
    cases = [plan.worst_case() for plan in gateway.plans]
    for case in cases:
        console.print(_aggregate_table(case))
    if gateway.upstreams:
        costs = {remote.name: cost_of(remote.policies) for remote in gateway.upstreams}
        console.print(_upstream_table(costs))
    deadline = gateway.deadline if isinstance(gateway, Timed) else None
    doubts = gateway.doubts if isinstance(gateway, Doubting) else ()
    findings = [*doubts, *findings_of(cases, gateway.upstreams, deadline)]
    if findings:
        _fail(console, findings)
    console.print("no findings", style="green")


@app.command()
def routes(target: Target) -> None:
    """List the routes: method, path, kind, who may see an answer, how long it is kept."""
    console = _console()
    gateway = _loaded(console, target)
    table = Table("method", "path", "kind", "answers", "kept")
    for route in gateway.routes:
        kept = "" if route.cached is None else f"{route.cached:g} s"
        table.add_row(route.method, route.path, route.kind, _answers(route), kept)
    console.print(table)


@app.command()
def run(
    target: Target,
    *,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; the setting's unless given")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="The port to listen on; the setting's unless given")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve")] = 1,
    reload: Annotated[
        bool, typer.Option(help="Serve anew whenever a file changes; warn of blocking code")
    ] = False,
) -> None:
    """Serve a gateway until a signal says stop."""
    from stagedoor._face import serving

    if reload:
        command = [sys.executable, "-m", "stagedoor", "run", target]
        command += [*(["--host", host] if host else []), *(["--port", str(port)] if port is not None else [])]
        serving.reload(command)
        return
    try:
        Console(stderr=True).print(serving.address_of(target, host=host, port=port), highlight=False)
        serving.serve(target, host=host, port=port, workers=workers)
    except (ConfigError, OSError, ImportError) as error:
        _fail(_console(), [str(error)])


@app.command()
def settings(target: Target) -> None:
    """List the settings: name, default, meaning."""
    from stagedoor._face import serving
    from stagedoor._face.settings import listed

    console = _console()
    try:
        gateway = serving.found(target)
    except (ConfigError, ImportError) as error:
        _fail(console, [str(error)])
    table = Table("setting", "default", "meaning")
    services = [(service.name, service.url) for service in gateway.all_services()]
    for row in listed(gateway.name, services):
        table.add_row(*row)
    console.print(table)


def load(target: str) -> Inspectable:
    """Import what `MODULE:ATTR` names, and call it if it is a function; raises what its declaration raises."""
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise typer.BadParameter(f"{target!r} is not of the form MODULE:ATTR")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise typer.BadParameter(f"cannot import {module_name!r}: {error}") from error
    except AttributeError as error:
        raise typer.BadParameter(f"{module_name!r} has no {attribute!r}: {error}") from error
    finally:
        sys.path.pop(0)
    if isinstance(found, Declaration):
        found = found.inspected()
    elif not isinstance(found, Inspectable) and callable(found) and _takes_nothing(found):
        found = found()
    if not isinstance(found, Inspectable):
        raise typer.BadParameter(f"{target!r} is no gateway: it is {type(found).__name__}")
    return found


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


def _answers(route: RouteRow) -> str:
    """Say who may see an answer; what is no question has none that two could share."""
    if route.method not in {"GET", "HEAD"}:
        return ""
    if isinstance(route, Varying) and route.varies:
        return f"per {', '.join(route.varies)}"
    return "public" if route.public else "per identity"


def _takes_nothing(found: object) -> bool:
    return inspect.isroutine(found) and not inspect.signature(found).parameters


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def _loaded(console: Console, target: str) -> Inspectable:
    """Load the gateway; what is wrong with its declaration is a finding, not a traceback."""
    try:
        return load(target)
    except PlanError as error:
        _fail(console, list(map(str, error.findings)))
    except ConfigError as error:
        _fail(console, [_placed(line, error) for line in str(error).splitlines()])


def _fail(console: Console, findings: Sequence[str]) -> NoReturn:
    """Print findings and end with exit code 1."""
    for finding in findings:
        console.print(finding, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _placed(line: str, error: ConfigError) -> str:
    """Return a line of an error with the place that it names, else with the one that it comes from."""
    return line if _PLACE.match(line) else f"{_place(error)}: {line}"


def _place(error: ConfigError) -> str:
    """Return where a declaration went wrong: the innermost line that is not the kit's own."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else "-"


def _is_theirs(file: str) -> bool:
    return not file.startswith("<") and not Path(file).is_relative_to(_KIT) and "importlib" not in file


def _aggregate_table(case: WorstCase) -> Table:
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


def _upstream_table(costs: Mapping[str, Cost]) -> Table:
    """Return what repetition can make of calls."""
    table = Table(
        "upstream", "calls for one", "load, all failing", title="amplification", title_justify="left"
    )
    for name, cost in costs.items():
        table.add_row(name, f"{cost.calls}", f"{cost.load:.2f}")
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"
