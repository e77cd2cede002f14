"""Begin a gateway, serve it, and ask it about itself before it serves anybody.

    stagedoor new NAME                write a small project that runs, is tested and typed
    stagedoor run MODULE:ATTR         serve it
    stagedoor check MODULE:ATTR       prove what can be proved; exit code 1 if something cannot work or is doubtful
    stagedoor routes MODULE:ATTR      list the routes
    stagedoor settings MODULE:ATTR    list the settings
    stagedoor openapi MODULE:ATTR     print the OpenAPI document

ATTR is a `Gateway`, or but for `run` a function without arguments that returns one; `app` unless named. Every error is
one line on standard error, under an exit code of sysexits.h (`_commands/failures.py`).
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stagedoor._commands import failures
from stagedoor._commands.failures import OneLine, fail
from stagedoor._commands.first_process import obey_signals
from stagedoor._face.collector import hold_collector

obey_signals()  # here: what follows takes half a second to load

from stagedoor._commands.targets import Target, gateway_of, inspected_of, told  # noqa: E402 - see above

__all__ = ["app"]

app = typer.Typer(
    name="stagedoor",
    cls=OneLine,
    help="Begin a gateway, serve it, and ask it about itself before it serves anybody.",
    epilog="Example: stagedoor new shop, then stagedoor run shop:app in the folder shop",
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, and some may be secret
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(f"stagedoor {metadata.version('stagedoor')}")  # noqa: T201 - what was asked for
        raise typer.Exit


@app.callback()
def _start(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and leave")
    ] = False,
) -> None:
    """Begin a gateway, serve it, and ask it about itself before it serves anybody."""


@app.command(epilog="Example: stagedoor new shop")
def new(
    name: Annotated[str, typer.Argument(help="The project and its package: lower case, such as shop")],
    *,
    folder: Annotated[
        Path | None, typer.Option("--in", help="The folder to write into; one of that name unless given")
    ] = None,
) -> None:
    """Write a small project: a gateway, services to begin with, tests, types, and what to type next."""
    from stagedoor._commands.project import name_fault, write

    fault = name_fault(name)
    if fault:
        fail(failures.USAGE, [fault])
    where = folder or Path(name)
    try:
        written = write(name, where)
    except OSError as error:
        fail(failures.CANNOT_CREATE, [f"{error.filename or where}: {error.strerror or error}"])
    for file in written:
        print(f"wrote {where / file}")  # noqa: T201 - what was asked for
    print(f"next: cd {where} && stagedoor run {name}:app")  # noqa: T201 - the same


@app.command(epilog="Example: stagedoor run shop:app --workers 2 --port 8080")
def run(
    target: Target,
    *,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; the setting's unless given")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on; the setting's unless given"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve")] = 1,
    reload: Annotated[
        bool, typer.Option(help="Serve anew whenever a file changes; warn of blocking code")
    ] = False,
) -> None:
    """Serve a gateway until a signal says stop."""
    from stagedoor._commands.listening import authority_of, listening_fault
    from stagedoor._face import serving
    from stagedoor._face.settings import prefix_of

    if reload:
        if workers > 1:
            fail(failures.USAGE, ["--reload serves in one process: leave --workers out"])
        command = [sys.executable, "-m", "stagedoor", "run", target]
        command += [*(["--host", host] if host else []), *(["--port", str(port)] if port is not None else [])]
        serving.reload(command)
        return
    hold_collector()
    name = gateway_of(target).name
    with told():
        ready = serving.prepared(target, host=host, port=port, workers=workers)
        # Asked now: a port that is taken is no news beside what can never work.
        fault = listening_fault(ready.host, ready.port)
        if fault is not None:
            said = {"host": host, "port": port}[fault.at] is not None
            setting = f"--{fault.at}" if said else f"{prefix_of(name)}{fault.at.upper()}"
            fail(fault.code, [f"{setting}: {fault.line}"])
        print(f"{name} at http://{authority_of(ready.host, ready.port)}", file=sys.stderr)  # noqa: T201 - for the terminal
        ready.serve()


@app.command(epilog="Example: stagedoor check shop:app")
def check(target: Target) -> None:
    """Prove worst-case latency and amplification; say with file and line what cannot work."""
    from stagedoor._aggregate.worst import amplified, doubts_of_amplification
    from stagedoor._commands.tables import aggregate_table, findings_of, output, upstream_table
    from stagedoor.policies._cost import cost_of

    console = output()
    gateway = inspected_of(target, code=failures.FINDINGS)
    cases = [plan.worst_case() for plan in gateway.plans]
    for case in cases:
        console.print(aggregate_table(case))
    alone = {remote.name: cost_of(remote.policies) for remote in gateway.upstreams}
    costs = amplified(alone, getattr(gateway, "behind", {}))
    if costs:
        console.print(upstream_table(costs))
    deadline: float | None = getattr(gateway, "deadline", None)
    findings = [*getattr(gateway, "doubts", ()), *findings_of(cases, gateway.upstreams, deadline)]
    more = [name for name in costs if costs[name] != alone[name]]
    findings += [text for name in more for text in doubts_of_amplification(name, costs[name])]
    for note in getattr(gateway, "notes", ()):
        console.print(f"with several workers, {note}", highlight=False, soft_wrap=True)
    if findings:
        fail(failures.FINDINGS, findings)
    console.print("no findings", style="green")


@app.command(epilog="Example: stagedoor routes shop:app")
def routes(target: Target) -> None:
    """List the routes: method, path, kind, who may see an answer, how long it is kept."""
    from stagedoor._commands.tables import output, routes_table

    output().print(routes_table(inspected_of(target).routes))


@app.command(epilog="Example: stagedoor settings shop:app")
def settings(target: Target) -> None:
    """List the settings: name, default, meaning."""
    from stagedoor._commands.tables import output, settings_table
    from stagedoor._face.settings import listed

    gateway = gateway_of(target)
    services = [(service.name, service.url) for service in gateway.all_services()]
    guards = [row for guard in gateway.all_guards() for row in guard.variables(gateway.name)]
    output().print(settings_table([*dict.fromkeys(guards), *listed(gateway.name, services)]))


@app.command(epilog="Example: stagedoor openapi shop:app --output openapi.json")
def openapi(
    target: Target,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output unless given")
    ] = None,
    document: Annotated[
        str,
        typer.Option(help="The path of the document, where the gateway has several; the first unless given"),
    ] = "",
) -> None:
    """Print the OpenAPI document, as the gateway would serve it."""
    from stagedoor._commands.documents import text_of

    gateway = gateway_of(target)
    with told():
        text = text_of(gateway, document)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(failures.CANNOT_CREATE, [f"{output}: {error.strerror or error}"])
