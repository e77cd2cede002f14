"""No picture is left over, and no meme without one: the outbox, the sweep, and who may have a name."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from cinema.cli import app
from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.database.migrate import migrate
from cinema.database.tables import media_cleanup, media_taken, meme
from cinema.services.memes import app as memes_app
from cinema.services.memes import changes
from cinema.services.memes.changes import Due, NameTaken
from cinema.services.memes.cleanup import Cleanup, first_sweep
from cinema.services.memes.media import Media
from cinema.services.memes.sweeping import SweepFailed, swept
from cinema.settings import Settings
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor.testing import ManualClock
from tests.cinema.doctor.backends import answering
from tests.cinema.services.asking import Asker, started
from tests.cinema.services.memes.forms import added, parts, send
from tests.cinema.services.memes.media import PNG, MediaStand
from tests.servers import free_port

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
FOREIGN = "what listens there is no meme service"


@pytest.fixture
async def database(memes_url: str) -> AsyncIterator[Database]:
    """Open the database beside the service."""
    opened = open_database(memes_url, 5)
    yield opened
    await opened.close()


def name() -> str:
    return f"{uuid4()}.png"


def row(image: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "title": "abc", "description": "abc", "image_name": image, "created_at": NOW}


def outbox(connection: Connection) -> list[tuple[Any, ...]]:
    columns = (media_cleanup.c.image_name, media_cleanup.c.attempts)
    return [tuple(one) for one in connection.execute(select(*columns))]


async def test_the_sweep_removes_what_no_meme_has(memes: Asker, media: MediaStand) -> None:
    """Contract 6: uploads whose meme was never written, by age; and what could not be removed before, at once."""
    kept = (await added(memes)).json["image_url"].removeprefix("/api/files/")
    young, old = name(), name()
    media.files |= {young: PNG, old: PNG}
    media.born |= {young: media.born[kept], old: media.born[kept] - 4_000}
    hourly = (await memes("/sweep", "POST")).json["removed"]
    all_ages = (await memes("/sweep?older_than=0", "POST")).json["removed"]
    again = (await memes("/sweep?older_than=0", "POST")).json["removed"]

    assert (hourly, all_ages, again) == ([old], [young], [])
    assert list(media.files) == [kept]


class Striding(ManualClock):
    """A clock that is five minutes further each time somebody looks at it."""

    strides = 0

    def now(self) -> float:
        self.strides += 1
        return self.strides * 300.0


async def test_the_first_sweep_is_minutes_after_the_start(
    database: Database, media: MediaStand, media_url: str
) -> None:
    """A service that never runs for an hour sweeps too; not at once, and not all that start together."""
    old = name()
    media.files[old], media.born[old] = PNG, 0.0
    settings = Settings(media_url=media_url, media_token=media.token)
    client = Media(settings, Env(SystemClock(), lambda: 0.5, lambda _: None))
    cleanup = Cleanup(database, client, Striding(), lambda: 0.5)
    running = asyncio.create_task(cleanup.run())
    while media.files:  # noqa: ASYNC110 - what removes is at the other end of a socket
        await asyncio.sleep(0)
    await cleanup.stop()
    await running
    await client.aclose()

    assert media.removed == [old]
    assert [first_sweep(roll) for roll in (0.0, 0.5, 1.0)] == [60.0, 180.0, 300.0]


async def test_what_could_not_be_removed_is_tried_again(
    memes: Asker, media: MediaStand, database: Database
) -> None:
    """Contract 6: recorded in the deletion's own transaction."""
    meme_id = (await added(memes)).json["id"]
    media.away = True
    await memes(f"/memes/{meme_id}", "DELETE")
    waiting = await database.read(outbox)
    media.away = False
    removed = (await memes("/sweep", "POST")).json["removed"]

    assert [one for one, _ in waiting] == removed
    assert (media.files, await database.read(outbox)) == ({}, [])


async def test_a_create_whose_picture_a_sweep_has_taken_fails(
    memes: Asker, media: MediaStand, database: Database
) -> None:
    """Changes, theory: nobody gets a meme whose picture is being removed."""

    async def take(uploaded: str) -> None:
        assert await database.write(
            partial(changes.take_unused, name=uploaded, now=NOW + timedelta(days=9_000))
        )

    media.before_answer = take
    reply = await added(memes)

    assert reply.status == 503
    assert (await memes("/memes")).json == []


@pytest.mark.parametrize("age", [0.0, 4_000.0])
async def test_a_create_fails_whose_picture_a_sweep_has_removed(
    memes: Asker, media: MediaStand, database: Database, age: float
) -> None:
    """Changes, theory: also when that sweep was through with everything before the create was told the name."""

    async def sweep(uploaded: str) -> None:
        media.before_answer = None
        media.born[uploaded] -= age
        removed = (await memes(f"/sweep?older_than={age:g}", "POST")).json["removed"]
        assert (removed, media.files, await database.read(outbox)) == ([uploaded], {}, [])

    media.before_answer = sweep
    reply = await added(memes)

    assert reply.status == 503
    assert (await memes("/memes")).json == []
    assert (media.files, await database.read(outbox)) == ({}, [])
    assert (await added(memes)).status == 201


async def test_a_replacement_fails_whose_picture_a_sweep_has_removed(
    memes: Asker, media: MediaStand, database: Database
) -> None:
    """Changes, theory: and the meme keeps the picture that it has."""
    made = (await added(memes)).json

    async def sweep(uploaded: str) -> None:
        assert (await memes("/sweep?older_than=0", "POST")).json["removed"] == [uploaded]

    media.before_answer = sweep
    reply = await send(memes, f"/memes/{made['id']}/image", parts(), "PATCH")

    assert reply.status == 503
    assert (await memes(f"/memes/{made['id']}")).json == made
    assert list(media.files) == [made["image_url"].removeprefix("/api/files/")]
    assert await database.read(outbox) == []


async def test_a_name_is_given_free_a_week_after_it_was_taken(database: Database) -> None:
    """Changes, theory: no write takes that long; and the table does not grow for ever."""
    week, moment = timedelta(days=7), timedelta(microseconds=1)
    image = name()

    def taken(connection: Connection, now: datetime) -> list[str]:
        changes.prune(connection, now)
        return list(connection.execute(select(media_taken.c.image_name)).scalars())

    await database.write(partial(changes.take_unused, name=image, now=NOW))
    just_before = await database.write(partial(taken, now=NOW + week - moment))
    then = await database.write(partial(taken, now=NOW + week))

    assert (just_before, then) == ([image], [])


async def test_a_sweep_waits_for_a_create_that_is_about_to_commit(
    memes_url: str, postgres: Any, database: Database
) -> None:
    """Changes, theory: on PostgreSQL the insert of the same name waits, then the row is seen and the picture stays."""
    image, inside, go = name(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def creating(connection: Connection) -> None:
        changes.create(connection, row(image))
        loop.call_soon_threadsafe(inside.set)
        if connection.dialect.name == "postgresql":
            from sqlalchemy.util import await_only  # noqa: PLC0415

            await_only(go.wait())

    create = asyncio.create_task(database.write(creating))
    await inside.wait()
    take = asyncio.create_task(database.write(partial(changes.take_unused, name=image, now=NOW)))
    await asyncio.sleep(0.05)
    waits = not take.done()
    go.set()
    await create

    assert await take is False
    assert waits or memes_url.startswith("sqlite")
    assert await database.read(outbox) == []


async def test_a_sweep_sees_what_it_waited_for_where_a_database_is_used_to_other_transactions(
    database_url: str,
) -> None:
    """Changes, theory: by a snapshot of before, the picture of a meme that is there was put into the outbox."""
    image, inside = name(), asyncio.Event()
    owner = open_database(database_url, 1)
    await owner.write(migrate)
    usual = "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'"
    await owner.write(
        lambda connection: connection.exec_driver_sql(usual.format(make_url(database_url).database))
    )
    await owner.close()
    opened = open_database(database_url, 2)

    def creating(connection: Connection) -> None:
        changes.create(connection, row(image))
        inside.set()
        connection.exec_driver_sql("SELECT pg_sleep(0.3)")

    create = asyncio.create_task(opened.write(creating))
    await inside.wait()
    taken = await opened.write(partial(changes.take_unused, name=image, now=NOW))
    await create
    left = await opened.read(outbox)
    await opened.close()

    assert (taken, left) == (False, [])


async def test_a_failed_commit_removes_the_upload(
    memes: Asker, media: MediaStand, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract 6: and asks first whether the row is there after all."""
    create = changes.create

    def failing(connection: Connection, row: dict[str, Any]) -> None:
        create(connection, row)
        raise DatabaseUnavailable("the connection was lost")

    monkeypatch.setattr(changes, "create", failing)
    reply = await added(memes)
    for _ in range(3_000):
        if not media.files:
            break
        await asyncio.sleep(0.01)

    assert reply.status == 503
    assert (media.files, await database.read(outbox)) == ({}, [])


async def test_whose_commit_went_through_after_all_keeps_its_picture(
    memes: Asker, media: MediaStand, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes, theory: of an answer that was lost nobody knows; the row tells."""
    write = type(database).write

    async def lost(self: Any, work: Any) -> Any:
        done = await write(self, work)
        if getattr(work, "__name__", "") == "work":
            raise DatabaseUnavailable("the answer was lost")
        return done

    monkeypatch.setattr(type(database), "write", lost)
    reply = await added(memes)
    await asyncio.sleep(0.05)

    assert reply.status == 503
    (kept,) = (await memes("/memes")).json
    assert list(media.files) == [kept["image_url"].removeprefix("/api/files/")]


async def test_two_replacements_at_once_leave_one_picture(memes: Asker, media: MediaStand) -> None:
    """Contract 6: the last wins, every loser's object is removed once."""
    meme_id = (await added(memes)).json["id"]
    replies = await asyncio.gather(
        *(send(memes, f"/memes/{meme_id}/image", parts(PNG + b"%d" % number), "PATCH") for number in range(6))
    )
    await memes("/sweep", "POST")
    last = (await memes(f"/memes/{meme_id}")).json["image_url"].removeprefix("/api/files/")

    assert {one.status for one in replies} == {200}
    assert list(media.files) == [last]
    assert len(media.removed) == len(set(media.removed)) == 6


async def test_pauses_double_up_to_five_minutes(database: Database) -> None:
    """Contract 12: `due_at` and `attempts`."""
    image = name()

    def work(connection: Connection) -> list[float]:
        changes.take_unused(connection, image, NOW)
        pauses = []
        for attempts in (0, 1, 5, 9, 10_000):
            changes.postpone(connection, Due(image, attempts), NOW)
            due = connection.execute(select(media_cleanup.c.due_at)).scalar_one()
            pauses.append((due - NOW).total_seconds())
        return pauses

    assert await database.write(work) == [1, 2, 32, 300, 300]


async def test_nobody_takes_the_picture_of_a_meme(database: Database) -> None:
    """Changes, theory."""
    image = name()

    def work(connection: Connection) -> bool:
        connection.execute(insert(meme), row(image))
        return changes.take_unused(connection, image, NOW)

    def twice(connection: Connection) -> None:
        changes.take_unused(connection, other, NOW)
        changes.create(connection, row(other))

    other = name()
    assert await database.write(work) is False
    with pytest.raises(NameTaken):
        await database.write(twice)


async def test_the_command_sweeps_also_where_no_service_runs(
    memes_url: str, media: MediaStand, media_url: str
) -> None:
    """Contract 6: `cinema sweep`."""
    left = name()
    media.files[left], media.born[left] = PNG, 0.0
    settings = Settings(
        database_url=memes_url,
        media_url=media_url,
        media_token="secret",
        gateway_memes_url=f"http://127.0.0.1:{free_port()}",
    )

    assert await swept(settings, 0) == [left]
    assert media.files == {}


@pytest.mark.parametrize(
    ("status", "body"), [(200, {"ok": True}), (200, []), (404, []), (503, {"detail": "the database is away"})]
)
async def test_what_is_no_meme_service_or_cannot_sweep_is_told(status: int, body: Any) -> None:
    """Issue 16: in one line, whoever listens at GATEWAY_MEMES_URL."""
    with answering(status, body) as address, pytest.raises(SweepFailed) as told:
        await swept(Settings(gateway_memes_url=address), 0)

    said = str(told.value)
    assert said == ("the database is away" if status == 503 else "status 404" if status == 404 else FOREIGN)


def test_a_meme_service_that_is_not_reached_is_named_by_its_own_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 16: not by that of the database, which nobody has asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_MEMES_URL", "http://memes.invalid:8004")
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    told = CliRunner().invoke(app, ["sweep"])

    assert told.exit_code == 69
    assert told.stderr.startswith("cinema: GATEWAY_MEMES_URL: the meme service does not answer (")


async def test_the_demo_hangs_where_nothing_hangs_and_goes_on_where_it_was(
    memes_url: str, media: MediaStand, media_url: str, log: io.BytesIO
) -> None:
    """Issue 13, 4: in the background, resumed after a kill, and what was removed does not come back."""
    settings = Settings(database_url=memes_url, media_url=media_url, media_token="secret", memes=3)

    async def hung(wanted: int, more: Settings) -> list[dict[str, Any]]:
        async with started(memes_app.build(more, stream=log)) as ask:
            found: list[dict[str, Any]] = []
            for _ in range(3_000):
                found = (await ask("/memes")).json
                if len(found) >= wanted:
                    break
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            if wanted == 3:
                await ask(f"/memes/{found[0]['id']}", "DELETE")
            return found

    first = await hung(3, settings)
    second = await hung(3, settings.model_copy(update={"memes": 4}))

    assert [one["id"] for one in first][-1] == "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
    assert len(second) == 3
    assert len({one["title"] for one in (*first, *second)}) == 4
    assert all(picture.startswith(PNG[:8]) for picture in media.files.values())
