"""Run the platform, or one process of it, from the command line."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cinema import __version__
from cinema.parent import die_with_parent

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cinema.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="cinema",
    help="An online-cinema platform behind one gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, and some of ours are secret
)

T = TypeVar("T")
Host = Annotated[str | None, typer.Option(help="Listen on this address instead of the setting's host")]


def main() -> None:
    """Run the command line."""
    app()


def _fail(code: int, line: object) -> None:
    print(f"cinema: {line}", file=sys.stderr)  # noqa: T201 - a refusal to start is for the terminal
    raise typer.Exit(code)


def _settings() -> "Settings":
    from cinema.settings import SettingsError, load

    try:
        return load()
    except SettingsError as error:
        _fail(2, error)
        raise


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _fail(1, f"{what}: {error.strerror or error}")


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
    from cinema.stack.run import run

    raise typer.Exit(run(_settings(), restart=restart))


@app.command()
def gateway(host: Host = None) -> None:
    """Serve the gateway."""
    settings = _settings()
    from cinema.gateway.serve import serve
    from stagedoor.errors import ConfigError

    address = f"{settings.gateway_host}:{settings.gateway_port}"
    try:
        with _told(f"cannot listen on {address} (GATEWAY_HOST, GATEWAY_PORT)"):
            serve(settings, host)
    except ConfigError as error:  # the plans are ours; only times can make them impossible
        found = "; ".join(str(error).splitlines())
        of_rates = found.startswith("rate_limits: ")
        names = "GATEWAY_RATE_LIMITS" if of_rates else "GATEWAY_DEADLINE_MS, GATEWAY_ATTEMPT_TIMEOUT_MS"
        _fail(2, f"{names}: {found.removeprefix('rate_limits: ')}")


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
    settings = _settings()
    from cinema.services.media.start import validate_ready
    from cinema.settings import SettingsError, host_of

    try:
        validate_ready(settings, host or host_of(settings.media_url))
    except SettingsError as error:
        _fail(2, error)
    _serve("media", host)


@app.command()
def ghibli(host: Host = None) -> None:
    """Serve the stand-in for the public film API."""
    _serve("ghibli", host)


def _serve(name: str, host: str | None) -> None:
    settings = _settings()
    from cinema.services import SERVICES
    from cinema.services.serve import serve
    from stagedoor.errors import ConfigError

    service = SERVICES[name]
    try:
        with _told(f"cannot listen for {service.url(settings)} ({service.setting})"):
            serve(settings, name, host)
    except ConfigError as error:  # a package that a setting needs is missing
        _fail(2, error)


@app.command()
def migrate() -> None:
    """Bring the database to the newest version of its tables."""
    settings = _settings()
    from cinema.database.migrate import migrate as work

    print("migrated" if _write(settings, work) else "nothing to migrate")  # noqa: T201 - the answer


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
    from cinema.database.migrate import lacks_tables
    from cinema.seed import sow

    if _write(settings, lacks_tables):
        _fail(1, "DATABASE_URL: this database lacks tables; cinema migrate")
    shop = _write(settings, sow)
    films = _write(settings, partial(sow_films, films=settings.films))
    print("seeded" if shop or films else "nothing to seed")  # noqa: T201 - the answer


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
        _fail(1, error)
        raise
    return "seeded: " + ", ".join(f"{count:,} {table}" for table, count in counts.items())


@app.command()
def etl(
    watch: Annotated[bool, typer.Option(help="Go on for ever, every SEARCH_ETL_INTERVAL_S seconds")] = False,
    rebuild: Annotated[bool, typer.Option(help="Build the index anew, whatever has changed")] = False,
) -> None:
    """Bring the search index to where the database is: what has changed, or everything the first time."""
    settings = _settings()
    from sqlalchemy.exc import SQLAlchemyError

    from cinema.etl.run import run
    from stagedoor.search import WriterError

    try:
        with _told("SEARCH_ETL_STATE, SEARCH_DIR: cannot write"):
            run(settings, watch=watch, anew=rebuild)
    except WriterError as error:
        _fail(1, f"SEARCH_DIR, SEARCH_URL: {error}")
    except SQLAlchemyError as error:
        _fail(1, f"DATABASE_URL: this database has no films ({type(error).__name__}); cinema migrate")


@app.command()
def sweep(
    older_than: Annotated[
        float,
        typer.Option(min=0, help="Leave what is younger than so many seconds: its meme may be on its way"),
    ] = 3_600.0,
) -> None:
    """Remove the pictures that no meme has, and say which they were."""
    settings = _settings()
    from cinema.database import DatabaseUnavailable
    from cinema.services.memes.sweeping import SweepFailed, swept
    from stagedoor.errors import UpstreamError

    try:
        removed = asyncio.run(swept(settings, older_than))
    except SweepFailed as error:
        _fail(1, f"GATEWAY_MEMES_URL: {error}")
    except UpstreamError:
        _fail(1, "MEDIA_URL, MEDIA_TOKEN: the media service does not answer")
    except DatabaseUnavailable as error:
        _fail(1, f"DATABASE_URL: the database does not answer ({type(error.__cause__).__name__})")
    else:
        for name in removed:
            print(f"removed {name}")  # noqa: T201 - the answer
        print(f"{len(removed)} removed" if removed else "nothing to sweep")  # noqa: T201 - the answer


def _write(settings: "Settings", work: "Callable[[Connection], T]") -> "T":
    from cinema.database import DatabaseUnavailable, open_database

    async def writing() -> T:
        database = open_database(settings.database_url, 1)
        try:
            return await database.write(work)
        finally:
            await database.close()

    try:
        return asyncio.run(writing())
    except DatabaseUnavailable as error:
        _fail(1, f"DATABASE_URL: the database does not answer ({type(error.__cause__).__name__})")
        raise
