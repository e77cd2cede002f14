"""The load beside the faults: an open loop over what the platform answers, each answer looked at."""

import asyncio
import json
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from tests.cinema.services.memes.forms import BOUNDARY, parts
from tests.live.load import Client, Shot
from tests.live.platform import Reply, ask

__all__ = ["Load"]

RATE = 30.0
PATIENCE = 12.0  # seconds: a picture may take ten
PROFILES = ("/api/profile/user123", "/api/profile/user456")
FALLBACKS: dict[str, Any] = {"orders": [], "products": {}}
STEADY = (
    "/api/v1/films?sort=-imdb_rating&page_size=20",
    "/api/v1/films/search?query=star",
    "/api/v1/films/search?query=war",
    "/movies/",
)
WALL = "/api/memes?limit=7"
ABSENT = "/api/files/"
OUTAGES = {502, 503, 504}
_FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: when it came, what was asked, and `how` it was: "" right, partial, failed, or what is wrong."""

    at: float
    path: str
    how: str


class Load:
    """Asks, and remembers how it was answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._client = Client(port, PATIENCE)
        self._right: dict[str, bytes] = {}
        self._seen: list[Seen] = []
        self._late: list[tuple[float, float]] = []
        self._going = True

    def stop(self) -> None:
        self._going = False

    async def learn(self) -> None:
        """Ask for everything in calm weather until it is whole: those are the right answers."""
        wall = await self._whole(WALL)
        pictures = [one["image_url"] for one in json.loads(wall.body)[:2]]
        for path in (*PROFILES, *STEADY, *pictures):
            self._right[path] = (await self._whole(path)).body

    async def _whole(self, path: str) -> Shot:
        until = time.monotonic() + 20.0
        while not (shot := await self._client.get(path)).whole or shot.body == b"[]":
            assert time.monotonic() < until, (path, shot.status, shot.body)
            await asyncio.sleep(0.1)
        return shot

    async def run(self) -> None:
        """Ask at a steady rate until stopped, whether or not earlier requests were answered."""
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        due = loop.time()
        for number, path in enumerate(self._paths()):
            if not self._going:
                break
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._late.append((time.time(), loop.time() - due))
            asked = [self._get(path)] if number % RATE else [self._get(path), self._upload(number)]
            for one in asked:
                tasks.add(task := asyncio.create_task(one))
                task.add_done_callback(tasks.discard)
            due += 1.0 / RATE
        await asyncio.gather(*tasks)
        self._client.close()

    def _paths(self) -> Iterator[str]:
        for path in cycle((*self._right, WALL, ABSENT)):  # what is kept says nothing of who has it
            yield f"{ABSENT}{uuid.uuid4()}.png" if path == ABSENT else path

    async def _get(self, path: str) -> None:
        shot = await self._client.get(path)
        self._seen.append(Seen(time.time(), path, self._how(shot)))

    async def _upload(self, number: int) -> None:
        body = parts(_drawn(number), title=f"meme {number}", description="uploaded under faults")
        reply = await asyncio.to_thread(ask, self._port, "/api/memes", "POST", _FORM, body, 40.0)
        self._seen.append(Seen(time.time(), "POST /api/memes", _how_written(reply)))

    def _how(self, shot: Shot) -> str:
        if shot.status in OUTAGES:
            return _how_refused(shot.status, shot.headers)
        absent = shot.path.startswith(ABSENT) and shot.path not in self._right
        if shot.status != (404 if absent else 200):
            return f"status {shot.status}" if shot.status else "no answer"
        return "" if absent else self._how_said(shot.path, shot.body)

    def _how_said(self, path: str, body: bytes) -> str:
        right = self._right.get(path, b"[]")
        if path in PROFILES:
            return self._how_partial(json.loads(body), json.loads(right))
        if path == "/movies/":  # and when they were fetched
            well = json.loads(body)["api_data"] == json.loads(right)["api_data"]
        else:
            well = isinstance(json.loads(body), list) if path == WALL else body == right
        return "" if well else "wrong body"

    @staticmethod
    def _how_partial(found: dict[str, Any], right: dict[str, Any]) -> str:
        wrong = [name for name, empty in FALLBACKS.items() if found[name] not in (right[name], empty)]
        wrong += [] if found["user"] == right["user"] else ["user"]
        whole = all(found[name] == right[name] for name in FALLBACKS)
        return f"wrong {wrong}" if wrong else "" if whole else "partial"

    def was_late(self, since: float) -> float:
        """Return by how many seconds the load itself was late at most: then the machine had no time."""
        return max((late for moment, late in self._late if moment > since), default=0.0)

    def first_failure(self, since: float) -> float | None:
        """Return when the first answer came that was not whole."""
        return min((one.at for one in self._seen if one.at > since and one.how), default=None)

    def broken(self, since: float) -> list[str]:
        """Return what no fault excuses."""
        counts = Counter(
            f"{one.how} of {one.path}"
            for one in self._seen
            if one.at > since and one.how not in ("", "partial", "failed")
        )
        return [f"{count} x {what}" for what, count in counts.items()]

    def partial(self, since: float) -> list[str]:
        """Return what is not whole yet, or again."""
        counts = Counter(
            f"{one.how} {one.path}"
            for one in self._seen
            if one.at > since and one.how in ("partial", "failed")
        )
        return [f"{count} x {what}" for what, count in counts.items()]


def _how_refused(status: int, headers: dict[str, str]) -> str:
    if headers.get("content-type") != "application/problem+json":
        return f"{status} is no problem"
    return "failed" if status != 503 or "retry-after" in headers else "503 without Retry-After"


def _how_written(reply: Reply) -> str:
    if reply.status in OUTAGES:
        return _how_refused(reply.status, dict(reply.headers))
    return "" if reply.status == 201 else f"status {reply.status}"


def _drawn(number: int) -> bytes:
    """Draw a small picture like no other, so that no store says that it has it already."""
    rows = b"".join(b"\0" + number.to_bytes(3, "big") * 8 for _ in range(8))
    header = (8).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )
