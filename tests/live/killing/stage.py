"""Memes and media as processes over a database and a store of any kind, one of which dies where it is told to."""

import asyncio
import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, select

from cinema.database import open_database
from cinema.database.records import records
from cinema.database.tables import media_cleanup, meme
from cinema.services.media.store import objects_of
from cinema.services.memes.sweeping import swept
from cinema.settings import Settings
from tests.cinema.pictures import drawn
from tests.cinema.services.memes.conftest import NOW, empty
from tests.cinema.services.memes.forms import BOUNDARY, TEXTS, parts
from tests.live.killing.awaits import SOURCES, Place
from tests.live.platform import ROOT, ask, clean, run, until
from tests.servers import LOOPBACK, free_port, parental

__all__ = ["OTHER", "WRITES", "Stage", "State", "Write"]

# The first is there from the beginning; all are as they are stored, so that octets can be compared.
FIRST, SMALL = drawn.saved("png", drawn.noise(12, 12)), drawn.saved("png")
LARGE = drawn.saved("png", drawn.noise(480, 480), compress_level=0)
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
PEOPLE = {"accept": "text/html"}
FIELDS = {"content-type": "application/x-www-form-urlencoded", **PEOPLE}
JSON = {"content-type": "application/json"}
START_SECONDS = 120.0
OTHER = {"title": "Friday", "description": "at last"}


@dataclass(frozen=True)
class Write:
    """One write: `{id}` in its path is the meme that is there."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    status: int
    away: bool = False  # whether the media service is, meanwhile
    undecoded: bool = False  # whether the process that decodes dies over its picture


WRITES = (
    Write("POST", "/api/memes", parts(LARGE, **OTHER), {**FORM, "idempotency-key": "k1"}, 201),
    Write("POST", "/memes", parts(SMALL, **OTHER), {**FORM, **PEOPLE}, 303),
    Write("PUT", "/memes/{id}", b'{"title":"Friday","description":"at last"}', JSON, 200),
    Write("PATCH", "/memes/{id}/image", parts(LARGE), FORM, 200),
    Write("POST", "/memes/{id}/image", parts(LARGE), {**FORM, **PEOPLE}, 303),
    Write("POST", "/memes/{id}/edit", b"title=Friday&description=at+last", FIELDS, 303),
    Write("POST", "/memes/{id}/edit", parts(None, **OTHER), {**FORM, **PEOPLE}, 303),
    Write("DELETE", "/memes/{id}", b"", {}, 204),
    Write("DELETE", "/memes/{id}", b"", {}, 204, away=True),
    Write("POST", "/memes/{id}/delete", b"", FIELDS, 303),
    Write("POST", "/api/memes", parts(SMALL, **OTHER), FORM, 201, undecoded=True),
)


@dataclass(frozen=True)
class State:
    """What is there after a sweep."""

    rows: list[dict[str, Any]]
    outbox: list[Any]
    objects: Mapping[str, bytes]

    def is_even(self) -> bool:
        """Tell whether every meme has its picture, and every picture its meme."""
        return sorted(row["image_name"] for row in self.rows) == sorted(self.objects)

    def validate(self, meme_id: str, write: Write, status: int) -> None:
        """Hold it to what is promised: nothing half there, nothing left over, nothing lost that was acknowledged."""
        assert self.is_even(), (self.rows, sorted(self.objects))
        for row in self.rows:
            assert {"title": row["title"], "description": row["description"]} in (TEXTS, OTHER)
            assert self.objects[row["image_name"]] in (FIRST, LARGE, SMALL)
        assert self.outbox == []
        assert len(self.rows) <= 2
        if status == write.status:
            self._validate_done(meme_id, write)
        elif "delete" not in write.path and write.method != "DELETE":
            assert meme_id in {row["id"] for row in self.rows}

    def _validate_done(self, meme_id: str, write: Write) -> None:
        """Hold it to what was acknowledged."""
        own = next((row for row in self.rows if row["id"] == meme_id), None)
        if "delete" in write.path or write.method == "DELETE":
            assert own is None
        elif "image" in write.path:
            assert own is not None
            assert self.objects[own["image_name"]] == LARGE
        elif "{id}" in write.path:
            assert own is not None
            assert own["title"] == OTHER["title"]
        else:
            assert len(self.rows) == 2


class Stage:
    """Both services; `victim` is the one that is killed, the other runs from beginning to end."""

    def __init__(self, victim: str, url: str, store: Mapping[str, str], folder: Path) -> None:
        self.victim = victim
        self.ports = {name: free_port() for name in SOURCES}
        self.folder = folder
        given = {
            "DATABASE_URL": url,
            "MEDIA_URL": f"http://{LOOPBACK}:{self.ports['media']}",
            "GATEWAY_MEMES_URL": f"http://{LOOPBACK}:{self.ports['memes']}",
            "MEMES": "0",
            **{name.upper(): said for name, said in store.items()},
        }
        found = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        self.environment = clean() | given | {"PYTHONPATH": found}
        self.settings = Settings.model_validate({name.lower(): said for name, said in given.items()})
        self.objects = objects_of(self.settings)
        self._other: subprocess.Popen[bytes] | None = None
        self._exits = contextlib.AsyncExitStack()

    @asynccontextmanager
    async def serving(self, name: str, *words: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """Run a service; with words it is one that does to itself what they say."""
        killed = [sys.executable, "-m", "tests.live.killing.killed", name, *words]
        process = self._began(killed if words else run(name))
        try:
            listens = partial(ask, self.ports[name], "/health")
            # Some places are reached while it starts, and that it is asked how it fares may be enough.
            begun = lambda: process.poll() is not None or listens().status in {200, 503}  # noqa: E731
            await asyncio.to_thread(until, begun, str, START_SECONDS)
            yield process
        finally:
            process.kill()
            await asyncio.to_thread(process.wait, 120)

    def _began(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*parental(), *command], env=self.environment, cwd=self.folder, stdout=log, stderr=log
            )

    def places(self) -> list[Place]:
        """Return where the victim waits, but for the store that there is not."""
        absent = "Local" if self.settings.media_store == "s3" else "S3"
        return [place for place in SOURCES[self.victim].places() if place.owner != absent]

    async def bring(self, write: Write | None = None) -> None:
        """See that the service that is not killed runs, unless it is media and the write is one without it."""
        wanted = write is None or not write.away
        if wanted and self._other is None:
            (name,) = set(SOURCES) - {self.victim}
            self._other = await self._exits.enter_async_context(self.serving(name))
        elif not wanted:
            await self.aclose()

    async def aclose(self) -> None:
        """End the service that is not killed."""
        self._other = None
        await self._exits.aclose()

    async def killed(self, write: Write, meme_id: str, place: Place, mode: str) -> tuple[int, int | None]:
        """Send a write to services of which one dies at a place; return the status, and how that one ended."""
        await self.bring(write)
        async with self.serving(self.victim, place.file, str(place.line), mode) as process:
            self._hinder(write, process)
            status = await asyncio.to_thread(self.send, write, meme_id)
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Some places are reached after the answer.
                patience = 0.5 if status == write.status and mode == "during" else 120
                await asyncio.to_thread(process.wait, patience)
            return status, process.poll()

    async def reached(self) -> dict[Place, int]:
        """Return by which write each place is reached first."""
        found: dict[Place, int] = {}
        notes = self.folder / "notes"
        async with self.serving(self.victim, "note", str(notes)) as process:
            for number, write in enumerate(WRITES):
                if write.away and self.victim == "media":
                    continue
                meme_id = await self.reset()
                await self.bring(write)
                self._hinder(write, process)
                status = await asyncio.to_thread(self.send, write, meme_id)
                assert status == write.status, (write, status)
                await asyncio.to_thread(_rested, process.pid)
                been = set(await asyncio.to_thread(_lines, notes))
                found = {
                    place: number for place in self.places() if f"{place.file}:{place.line}" in been
                } | found
        return found

    def _hinder(self, write: Write, victim: "subprocess.Popen[bytes]") -> None:
        """Let the process that decodes take no job any more, and die of it soon: the job is given to another."""
        media = victim if self.victim == "media" else self._other
        if write.undecoded and media is not None:
            for child in psutil.Process(media.pid).children():
                child.suspend()
                threading.Timer(0.3, _kill, [child]).start()

    def send(self, write: Write, meme_id: str) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, self.ports["memes"], timeout=120)
        try:
            path = write.path.replace("{id}", meme_id)
            connection.request(write.method, path, body=write.body, headers=dict(write.headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    async def reset(self) -> str:
        """Begin with one meme; return its id."""
        for one in await self.objects.names("", 1_000):
            await self.objects.delete(one.name)
        image, meme_id = f"{uuid.uuid4()}.png", str(uuid.uuid4())
        await self.objects.put(image, memoryview(FIRST))

        def work(connection: Connection) -> None:
            empty(connection)
            row = {"id": meme_id, **TEXTS, "image_name": image, "created_at": NOW}
            connection.execute(meme.insert(), row)

        await self._in_database(work)
        return meme_id

    async def _in_database(self, work: Any) -> Any:
        database = open_database(self.settings.database_url, 1)
        try:
            return await database.write(work)
        finally:
            await database.close()

    async def state(self) -> State:
        """Return what is there after a sweep."""
        await self.bring()
        async with self.serving("media") if self.victim == "media" else contextlib.nullcontext():
            await swept(self.settings, 0)
        rows = await self._in_database(partial(records, statement=select(meme)))
        outbox = await self._in_database(partial(records, statement=select(media_cleanup)))
        return State(rows, outbox, {name: await self._octets(name) for name in await self._names()})

    async def _names(self) -> list[str]:
        return [one.name for one in await self.objects.names("", 1_000)]

    async def _octets(self, name: str) -> bytes:
        size = await self.objects.size(name)
        read = None if size is None else await self.objects.read(name, 0, size)
        return b"" if read is None else b"".join([piece async for piece in read])


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it goes with its service, if that was first
        process.kill()


def _rested(pid: int) -> None:
    """Wait until a process has done what it does after an answer, so that no later write is noted for it."""
    process, looks, before = psutil.Process(pid), 0, None
    while looks < 10:
        time.sleep(0.02)
        now = process.cpu_times()[:2]
        quiet = now == before and process.status() == psutil.STATUS_SLEEPING
        looks, before = looks + 1 if quiet else 0, now


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
