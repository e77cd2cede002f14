"""A hundred thousand mixed requests, and nobody gets another's answer: `python -m tests.deep.identities`.

Two gateways over one Redis, and a service that says who asks (`owners`). Sixty connections carry the requests of forty
people, up to three at once on one connection, as a proxy in front would; a tenth of the connections leave before they
are answered. Meanwhile Redis is killed and started, hangs, loses its connections, and is emptied.

Bounds: no answer of another person, room or request; none of 500 or 502; no request without an answer but of who left;
most of the rest are answered 200 or 304, some in part where the machine is busy; in the end no request is under way.
The seed is printed.
"""

import argparse
import asyncio
import hashlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
import jwt

from tests import servers
from tests.live.platform import ROOT, Program, ask, clean
from tests.servers import LOOPBACK, Server, free_port

CONNECTIONS = 60
PEOPLE = 40
ROOMS = 4
SECRET = "a secret that is long enough for HS256"
OUTAGES = {503, 504}
PATIENCE = 10.0  # seconds until a request counts as one without an answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and what its answer must hold: None where that is not JSON."""

    data: bytes
    request_id: str
    owner: str  # whose answer it is, and which: the same text for the same answer
    right: Any
    held: str = ""  # the entity tag that it says it has


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


class Judge:
    """Knows whose an answer must be, and counts."""

    def __init__(self) -> None:
        self.tags: dict[str, set[str]] = {}
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.asked = self.left = self.unanswered = self.parts = 0

    def look(self, asked: Asked, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if fault := self._fault(asked, answer):
            self.wrong.append(f"{fault}: {asked.owner}, {answer.status} {answer.body[:200]!r}")

    def _fault(self, asked: Asked, answer: Answer) -> str:
        if answer.headers.get(b"x-request-id", b"").decode() != asked.request_id:
            return "the answer to another request"
        if answer.status in OUTAGES:
            return ""
        tags = self.tags.setdefault(asked.owner, set())
        if answer.status == 304:
            return "" if asked.held in tags else "304 for what is somebody else's"
        if answer.status not in {200, 204}:
            return "status"
        if asked.right is not None and not self._is_right(json.loads(answer.body), asked.right):
            return "wrong body"
        tags.add(answer.headers.get(b"etag", b"").decode())
        return ""

    def _is_right(self, said: Any, right: Any) -> bool:
        """Tell whether an answer is the right one; a part that was late may be absent, and is never somebody else's."""
        if said.get("again", "") is None:
            self.parts += 1
            return bool({**said, "again": right["again"]} == right)
        return bool(said == right)


class People:
    """Who asks, and for what."""

    def __init__(self, rng: random.Random, judge: Judge) -> None:
        self._rng = rng
        self._tags = judge.tags
        self._count = 0
        soon = int(time.time()) + 36_000
        self.tokens = [
            jwt.encode({"sub": f"member{one}", "exp": soon}, SECRET, "HS256") for one in range(PEOPLE)
        ]
        self.keys = [f"key-{one}-{rng.getrandbits(128):x}" for one in range(PEOPLE)]

    def key_lines(self) -> str:
        return "".join(
            f"{hashlib.sha256(k.encode()).hexdigest()} owner{n}\n" for n, k in enumerate(self.keys)
        )

    def draw(self) -> Asked:
        kinds = (self._page, self._club, self._partner, self._open, self._pass)
        kind = self._empty if self._rng.random() < 0.02 else self._rng.choice(kinds)
        return kind(self._rng.randrange(PEOPLE), f"r{self._rng.randrange(ROOMS)}")

    def _asked(
        self, target: str, fields: str, owner: str, right: object, method: str = "GET", sid: str = ""
    ) -> Asked:
        self._count += 1
        mine, noise = f"{self._rng.getrandbits(64):x}", self._rng.getrandbits(32)
        cookie = f"_ga={noise}; sid={sid}" if sid else f"_ga={noise}"
        tags = self._tags.get(owner) if self._rng.random() < 0.7 else self._anybodys()
        held = self._rng.choice(sorted(tags)) if tags and self._rng.random() < 0.3 else ""
        fields += f"If-None-Match: {held}\r\n" if held else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: a\r\nX-Request-ID: {mine}\r\nCookie: {cookie}\r\n{fields}\r\n"
        return Asked(head.encode(), mine, owner, right, held)

    def _anybodys(self) -> set[str]:
        return self._tags[self._rng.choice(list(self._tags))] if self._tags else set()

    def _page(self, one: int, room: str) -> Asked:
        token, sid = f"Bearer {one % 8}", f"s{one % 5}"
        mine = {"token": token, "sid": f"sid={sid}", "path": f"/{room}"}
        right = {"mine": mine, "again": {**mine, "path": f"/again-{room}"}}
        fields = f"Authorization: {token}\r\n"
        return self._asked(f"/page/{room}", fields, f"page {room} {token} {sid}", right, sid=sid)

    def _club(self, one: int, room: str) -> Asked:
        right = {
            "seen": {"token": "-", "sid": "-", "path": f"/{room}/member{one}"},
            "owner": f"member{one}",
        }
        fields = f"Authorization: Bearer {self.tokens[one]}\r\n"
        return self._asked(f"/club/{room}", fields, f"club {room} {one}", right)

    def _partner(self, one: int, room: str) -> Asked:
        right = {"name": f"owner{one}", "room": room}
        return self._asked(
            f"/partner/{room}", f"X-API-Key: {self.keys[one]}\r\n", f"partner {room} {one}", right
        )

    def _open(self, one: int, room: str) -> Asked:
        right = {"token": "-", "sid": "-", "path": f"/{room}"}
        return self._asked(f"/open/{room}", f"Authorization: Bearer {one}\r\n", f"open {room}", right)

    def _pass(self, one: int, room: str) -> Asked:
        token, sid = f"Bearer p{one}", f"p{one}"
        right = {"token": token, "sid": f"sid={sid}", "path": f"/pass/{room}"}
        fields = f"Authorization: {token}\r\n"
        return self._asked(f"/pass/{room}", fields, f"pass {room} {one}", right, sid=sid)

    def _empty(self, _: int, room: str) -> Asked:
        return self._asked(f"/page/{room}", "", f"empty {room}", None, method="DELETE")


class Echo(asyncio.Protocol):
    """One connection of the service: it says who asks, a moment later."""

    rng = random.Random(5)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._said = {"token": "-", "sid": "-", "path": ""}

    def on_url(self, url: bytes) -> None:
        self._said["path"] += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._said["token"] = value.decode()
        elif name.lower() == b"cookie":
            self._said["sid"] = next(one for one in value.decode().split("; ") if one.startswith("sid"))

    def on_message_complete(self) -> None:
        body = json.dumps(self._said).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        wait = self.rng.random() * 0.008
        asyncio.get_running_loop().call_later(wait, self._transport.write, head.encode() + body)


class Line(asyncio.Protocol):
    """One connection to a gateway: several requests at once, answered in their order."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._came: asyncio.Queue[Answer | None] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._came.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._answer = Answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._answer.body += body

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self._came.put_nowait(self._answer)

    async def came(self) -> Answer | None:
        """Return the next answer; None where none comes."""
        try:
            return await asyncio.wait_for(self._came.get(), PATIENCE)
        except TimeoutError:
            return None


async def carry(ports: Sequence[int], people: People, judge: Judge, rng: random.Random, most: int) -> None:
    """Ask over one connection after the other, until enough was asked."""
    line: Line | None = None
    while judge.asked < most:
        if line is None:
            _, line = await asyncio.get_running_loop().create_connection(Line, LOOPBACK, rng.choice(ports))
        asked = [people.draw() for _ in range(rng.choice((1, 1, 2, 3)))]
        judge.asked += len(asked)
        line.transport.write(b"".join(one.data for one in asked))
        if rng.random() < 0.1:
            await asyncio.sleep(rng.random() * 0.01)
            line.transport.abort()
            judge.left += len(asked)
            line = None
            continue
        for number, one in enumerate(asked):
            answer = await line.came()
            if answer is None:
                judge.unanswered += len(asked) - number
                line.transport.abort()
                line = None
                break
            judge.look(one, answer)


async def storm(redis: Server, rng: random.Random) -> None:
    """Do Redis harm until somebody ends it."""
    try:
        while True:
            await asyncio.sleep(rng.uniform(0.2, 1.5))
            match rng.choice(("restart", "restart", "hang", "cut", "empty")):
                case "restart":
                    redis.kill()
                    await asyncio.sleep(rng.uniform(0.0, 0.5))
                    redis.begin()
                    await asyncio.to_thread(redis.until_up)
                case "hang":
                    redis.pause()
                    await asyncio.sleep(rng.uniform(0.01, 0.5))
                    redis.resume()
                case "cut":
                    servers.ask(redis.port, b"CLIENT KILL TYPE normal\r\n")
                case _:
                    servers.ask(redis.port, b"FLUSHALL\r\n")
    finally:
        redis.resume()


@asynccontextmanager
async def gateways(folder: Path, people: People, redis: Server) -> AsyncIterator[list[int]]:
    """Start the service and two gateways over one Redis."""
    echo = await asyncio.get_running_loop().create_server(Echo, LOOPBACK, 0, backlog=1_024)
    service = f"http://{LOOPBACK}:{echo.sockets[0].getsockname()[1]}"
    (folder / "keys").write_text(people.key_lines())
    said = {
        "OWNERS_WHO_URL": service,
        "OWNERS_PLAIN_URL": service,
        "OWNERS_REDIS_URL": redis.url,
        "OWNERS_MEMBERS_SECRET": SECRET,
        "OWNERS_PARTNERS_KEYS_FILE": str(folder / "keys"),
        "OWNERS_LOG_SAMPLE": "0",
        "PYTHONPATH": str(ROOT),
    }
    command, programs = [sys.executable, "-m", "stagedoor", "run", "tests.deep.owners:app"], []
    try:
        for number in range(2):
            port = free_port()
            program = Program(
                command, folder, clean() | said | {"OWNERS_PORT": str(port)}, port, "/health/ready"
            )
            program.log = folder / f"gateway{number}.log"
            program.begin()
            programs.append(program)
        for program in programs:
            await asyncio.to_thread(program.until_ready)
        async with echo:
            yield [program.port for program in programs]
    finally:
        for program in programs:
            program.signal(signal.SIGTERM)
        for program in programs:
            await asyncio.to_thread(program.wait)


def under_way(port: int) -> float:
    """Return the requests that a gateway says it works on."""
    lines = ask(port, "/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("http_active_requests"))


async def ran(folder: Path, redis: Server, most: int, seed: int) -> list[str]:
    """Ask, and return what is out of bounds."""
    rng, judge = random.Random(seed), Judge()
    people = People(rng, judge)
    async with gateways(folder, people, redis) as ports:
        storming = asyncio.create_task(storm(redis, rng))
        began = time.monotonic()
        await asyncio.gather(*(carry(ports, people, judge, rng, most) for _ in range(CONNECTIONS)))
        took = time.monotonic() - began
        storming.cancel()
        await asyncio.gather(storming, return_exceptions=True)
        await asyncio.sleep(2.0)
        left = [await asyncio.to_thread(under_way, port) for port in ports]
    answered = sum(judge.statuses.values())
    print(
        f"seed {seed}: {judge.asked} requests in {took:.0f} s, {judge.left} of who left, {dict(judge.statuses)}, "
        f"{judge.parts} in part, "
        f"{len(judge.wrong)} wrong"
    )
    good = answered - sum(judge.statuses[one] for one in OUTAGES)
    return [
        *judge.wrong[:20],
        *([f"{judge.unanswered} without an answer"] if judge.unanswered else []),
        *([f"only {good} of {answered} answered"] if good < 0.5 * answered else []),
        *([f"under way in the end: {left}"] if any(left) else []),
    ]


def main() -> int:
    """Run, print, and return 1 if anything is out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers.temporary(servers.valkey) as redis:
        beyond = asyncio.run(ran(Path(folder), redis, given.requests, given.seed))
    print("\n".join(["out of bounds:", *beyond]) if beyond else "within bounds")
    return bool(beyond)


if __name__ == "__main__":
    sys.exit(main())
