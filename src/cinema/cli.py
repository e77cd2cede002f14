"""Run the platform, or one process of it, from the command line.

What keeps a command from its work is one line on standard error, under an exit code that says what kind it is
(`cinema.faults`); nothing is begun before that is known.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cinema import __version__
from cinema.parent import die_with_parent
from stagedoor._commands.failures import OneLine
from stagedoor._commands.first_process import leave_in_order
from stagedoor._face.collector import hold_collector

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cinema.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="cinema",
    cls=OneLine,
    help="An online-cinema platform behind one gateway.",
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, and some of ours are secret
)

T = TypeVar("T")
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of the setting's host")]


def main() -> None:
    """Run the command line."""
    app()


def _fail(code: int, line: object) -> None:
    with suppress(OSError):  # the code says it, too
        print(f"cinema: {line}", file=sys.stderr)  # noqa: T201 - a refusal to start is for the terminal
    raise typer.Exit(code)


def _settings() -> "Settings":
    from cinema.settings import SettingsError, load

    try:
        return load()
    except SettingsError as error:
        _fail(os.EX_CONFIG, error)
        raise


@contextmanager
def _told() -> Iterator[None]:
    """End the command with the line of a fault, whether a check finds it or the work does."""
    from cinema.faults import Fault
    from cinema.settings import SettingsError
    from stagedoor.errors import ConfigError

    try:
        yield
    except Fault as fault:
        _fail(fault.code, fault)
    except (SettingsError, ConfigError) as error:
        _fail(os.EX_CONFIG, error)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cinema {__version__}")  # noqa: T201 - what was asked for
        raise typer.Exit


@app.callback()
def _start(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and leave")
    ] = False,
) -> None:
    die_with_parent()


@app.command()
def up(restart: Annotated[bool, typer.Option(help="Start a service again when it has died")] = True) -> None:
    """Start the whole platform on this machine, and stop it on Ctrl-C."""
    settings = _settings()
    with _told():
        from cinema.stack.run import run

        raise typer.Exit(run(settings, restart=restart))


@app.command()
def gateway(host: Host = None) -> None:
    """Serve the gateway."""
    hold_collector()
    settings = _settings()
    with _told():
        from cinema.gateway.serve import serve

        serve(settings, host)


@app.command()
def users(host: Host = None) -> None:
    """Serve the user service."""
    _serve("users", host)


@app.command()
def orders(host: Host = None) -> None:
    """Serve the order service."""
    _serve("orders", host)


@app.command()
def products(host: Host = None) -> None:
    """Serve the product service."""
    _serve("products", host)


@app.command()
def memes(host: Host = None) -> None:
    """Serve the meme service."""
    _serve("memes", host)


@app.command()
def media(host: Host = None) -> None:
    """Serve the media service."""
    _serve("media", host)


@app.command()
def ghibli(host: Host = None) -> None:
    """Serve the stand-in for the public film API."""
    _serve("ghibli", host)


def _serve(name: str, host: str | None) -> None:
    settings = _settings()
    with _told():
        from cinema.services.serve import serve

        serve(settings, name, host)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a database that is starting")] = 0.0,
) -> None:
    """Bring the database to the newest version of its tables."""
    settings = _settings()
    from cinema.database.migrate import migrate as work

    print("migrated" if _write(settings, work, wait) else "nothing to migrate")  # noqa: T201 - the answer


@app.command()
def seed(
    source: Annotated[
        Path | None, typer.Option("--from", help="Load the film set in this folder instead, all or nothing")
    ] = None,
) -> None:
    """Add the demo data that is missing; change nothing that is there."""
    settings = _settings()
    if source is not None:
        print(_merged(settings, source))  # noqa: T201 - the answer
        return
    from cinema.data.sowing import sow_films
    from cinema.seed import sow

    _need_tables(settings)
    shop = _write(settings, sow)
    films = _write(settings, partial(sow_films, films=settings.films))
    print("seeded" if shop or films else "nothing to seed")  # noqa: T201 - the answer


def _need_tables(settings: "Settings") -> None:
    """End the command where the database has not been brought to this release."""
    from cinema.checks import check_database, sqlite_file
    from cinema.database.migrate import lacks_tables

    with _told():
        check_database(settings)
    file = sqlite_file(settings)
    if (file is not None and not file.exists()) or _write(settings, lacks_tables):
        _fail(os.EX_CONFIG, "DATABASE_URL: this database lacks tables; cinema migrate")


def _merged(settings: "Settings", folder: Path) -> str:
    from datetime import UTC, datetime

    from cinema.data.foreign import RecordFault, read_folder
    from cinema.data.merging import merge
    from cinema.database.migrate import migrate as bring_up_to_date

    def work(connection: "Connection") -> "Mapping[str, int]":
        bring_up_to_date(connection)
        return merge(connection, foreign)

    try:
        foreign = read_folder(folder, datetime.now(UTC))
        counts = _write(settings, work)
    except RecordFault as error:
        _fail(os.EX_DATAERR, error)
        raise
    return "seeded: " + ", ".join(f"{count:,} {table}" for table, count in counts.items())


@app.command()
def etl(
    watch: Annotated[bool, typer.Option(help="Go on for ever, every SEARCH_ETL_INTERVAL_S seconds")] = False,
    rebuild: Annotated[bool, typer.Option(help="Build the index anew, whatever has changed")] = False,
) -> None:
    """Bring the search index to where the database is: what has changed, or everything the first time."""
    settings = _settings()
    with _told():
        from cinema.etl.start import filled

        filled(settings, watch=watch, anew=rebuild)


@app.command()
def sweep(
    older_than: Annotated[
        float,
        typer.Option(min=0, help="Leave what is younger than so many seconds: its meme may be on its way"),
    ] = 3_600.0,
) -> None:
    """Remove the pictures that no meme has, and say which they were."""
    settings = _settings()
    from cinema.checks import sqlite_file
    from cinema.database.faults import reached
    from cinema.services.memes.sweeping import SweepFailed, swept
    from stagedoor.errors import UpstreamError

    _need_tables(settings)
    removed: Sequence[str] = ()
    try:
        with _told(), reached(sqlite_file(settings)):
            removed = asyncio.run(swept(settings, older_than))
    except SweepFailed as error:
        _fail(os.EX_UNAVAILABLE, f"GATEWAY_MEMES_URL: {error}")
    except UpstreamError:
        _fail(os.EX_UNAVAILABLE, "MEDIA_URL, MEDIA_TOKEN: the media service does not answer")
    for name in removed:
        print(f"removed {name}")  # noqa: T201 - the answer
    print(f"{len(removed)} removed" if removed else "nothing to sweep")  # noqa: T201 - the answer


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, or one to be made")],
) -> None:
    """Copy tables and pictures of one moment into a folder, while others write."""
    leave_in_order(signal.SIGTERM, signal.SIGHUP)
    settings = _settings()
    from cinema.backup.take import take

    with _kept(settings, folder):
        taken = asyncio.run(take(settings, folder))
        rows, pictures = sum(taken.rows.values()), sum(name.startswith("pictures/") for name in taken.files)
        print(f"backed up: {rows:,} rows, {pictures:,} pictures in {folder}")  # noqa: T201 - the answer
        for meme in taken.without_picture:
            print(f"meme {meme}: its picture is missing in the store itself")  # noqa: T201 - the same


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What cinema backup has filled")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the data that is there")] = False,
) -> None:
    """Put a backup into the database and the store that the settings name, here or elsewhere."""
    settings = _settings()
    from cinema.backup.restore import restore as put_back

    with _kept(settings, folder):
        taken = asyncio.run(put_back(settings, folder, overwrite=overwrite))
        rows = sum(taken.rows.values())
        print(f"restored: {rows:,} rows, as of {taken.taken}; cinema etl builds the index")  # noqa: T201 - the answer


@contextmanager
def _kept(settings: "Settings", folder: Path) -> Iterator[None]:
    """Say in one line why nothing was backed up, or put back."""
    from cinema.checks import sqlite_file
    from cinema.database.faults import reached
    from cinema.faults import Fault, of_disk
    from cinema.services.frame import Outage

    with _told(), reached(sqlite_file(settings)):
        try:
            yield
        except Outage as error:
            line = "MEDIA_STORE: the store of pictures does not answer"
            raise Fault(line, os.EX_UNAVAILABLE) from error
        except OSError as error:
            raise of_disk(error, "DIR, MEDIA_DIR", error.filename or folder) from error


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print an object, also where all is well")] = False,
    door: Annotated[
        list[str] | None,
        typer.Option(help="A further address whose certificate matters, as in https://host:8443"),
    ] = None,
) -> None:
    """Look at settings and everything behind them; say what is wrong and what to do, nothing where all is well."""
    from cinema.doctor.examine import examine
    from cinema.doctor.finding import exit_code, lines_of, of_setting
    from cinema.settings import SettingsError, load

    try:
        found = asyncio.run(examine(load(), door or ()))
    except SettingsError as error:
        found = [of_setting(error)]
    said = lines_of(found, as_json=as_json)
    if said:
        print(said)  # noqa: T201 - the answer
    raise typer.Exit(exit_code(found))


def _write(settings: "Settings", work: "Callable[[Connection], T]", wait: float = 0.0) -> "T":
    from cinema.checks import check_database, sqlite_file
    from cinema.database import open_database
    from cinema.database.faults import reached

    async def writing() -> T:
        database = open_database(settings.database_url, 1)
        try:
            return await database.write(work)
        finally:
            await database.close()

    with _told(), reached(sqlite_file(settings)):
        check_database(settings)
        return _patiently(lambda: asyncio.run(writing()), monotonic() + wait)
    raise AssertionError  # a fault has ended the command


def _patiently(attempt: "Callable[[], T]", until: float) -> "T":
    """Repeat what needs a database until it answers, or it is too late."""
    from cinema.database import DatabaseUnavailable

    while True:
        try:
            return attempt()
        except DatabaseUnavailable:
            if monotonic() >= until:
                raise
        sleep(0.5)
