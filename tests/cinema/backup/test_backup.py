"""`cinema backup` and `cinema restore`: equal to the source, taken under writes, refused where it would do harm."""

import asyncio
import gzip
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, delete, insert, select
from typer.testing import CliRunner

from cinema.backup import rows
from cinema.backup.manifest import BackupRefused, digest_of, read_manifest
from cinema.backup.restore import restore
from cinema.backup.rows import TABLES, file_of, holds_data, pictures_in
from cinema.backup.take import take
from cinema.cli import app
from cinema.data.sowing import sow_films
from cinema.database import Database, open_database
from cinema.database.migrate import migrate
from cinema.database.tables import change_log, film_work, meme
from cinema.etl.run import run as run_etl
from cinema.seed import sow
from cinema.services.media.names import new_name
from cinema.services.media.store import objects_of
from cinema.settings import Settings
from tests.kinds import kinds
from tests.servers import S3_BUCKET, S3_KEY, S3_SECRET, Server, create_database

pytestmark = pytest.mark.timeout(400)  # tables are made and filled, on a machine with other things to do
S3_STORE = {
    "media_store": "s3",
    "media_s3_bucket": S3_BUCKET,
    "media_s3_region": "us-east-1",
    "media_s3_access_key": S3_KEY,
    "media_s3_secret_key": S3_SECRET,
}


def place(folder: Path, **said: object) -> Settings:
    """Return the settings of a platform under a folder."""
    folder.mkdir(exist_ok=True)
    own = {
        "database_url": f"sqlite+aiosqlite:///{folder}/cinema.db",
        "media_dir": folder / "media",
        "search_dir": folder / "index",
        "search_etl_state": folder / "state.json",
    }
    return Settings(**{**own, **said})  # type: ignore[arg-type]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.database_url, 1)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of SQLite with films and customers, to be copied."""
    settings = place(tmp_path_factory.mktemp("films"))
    asyncio.run(sown(settings))
    return Path(settings.database_url.removeprefix("sqlite+aiosqlite:///"))


def blank(folder: Path, films: Path) -> Settings:
    """Return the settings of a platform whose tables are there, and empty: making them takes seconds."""
    settings = place(folder)
    with closing(sqlite3.connect(folder / "cinema.db")) as new, closing(sqlite3.connect(films)) as old:
        old.backup(new)
        for table in reversed(TABLES):
            new.execute(f'DELETE FROM "{table.name}"')
        new.commit()
    return settings


async def sown(settings: Settings) -> None:
    async with opened(settings) as database:
        await database.write(migrate)
        await database.write(sow)
        await database.write(partial(sow_films, films=20))


async def filled(settings: Settings, films: Path, memes: int = 3) -> None:
    """Give a platform films, customers, and memes with their pictures."""
    if settings.database_url.startswith("sqlite"):
        shutil.copy(films, settings.database_url.removeprefix("sqlite+aiosqlite:///"))
    else:
        await sown(settings)
    async with opened(settings) as database:
        for _ in range(memes):
            await draw(settings, database)


async def draw(settings: Settings, database: Database) -> str:
    """Add a meme: its picture first, as the service does."""
    name = new_name("png")
    await objects_of(settings).put(name, memoryview(name.encode()))
    row = {
        "id": name[:36],
        "title": "A",
        "description": "B",
        "image_name": name,
        "created_at": datetime.now(UTC),
    }
    await database.write(lambda connection: connection.execute(insert(meme), row))
    return name


async def redraw(settings: Settings, database: Database, chance: Random) -> None:
    """Give a meme another picture, and remove its old one."""
    store, old, fresh = objects_of(settings), await any_picture(database, chance), new_name("png")
    await store.put(fresh, memoryview(b"fresh"))
    change = meme.update().where(meme.c.image_name == old).values(image_name=fresh)
    await database.write(lambda connection: connection.execute(change))
    await store.delete(old)


async def erase(settings: Settings, database: Database, chance: Random) -> None:
    """Remove a meme, and its picture."""
    name = await any_picture(database, chance)
    await database.write(lambda connection: connection.execute(delete(meme).where(meme.c.image_name == name)))
    await objects_of(settings).delete(name)


async def any_picture(database: Database, chance: Random) -> str:
    names = await database.read(
        lambda connection: connection.execute(select(meme.c.image_name)).scalars().all()
    )
    return str(chance.choice(names))


def contents(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return every row that a backup holds."""
    rows = {one.name: connection.execute(select(one).order_by(*one.primary_key)).all() for one in TABLES}
    return {name: [tuple(row) for row in found] for name, found in rows.items()}


async def everything(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    async with opened(settings) as database:
        return await database.read(contents)


@pytest.fixture(params=kinds("sqlite", "postgres"))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Give the settings of a platform on each kind of database and store."""
    if request.param == "sqlite":
        return place(tmp_path / "source")
    s3: Server = request.getfixturevalue("s3")
    url = request.getfixturevalue("database_url")
    return place(tmp_path / "source", database_url=url, media_s3_endpoint=s3.url, **S3_STORE)


async def test_a_restored_backup_equals_its_source(source: Settings, films: Path, tmp_path: Path) -> None:
    """Issue 15.5: every row of every table, every picture, elsewhere."""
    await filled(source, films)
    target = blank(tmp_path / "target", films)
    taken = await take(source, tmp_path / "backup")
    await restore(target, tmp_path / "backup")

    assert await everything(target) == await everything(source)
    assert len([name for name in taken.files if name.startswith("pictures/")]) == 3
    for name in pictures_in(tmp_path / "backup"):
        stream = await objects_of(target).read(name, 0, len(name))
        assert stream is not None
        assert b"".join([piece async for piece in stream]) == name.encode()


@pytest.mark.skipif(len(kinds("sqlite", "postgres")) == 1, reason="in CI and where time is no matter")
async def test_one_kind_of_database_is_restored_into_the_other(
    postgres: Server, films: Path, tmp_path: Path
) -> None:
    """Issue 15.5: who begins on one machine with SQLite goes on with PostgreSQL, and back."""
    small, large = (
        place(tmp_path / "small"),
        place(tmp_path / "large", database_url=create_database(postgres, "grown")),
    )
    await filled(small, films)
    await take(small, tmp_path / "first")
    await restore(large, tmp_path / "first")
    await take(large, tmp_path / "second")
    before = await everything(small)
    await restore(small, tmp_path / "second", overwrite=True)

    assert await everything(large) == before
    assert await everything(small) == before


async def test_a_backup_under_writes_has_the_picture_of_each_meme(
    source: Settings, films: Path, tmp_path: Path
) -> None:
    """Issue 15.5: memes come and go with their pictures all the while."""
    await filled(source, films, memes=10)

    async def write() -> None:
        chance = Random(3)
        async with opened(source) as database:
            while True:
                await draw(source, database)
                await redraw(source, database, chance)
                await erase(source, database, chance)

    writing = asyncio.create_task(write())
    taken = await take(source, tmp_path / "backup")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    assert taken.without_picture == []
    assert {f"pictures/{name}" for name in pictures_in(tmp_path / "backup")} <= set(taken.files)
    assert taken.rows["meme"] == len(pictures_in(tmp_path / "backup"))
    read_manifest(tmp_path / "backup")


async def test_a_picture_that_the_source_has_lost_is_told_and_stops_nothing(
    source: Settings, films: Path, tmp_path: Path
) -> None:
    """Issue 15.5: a backup of what there is, and a line on what there is not."""
    await filled(source, films)
    async with opened(source) as database:
        name = await draw(source, database)
    await objects_of(source).delete(name)
    taken = await take(source, tmp_path / "backup")

    assert list(taken.without_picture) == [name[:36]]
    assert taken.rows["meme"] == 4


async def test_a_store_that_has_lost_any_number_of_pictures_is_backed_up(database_url: str) -> None:
    """The memes of all of them are read again; PostgreSQL takes 32,767 values in a statement."""
    database = open_database(database_url, 1)
    await database.write(migrate)
    found = await database.read(partial(rows.memes_now, ids=[str(uuid4()) for _ in range(33_000)]))
    await database.close()

    assert found == {}


def test_the_etl_goes_on_after_a_restore(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: the index is built anew, also where an older one is there, and changes reach it then."""
    source, target = place(tmp_path / "source"), place(tmp_path / "target")
    asyncio.run(filled(source, films))
    asyncio.run(filled(target, films, memes=0))
    run_etl(target)
    asyncio.run(_retitled(source))
    asyncio.run(take(source, tmp_path / "backup"))
    asyncio.run(restore(target, tmp_path / "backup", overwrite=True))
    state = target.search_etl_state.read_text()
    run_etl(target)

    assert json.loads(target.search_etl_state.read_text())["source"] != json.loads(state)["source"]
    assert asyncio.run(_logged(target)) == ["reload"]


async def _retitled(settings: Settings) -> None:
    async with opened(settings) as database:
        await database.write(lambda one: one.execute(film_work.update().values(title="New")))


async def _logged(settings: Settings) -> list[str]:
    async with opened(settings) as database:
        last = select(change_log.c.op).order_by(change_log.c.seq.desc()).limit(1)
        return list(await database.read(lambda one: one.execute(last).scalars().all()))


async def test_nothing_is_put_over_data_unless_it_is_said(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: refused, and told what there is; then with a word it is replaced, all or nothing."""
    source, target = place(tmp_path / "source"), place(tmp_path / "target")
    await filled(source, films)
    await filled(target, films, memes=1)
    await take(source, tmp_path / "backup")
    before = await everything(target)

    with pytest.raises(BackupRefused, match="--overwrite") as refused:
        await restore(target, tmp_path / "backup")
    assert refused.value.code == 73
    assert await everything(target) == before
    await restore(target, tmp_path / "backup", overwrite=True)
    assert await everything(target) == await everything(source)


async def test_what_comes_while_pictures_are_put_back_is_not_replaced_either(
    films: Path, tmp_path: Path
) -> None:
    """Issue 15.5: pictures take their time; whoever writes meanwhile is refused over, and nothing is lost."""
    source, target = place(tmp_path / "source"), blank(tmp_path / "target", films)
    await filled(source, films, memes=200)
    await take(source, tmp_path / "backup")

    restoring = asyncio.create_task(restore(target, tmp_path / "backup"))
    for _ in range(20_000):
        if restoring.done() or any((tmp_path / "target" / "media").glob("*")):
            break
        await asyncio.sleep(0.001)
    async with opened(target) as database:
        await draw(target, database)
        with pytest.raises(BackupRefused, match="--overwrite") as refused:
            await restoring
        held = await database.read(holds_data)

    assert refused.value.code == 73
    assert held == [meme.name]


async def test_of_two_restores_at_once_one_is_refused(source: Settings, films: Path, tmp_path: Path) -> None:
    """The second waits for the first, and finds its data."""
    await filled(place(tmp_path / "first"), films)
    await take(place(tmp_path / "first"), tmp_path / "backup")
    both = (restore(source, tmp_path / "backup") for _ in range(2))
    done = await asyncio.gather(*both, return_exceptions=True)

    assert sorted(isinstance(one, BackupRefused) for one in done) == [False, True], done
    assert "--overwrite" in str([one for one in done if isinstance(one, BackupRefused)])
    assert await everything(source) == await everything(place(tmp_path / "first"))


async def test_a_backup_that_was_spoiled_is_not_restored(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: each file is what was taken, or nothing is touched; a folder without a manifest is none."""
    source, target = place(tmp_path / "source"), place(tmp_path / "target")
    await filled(source, films)
    await take(source, tmp_path / "backup")
    (tmp_path / "backup" / file_of(meme)).write_bytes(b"spoiled")

    with pytest.raises(BackupRefused, match="not what was taken"):
        await restore(target, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="no backup"):
        await restore(target, tmp_path / "source")


@pytest.fixture(scope="module")
def taken(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a backup to be copied and spoiled."""
    folder = tmp_path_factory.mktemp("taken")
    source = place(folder / "source")
    asyncio.run(filled(source, films))
    asyncio.run(take(source, folder / "backup"))
    return folder / "backup"


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a column less": lambda row: {name: row[name] for name in row if name not in {"email", "title"}},
    "nothing where something must be": lambda row: {**row, "username": None, "title": None},
    "no moment": lambda row: {**row, "created_at": "yesterday", "created": "yesterday"},
    "another type": lambda row: {**row, "username": ["canary"], "title": ["canary"]},
    "no object": lambda _: 1,
}


@pytest.mark.parametrize(
    ("spoiled", "table"), [*((one, "user") for one in SPOILED), ("a column less", "film_work")]
)
async def test_rows_that_no_table_takes_are_told_by_their_file(
    taken: Path, tmp_path: Path, spoiled: str, table: str
) -> None:
    """T15: a traceback showed everybody's address; the digest is right, for somebody has written it anew."""
    target = place(tmp_path / "target")
    shutil.copytree(taken, tmp_path / "backup")
    file = tmp_path / "backup" / f"tables/{table}.jsonl.gz"
    rows = [SPOILED[spoiled](json.loads(line)) for line in gzip.decompress(file.read_bytes()).splitlines()]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    rewritten(tmp_path / "backup", f"tables/{table}.jsonl.gz", gzip.compress(text.encode()))

    with pytest.raises(
        BackupRefused, match=rf"{table}\.jsonl\.gz: holds what table {table} cannot take"
    ) as told:
        await restore(target, tmp_path / "backup")

    assert "canary" not in str(told.value)
    assert told.value.__cause__ is None
    async with opened(target) as database:
        assert await database.read(holds_data) == []


@pytest.mark.parametrize(
    "octets",
    [b"no archive", b"\x1f\x8b\x08\x00", gzip.compress(b"\xff\xfe"), gzip.compress(b"{")],
    ids=["no archive", "cut", "no text", "no rows"],
)
async def test_a_file_that_was_cut_is_no_fault_of_the_database(
    taken: Path, tmp_path: Path, octets: bytes
) -> None:
    """Issue 15.5: it was said that the database does not answer."""
    target = place(tmp_path / "target")
    shutil.copytree(taken, tmp_path / "backup")
    rewritten(tmp_path / "backup", file_of(meme), octets)

    with pytest.raises(BackupRefused, match=r"meme\.jsonl\.gz: holds what table meme cannot take"):
        await restore(target, tmp_path / "backup")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"files": []}, "cannot be read"),
        ({"files": {"tables/user.jsonl.gz": 5}}, "cannot be read"),
        ({"files": {}}, "it has no tables/"),
        ({"revision": 5}, "cannot be read"),
        ({"revision": "9999"}, "of a newer release"),
        ({"rows": {"user": "many"}}, "cannot be read"),
        ({"format": 2}, "of another form"),
        ({"format": None}, "of another form"),
        ({"colour": "red"}, "cannot be read"),
    ],
)
async def test_a_manifest_that_says_nonsense_is_no_backup(
    taken: Path, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    """Issue 15.5: in one line, and nothing is touched."""
    target = place(tmp_path / "target")
    shutil.copytree(taken, tmp_path / "backup")
    file = tmp_path / "backup/manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    with pytest.raises(BackupRefused, match=line):
        await restore(target, tmp_path / "backup")

    assert not (tmp_path / "target/cinema.db").exists()


async def test_a_backup_of_an_older_release_may_lack_a_table(taken: Path, tmp_path: Path) -> None:
    """Issue 15.5: what came later stays empty."""
    target = place(tmp_path / "target")
    shutil.copytree(taken, tmp_path / "backup")
    file = tmp_path / "backup/manifest.json"
    told = json.loads(file.read_text()) | {"revision": "0003"}
    for name in ("meme_key", "media_cleanup"):
        del told["files"][f"tables/{name}.jsonl.gz"]
        (tmp_path / f"backup/tables/{name}.jsonl.gz").unlink()
    file.write_text(json.dumps(told))

    assert (await restore(target, tmp_path / "backup")).revision == "0003"


async def test_a_backup_may_lie_in_a_folder_of_any_name(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: an address of a database has its own signs."""
    source = place(tmp_path / "source")
    await filled(source, films)

    await take(source, tmp_path / "50%41 off #1?")

    assert read_manifest(tmp_path / "50%41 off #1?").files


def rewritten(folder: Path, name: str, octets: bytes) -> None:
    """Change a file of a backup, and what its manifest says of it."""
    (folder / name).write_bytes(octets)
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text())
    told["files"][name] = digest_of(folder / name)
    manifest.write_text(json.dumps(told))


async def test_a_manifest_that_somebody_wrote_reaches_no_store(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: names of pictures are ours or refused; and nobody else reads what was taken."""
    source, target = place(tmp_path / "source"), blank(tmp_path / "target", films)
    await filled(source, films)
    await take(source, tmp_path / "backup")
    (tmp_path / "backup/pictures/evil.png").write_bytes(b"")
    file = tmp_path / "backup/manifest.json"
    told = json.loads(file.read_text())
    told["files"]["pictures/evil.png"] = digest_of(tmp_path / "backup/pictures/evil.png")
    file.write_text(json.dumps(told))

    with pytest.raises(BackupRefused, match="none of ours"):
        await restore(target, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_the_commands_say_what_they_did(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 15.5, 16: one line, and exit codes that tell a refusal from an outage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    asyncio.run(filled(Settings(), films))
    calls = (
        ["backup", "one"],
        ["backup", "one"],
        ["restore", "one"],
        ["restore", "nowhere"],
        ["restore", "one", "--overwrite"],
    )
    said = [CliRunner().invoke(app, words) for words in calls]

    assert [one.exit_code for one in said] == [0, 73, 73, 78, 0]
    assert said[0].stdout.startswith("backed up: ")
    assert said[1].stderr.startswith("cinema: one: not empty")
    assert said[4].stdout.startswith("restored: ")


def test_a_database_that_cannot_be_read_is_told_as_everywhere(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 16: one line, what is wrong with it, and the code of that; nothing is left of what was begun."""
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"SQLite format 3\x00" + b"rubbish" * 1_000)
    stranger = postgres.url.replace("postgres@", "stranger@")
    said = []
    for url in (f"sqlite+aiosqlite:///{damaged}", stranger):
        monkeypatch.setenv("DATABASE_URL", url)
        said.append(CliRunner().invoke(app, ["backup", str(tmp_path / "backup")]))

    assert [(one.exit_code, one.stderr.count("\n")) for one in said] == [(78, 1), (78, 1)]
    assert "is damaged" in said[0].stderr
    assert "refuses this user or password" in said[1].stderr
    assert [*(tmp_path / "backup").iterdir()] == []


def test_a_disk_that_cannot_take_a_table_is_not_told_as_a_database_that_is_away(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue_url: str
) -> None:
    """Issue 15.5: 74 and the disk of the backup; it said that the database does not answer."""
    settings = place(tmp_path / "source", database_url=catalogue_url)
    asyncio.run(filled(settings, films, memes=0) if "postgres" in catalogue_url else sown(settings))
    monkeypatch.setenv("DATABASE_URL", catalogue_url)
    monkeypatch.setattr(rows, "file_of", lambda _: "../../full")
    (tmp_path / "full").symlink_to("/dev/full")

    done = CliRunner().invoke(app, ["backup", str(tmp_path / "a" / "backup")])

    assert (done.exit_code, done.stderr.count("\n")) == (74, 1)
    assert done.stderr.startswith("cinema: DIR: the disk that ")


async def test_the_first_and_the_last_moment_are_backed_up_and_restored(
    database_url: str, tmp_path: Path
) -> None:
    """Issue 15.5: the zero of other programs, of which PostgreSQL's driver makes -infinity, which nobody could read."""
    settings = place(tmp_path / "source", database_url=database_url)
    moments = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    shown = {"id": new_name("png")[:36], "title": "A", "type": "movie", "creation_date": date.min}
    row = {**shown, "created": moments[0], "modified": moments[1]}
    async with opened(settings) as database:
        await database.write(migrate)
        await database.write(lambda connection: connection.execute(insert(film_work), row))
        await take(settings, tmp_path / "backup")
        await restore(settings, tmp_path / "backup", overwrite=True)
        columns = (film_work.c.created, film_work.c.modified, film_work.c.creation_date)
        found = await database.read(lambda connection: connection.execute(select(*columns)).one())

    assert list(found) == [*moments, date.min]


@pytest.mark.parametrize("value", ["'yesterday'", "CAST(x'ff41' AS TEXT)"])
def test_t15_a_row_that_cannot_be_read_is_told_by_its_table_alone(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """T15: another program has written it; the traceback showed statement and octets."""
    settings = place(tmp_path / "source")
    shutil.copy(films, tmp_path / "source/cinema.db")
    with closing(sqlite3.connect(tmp_path / "source/cinema.db")) as connection:
        connection.execute(f"UPDATE film_work SET created = {value}")
        connection.commit()
    monkeypatch.setenv("DATABASE_URL", settings.database_url)

    done = CliRunner().invoke(app, ["backup", str(tmp_path / "backup")])

    line = "cinema: DATABASE_URL: table film_work holds a date or a text that cannot be read\n"
    assert (done.exit_code, done.stderr) == (65, line)


async def test_nobody_else_reads_a_backup_in_a_folder_that_was_there(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: it holds what people are called; the folder around it may be open to all."""
    settings, folder = place(tmp_path / "source"), tmp_path / "backup"
    await filled(settings, films, memes=1)
    folder.mkdir(mode=0o755)
    await take(settings, folder)

    assert [(folder / name).stat().st_mode & 0o077 for name in ("tables", "pictures")] == [0, 0]


async def test_of_two_backups_into_one_folder_one_is_whole(films: Path, tmp_path: Path) -> None:
    """Issue 15.5: the one that comes too late leaves alone what the other has begun."""
    settings = place(tmp_path / "source")
    await filled(settings, films, memes=1)
    both = (take(settings, tmp_path / "backup") for _ in range(2))
    done = await asyncio.gather(*both, return_exceptions=True)

    assert sorted(isinstance(one, Exception) for one in done) == [False, True]
    read_manifest(tmp_path / "backup")


def test_a_restore_names_the_setting_of_a_place_that_is_closed(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 16: of the database or of the pictures, before anything is put back."""
    source = place(tmp_path / "source")
    asyncio.run(filled(source, films, memes=1))
    asyncio.run(take(source, tmp_path / "backup"))
    said = []
    for media, url in (("media", "/proc/nobody/cinema.db"), ("/proc/nobody", f"{tmp_path}/target.db")):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MEDIA_DIR", media)
        monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{url}")
        said.append(CliRunner().invoke(app, ["restore", str(tmp_path / "backup")]))

    assert [one.exit_code for one in said] == [73, 73]
    assert said[0].stderr.startswith("cinema: DATABASE_URL: '/proc/nobody/cinema.db' ")
    assert "MEDIA_DIR: '/proc/nobody' " in said[1].stderr
