"""The command line: light to start, and plain about what it refuses."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from cinema import __version__
from cinema.database import open_database
from cinema.database.migrate import migrate, upgrade
from tests.servers import free_port

HEAVY = ("fastapi", "pydantic", "sqlalchemy", "alembic", "uvicorn", "cinema.settings")


def cinema(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cinema", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


def test_loading_the_command_line_loads_nothing_heavy() -> None:
    """`--help` and every child pay for it: a command loads what it needs and nothing else."""
    question = f"import sys, cinema.cli; print(*(name for name in {HEAVY} if name in sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, timeout=50, check=True
    )

    assert done.stdout == "\n"


def test_it_says_its_version(tmp_path: Path) -> None:
    """What a bug report asks for first."""
    assert cinema(tmp_path, "--version").stdout == f"cinema {__version__}\n"


def test_migrating_and_seeding_say_whether_there_was_anything_to_do(tmp_path: Path) -> None:
    """Both may be repeated."""
    commands = ("migrate", "migrate", "seed", "seed")

    said = [cinema(tmp_path, command).stdout for command in commands]

    assert said == ["migrated\n", "nothing to migrate\n", "seeded\n", "nothing to seed\n"]


def test_e8_seeding_a_database_without_tables_says_what_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue_url: str
) -> None:
    """E8: the first command of somebody who reads no documentation; one line, as `cinema etl` says it."""
    monkeypatch.setenv("DATABASE_URL", catalogue_url)

    done = cinema(tmp_path, "seed")

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "cinema: DATABASE_URL: this database lacks tables; cinema migrate\n"


def test_e8_seeding_a_database_of_an_older_release_says_the_same(tmp_path: Path) -> None:
    """E8: the shop is there, and films are not; nothing is sown into the half of it."""
    database = create_engine(f"sqlite:///{tmp_path}/data/cinema.db")
    (tmp_path / "data").mkdir()
    with database.begin() as connection:
        upgrade(connection.execution_options(schema_translate_map={"content": None}), "0001")
    database.dispose()

    done = cinema(tmp_path, "seed")

    assert (done.returncode, done.stdout) == (78, "")
    assert "cinema migrate" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "backup backup"])
def test_e8_a_database_of_a_newer_release_is_said_to_be_one(tmp_path: Path, command: str) -> None:
    """E8: a release that is put back after a migration was told to migrate, and that ended in a traceback."""
    cinema(tmp_path, "migrate")
    with closing(sqlite3.connect(tmp_path / "data/cinema.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    done = cinema(tmp_path, *command.split())

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert done.stderr.startswith("cinema: DATABASE_URL: its tables are of a newer release (9999; this one")


@pytest.mark.parametrize("command", ["seed", "backup backup", "etl", "sweep"])
async def test_t15_what_a_user_of_the_database_may_not_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, command: str
) -> None:
    """T15, issue 16: it answers, so it is not away; a page of traceback showed the statement."""
    somebody = f"somebody_{uuid4().hex}"
    database = open_database(database_url, 1)
    try:
        await database.write(migrate)
        await database.write(lambda connection: connection.exec_driver_sql(f"CREATE ROLE {somebody} LOGIN"))
    finally:
        await database.close()
    monkeypatch.setenv("DATABASE_URL", database_url.replace("postgres@", f"{somebody}@"))

    done = await asyncio.to_thread(cinema, tmp_path, *command.split())

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert done.stderr.startswith("cinema: DATABASE_URL: this user may not do that in the database; grant it")


@pytest.mark.parametrize(
    "command", ["up", "gateway", "users", "orders", "products", "memes", "ghibli", "migrate", "seed"]
)
def test_every_command_refuses_a_bad_setting_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Contract 16, G2: exit code 78, one line, before anything is started."""
    monkeypatch.setenv("GATEWAY_PORT", "eight")

    done = cinema(tmp_path, command)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("cinema: GATEWAY_PORT: must be ")
    assert done.stderr.count("\n") == 1


def test_times_that_no_profile_can_keep_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 16: orders, then products take two attempts, which this deadline does not hold."""
    monkeypatch.setenv("GATEWAY_ATTEMPT_TIMEOUT_MS", "100")
    monkeypatch.setenv("GATEWAY_PORT", str(free_port()))

    done = cinema(tmp_path, "gateway")

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("cinema: GATEWAY_DEADLINE_MS, GATEWAY_ATTEMPT_TIMEOUT_MS: ")
    assert (
        "the path orders → products takes 200 ms with one attempt a part, the budget is 165 ms" in done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_a_database_that_is_away_is_said_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T15: one line, and no address in it."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/none")

    done = cinema(tmp_path, "migrate")

    assert done.returncode == 69
    assert done.stderr == "cinema: DATABASE_URL: the database does not answer (ConnectionRefusedError)\n"


def test_a_state_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 16: which settings, and what the system says; a page of traceback says less."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEARCH_ETL_STATE", str(tmp_path / "file" / "state.json"))
    cinema(tmp_path, "migrate")

    done = cinema(tmp_path, "etl")

    assert done.returncode == 73
    assert done.stderr.startswith("cinema: SEARCH_ETL_STATE: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sslmode=disable",
        "?sslmode=prefer",
        "?sslmode=require",
        "?connect_timeout=5",
        "?target_session_attrs=read-write&application_name=cinema&channel_binding=prefer&keepalives_idle=30",
        "?options=-c%20statement_timeout%3D5s&gssencmode=disable&sslsni=1",
        "?command_timeout=5&timeout=5&prepared_statement_cache_size=0",
        "?sslmode=verify-full&sslrootcert=system",
    ],
)
def test_an_address_as_providers_hand_it_out_works_or_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, query: str
) -> None:
    """Contract 16, case 25: postgresql://...?sslmode=require is how hosted databases are addressed."""
    monkeypatch.setenv("DATABASE_URL", database_url.replace("+asyncpg", "") + query)

    done = cinema(tmp_path, "migrate")

    assert done.returncode == 0 or done.stderr.count("\n") == 1


def test_a_parameter_that_the_driver_cannot_understand_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 16: with what would be right, and without the password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:secret@db/cinema?pgbouncer=true")

    done = cinema(tmp_path, "migrate")

    assert done.returncode != 0
    assert "DATABASE_URL: must not have the parameter 'pgbouncer'; known are" in done.stderr
    assert "secret" not in done.stderr


def test_a_migration_waits_for_a_database_that_is_starting_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 12: containers start together with their database."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg://ann@127.0.0.1:{free_port()}/cinema")

    begun = time.monotonic()
    done = cinema(tmp_path, "migrate", "--wait", "2")

    assert done.returncode != 0
    assert done.stderr.startswith("cinema: DATABASE_URL: the database does not answer")
    assert time.monotonic() - begun >= 2
