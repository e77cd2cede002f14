"""SIGKILL at every await of a write, on both databases: afterwards everything is whole (issue 13).

`make deep` kills at each, `make test` at ten drawn at random. What is killed where is not written down anywhere: a run
of all writes notes where it has been, and an await where no write has been fails the test, so that a new one needs a
write that comes by.
"""

import asyncio
import http.client
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from cinema.database import open_database
from cinema.database.migrate import migrate
from cinema.database.records import records
from cinema.database.tables import media_cleanup, meme
from cinema.services.memes.sweeping import swept
from cinema.settings import Settings
from tests import servers
from tests.cinema.services.memes.awaits import Place, places
from tests.cinema.services.memes.forms import BOUNDARY, TEXTS, parts
from tests.cinema.services.memes.media import PNG, MediaStand, listening
from tests.live.platform import ROOT, ask, clean, until
from tests.servers import LOOPBACK, Server, free_port, parental

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(1_800)]
FIRST, LARGE = PNG + b"first", PNG + bytes(700_000)
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
FIELDS = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
JSON = {"content-type": "application/json"}
OTHER = {"title": "Friday", "description": "at last"}


@dataclass(frozen=True)
class Write:
    """One write: `{id}` in its path is the meme that is there."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    status: int
    away: bool = False  # whether the media service is, meanwhile


WRITES = (
    Write("POST", "/api/memes", parts(LARGE, **OTHER), {**FORM, "idempotency-key": "k1"}, 201),
    Write("POST", "/memes", parts(**OTHER), {**FORM, "accept": "text/html"}, 303),
    Write("PUT", "/memes/{id}", b'{"title":"Friday","description":"at last"}', JSON, 200),
    Write("PATCH", "/memes/{id}/image", parts(LARGE), FORM, 200),
    Write("POST", "/memes/{id}/image", parts(LARGE), {**FORM, "accept": "text/html"}, 303),
    Write("POST", "/memes/{id}/edit", b"title=Friday&description=at+last", FIELDS, 303),
    Write("POST", "/memes/{id}/edit", parts(None, **OTHER), {**FORM, "accept": "text/html"}, 303),
    Write("DELETE", "/memes/{id}", b"", {}, 204),
    Write("DELETE", "/memes/{id}", b"", {}, 204, away=True),
    Write("POST", "/memes/{id}/delete", b"", FIELDS, 303),
)


class Stage:
    """A database, a media service in memory, and one meme whose writing was acknowledged."""

    def __init__(self, url: str, media_url: str, media: MediaStand, folder: Path) -> None:
        self.port = free_port()
        self.media = media
        self.folder = folder
        given = {
            "DATABASE_URL": url,
            "MEDIA_URL": media_url,
            "GATEWAY_MEMES_URL": f"http://{LOOPBACK}:{self.port}",
            "MEMES": "0",
        }
        self.environment = clean() | given | {"PYTHONPATH": str(ROOT)}
        self.settings = Settings(
            database_url=url, media_url=media_url, gateway_memes_url=given["GATEWAY_MEMES_URL"], memes=0
        )

    @asynccontextmanager
    async def serving(self, *words: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """Run a process with these words."""
        command = [*parental(), sys.executable, "-m", "tests.cinema.services.memes.killed", *words]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)  # noqa: ASYNC220
        try:
            await asyncio.to_thread(until, lambda: ask(self.port, "/health").status == 200)
            yield process
        finally:
            process.kill()
            await asyncio.to_thread(process.wait, 30)

    async def killed(self, write: Write, meme_id: str, place: Place, mode: str) -> tuple[int, int | None]:
        """Send a write to a process that dies at a place; return the answer's status, and how the process ended."""
        async with self.serving(place.file, str(place.line), mode) as process:
            self.media.away = write.away
            status = await asyncio.to_thread(self.send, write, meme_id)
            self.media.away = False
            if not status or mode == "before":  # some places are reached after the answer
                await asyncio.to_thread(process.wait, 30)
            return status, process.poll()

    async def reached(self) -> dict[Place, int]:
        """Return by which write each place is reached first."""
        found: dict[Place, int] = {}
        notes = self.folder / "notes"
        async with self.serving("note", str(notes)):
            for number, write in enumerate(WRITES):
                meme_id = await self.reset()
                self.media.away = write.away
                status = await asyncio.to_thread(self.send, write, meme_id)
                self.media.away = False
                assert status == write.status, (write, status)
                been = set(notes.read_text().splitlines())
                found = {place: number for place in places() if f"{place.file}:{place.line}" in been} | found
        return found

    def send(self, write: Write, meme_id: str) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            connection.request(
                write.method, write.path.replace("{id}", meme_id), body=write.body, headers=write.headers
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    async def reset(self) -> str:
        """Begin with one meme; return its id."""
        self.media.files, self.media.born = {f"{uuid.uuid4()}.png": FIRST}, {}
        (image,) = self.media.files
        self.media.born[image] = 0.0
        meme_id = str(uuid.uuid4())

        def work(connection: Connection) -> None:
            from tests.cinema.services.memes.conftest import NOW, empty  # noqa: PLC0415

            empty(connection)
            connection.execute(
                meme.insert(), {"id": meme_id, **TEXTS, "image_name": image, "created_at": NOW}
            )

        await self._in_database(work)
        return meme_id

    async def _in_database(self, work: Any) -> Any:
        database = open_database(self.settings.database_url, 1)
        try:
            return await database.write(work)
        finally:
            await database.close()

    async def state(self) -> tuple[list[dict[str, Any]], list[Any]]:
        """Return the memes and the outbox after a sweep."""
        await swept(self.settings, 0)
        rows = await self._in_database(partial(records, statement=select(meme)))
        return rows, await self._in_database(partial(records, statement=select(media_cleanup)))


def whole(stage: Stage, rows: list[dict[str, Any]], meme_id: str, write: Write) -> None:
    """Every meme has its picture, every object its meme, nothing is half there, nothing acknowledged is lost."""
    assert sorted(row["image_name"] for row in rows) == sorted(stage.media.files)
    for row in rows:
        assert {"title": row["title"], "description": row["description"]} in (TEXTS, OTHER)
        assert stage.media.files[row["image_name"]] in (FIRST, LARGE, PNG + b"octets")
    if "delete" not in write.path and write.method != "DELETE":
        assert meme_id in {row["id"] for row in rows}
    assert len(rows) <= 2


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address an empty database."""
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path / 'cinema.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        address = servers.create_database(server, f"killed_{uuid.uuid4().hex}")

    async def preparing() -> None:
        database = open_database(address, 1)
        await database.write(migrate)
        await database.close()

    asyncio.run(preparing())
    return address


async def test_no_kill_at_any_await_of_a_write_leaves_anything_half_there(
    url: str, tmp_path: Path, deep: bool
) -> None:
    """Issue 13: with a real SIGKILL, before and during each; then `cinema sweep --older-than 0`."""
    media = MediaStand()
    async with listening(media) as media_url:
        stage = Stage(url, media_url, media, tmp_path)
        reached = await stage.reached()
        assert [str(place) for place in places() if place not in reached] == []

        kills = [(place, mode) for place in places() for mode in ("before", "during")]
        if not deep:
            kills = random.Random(os.urandom(8)).sample(kills, 5)
        for place, mode in kills:
            write = WRITES[reached[place]]
            meme_id = await stage.reset()
            status, code = await stage.killed(write, meme_id, place, mode)
            rows, outbox = await stage.state()

            told = (str(place), mode, write.method, write.path, status, code)
            print(*told)
            assert code == -signal.SIGKILL or (mode == "during" and status), told
            whole(stage, rows, meme_id, write)
            assert outbox == [], told
