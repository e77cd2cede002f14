"""SIGKILL in the middle of a mixed load: `python -m tests.deep.kills --kills 50`.

Memes, media, PostgreSQL and an S3 server behind a gateway; some people add, change and delete memes and pictures, each
his own. At random moments one of the four dies and is started again. With `--embedded` it is SQLite and a directory.

Afterwards, and after `cinema sweep --older-than 0`: every meme has its picture, every object its meme, the outbox is
empty, every acknowledged write is there, each that was not acknowledged is there whole or not at all, and who sent one
again under its `Idempotency-Key` has one meme. A gateway that nobody killed owes every request an answer, and no 500.
"""

import argparse
import asyncio
import contextlib
import hashlib
import io
import math
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image
from sqlalchemy import select

from cinema.database import open_database
from cinema.database.records import records
from cinema.database.tables import media_cleanup
from cinema.services.media.store import objects_of
from cinema.settings import Settings
from tests import servers
from tests.cinema.services.media.conftest import of_s3
from tests.cinema.services.memes.forms import BOUNDARY, parts
from tests.live.platform import PATIENT, Platform, Reply, ask, prepare, run
from tests.servers import Server, Unavailable

PEOPLE = 6
AWAY = {409, 502, 503, 504}
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
State = tuple[str, str] | None  # title, and the digest of the picture; None: there is no such meme
TRIES = 3
PATIENCE = 90.0  # seconds until a request has no answer; an upload may take 30
LONGEST = 60.0  # seconds after the last kill until a write that is sent again is there


def drawn(number: int) -> bytes:
    """Draw a picture like no other, of some 300 KB."""
    file = io.BytesIO()
    noise = random.Random(number).randbytes(320 * 320 * 3)
    Image.frombytes("RGB", (320, 320), noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


PICTURES = {hashlib.sha256(file).hexdigest(): file for file in map(drawn, range(5))}


@dataclass(slots=True)
class Owned:
    """A meme that somebody has, and what may be known of it: several states after a write nobody acknowledged."""

    meme_id: str
    states: set[State]


@dataclass
class Person:
    """Writes one after the other, and remembers what was acknowledged."""

    port: int
    number: int
    stop: threading.Event
    rng: random.Random
    owned: list[Owned] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _count: int = 0

    def work(self) -> None:
        """Write until it is over."""
        while not self.stop.is_set():
            known = [one for one in self.owned if len(one.states) == 1 and None not in one.states]
            if len(known) < 3:
                self._add()
                continue
            write: Callable[[Owned], None] = self.rng.choice(
                (self._rewrite, self._repaint, self._delete, self._read)
            )
            write(self.rng.choice(known))

    def _asked(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
        fields = {name.replace("_", "-"): said for name, said in headers.items()}
        reply = ask(self.port, path, method, fields, body, PATIENCE)
        self.statuses[reply.status] += 1
        if reply.status not in AWAY | {200, 201, 204}:
            self.faults.append(f"{method} {path}: {reply.status} {reply.body[:200]!r}")
        return reply

    def _title(self) -> str:
        self._count += 1
        return f"of {self.number}, {self._count}"

    def _add(self) -> None:
        """Add one, and send it again under its key until somebody says that it is there."""
        title, digest = self._title(), self.rng.choice([*PICTURES])
        body, key = parts(PICTURES[digest], title=title, description="added"), uuid.uuid4().hex
        end = math.inf  # as long as things die there may be no moment at which all of them live
        while time.monotonic() < end:
            if self.stop.is_set() and end == math.inf:
                end = time.monotonic() + LONGEST
            reply = self._asked("/api/memes", "POST", body, idempotency_key=key, **FORM)
            if reply.status == 201:
                self.owned.append(Owned(str(reply.json()["id"]), {(title, digest)}))
                return
            time.sleep(0.3)
        self.faults.append(f"{title}: not added {LONGEST:g} s after the last kill")

    def _rewrite(self, one: Owned) -> None:
        ((old, digest),) = [state for state in one.states if state]
        title = self._title()
        body = f'{{"title": "{title}", "description": "rewritten"}}'.encode()
        reply = self._asked(f"/api/memes/{one.meme_id}", "PUT", body, content_type="application/json")
        one.states = {(title, digest)} if reply.status == 200 else {(old, digest), (title, digest)}

    def _repaint(self, one: Owned) -> None:
        ((title, old),) = [state for state in one.states if state]
        digest = self.rng.choice([*PICTURES])
        body = parts(PICTURES[digest])
        reply = self._asked(f"/api/memes/{one.meme_id}/image", "PATCH", body, **FORM)
        one.states = {(title, digest)} if reply.status == 200 else {(title, old), (title, digest)}

    def _delete(self, one: Owned) -> None:
        reply = self._asked(f"/api/memes/{one.meme_id}", "DELETE")
        one.states = {None} if reply.status == 204 else one.states | {None}

    def _read(self, one: Owned) -> None:
        ((title, _),) = [state for state in one.states if state]
        reply = self._asked(f"/api/memes/{one.meme_id}")
        if reply.status == 200 and reply.json()["title"] != title:
            self.faults.append(f"{title}: reads {reply.json()['title']}")


@dataclass(frozen=True)
class Ground:
    """What runs: the platform, and the servers behind it by name."""

    platform: Platform
    servers: dict[str, Server]

    def kill(self, name: str, pause: float) -> None:
        """Kill one, and start it again after a moment."""
        if name in self.servers:
            server = self.servers[name]
            server.kill()
            time.sleep(pause)
            revive(server)
        else:
            program = self.platform[name]
            program.kill()
            time.sleep(pause)
            program.start()

    @property
    def settings(self) -> Settings:
        known = {name.lower(): said for name, said in self.platform.environment.items()}
        return Settings.model_validate(
            {name: known[name] for name in Settings.model_fields if known.get(name)}
        )


def revive(server: Server) -> None:
    """Start a server; on a busy machine one that has to recover may need more than its time."""
    for _ in range(TRIES):
        with contextlib.suppress(Unavailable):
            server.start()
            return
    server.start()


def shown(port: int) -> dict[str, tuple[str, str, str]]:
    """Return what there is: title, name and digest of the picture, by id."""
    found, path = {}, "/api/memes?limit=50"
    while path:
        reply = ask(port, path)
        for row in reply.json():
            picture = ask(port, row["image_url"])
            digest = (
                hashlib.sha256(picture.body).hexdigest() if picture.status == 200 else str(picture.status)
            )
            found[row["id"]] = (row["title"], row["image_url"].rpartition("/")[2], digest)
        links = [one for one in reply.headers.get("link", "").split(", ") if 'rel="next"' in one]
        path = links[0].partition(">")[0].removeprefix("<") if links else ""
    return found


async def behind(settings: Settings) -> tuple[set[str], int]:
    """Return the names that lie in the store, and how many are in the outbox."""
    names: set[str] = set()
    objects, after = objects_of(settings), ""
    while rows := await objects.names(after, 500):
        names |= {row.name for row in rows}
        after = rows[-1].name
    database = open_database(settings.database_url, 1)
    outbox = await database.read(partial(records, statement=select(media_cleanup)))
    await database.close()
    return names, len(outbox)


def judged(ground: Ground, people: Sequence[Person]) -> list[str]:
    """Sweep, and return what is wrong afterwards."""
    faults = [fault for person in people for fault in person.faults]
    command = [*run("sweep"), "--older-than", "0"]
    environment, folder = ground.platform.environment, ground.platform.folder
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        faults.append(f"the sweep: {done.stdout}{done.stderr}")
    found = shown(ground.platform.port)
    names, waiting = asyncio.run(behind(ground.settings))
    used = {name for _, name, _ in found.values()}
    faults += [f"{name}: a picture without a meme" for name in names - used]
    faults += [f"{name}: a meme without a picture" for name in used - names]
    faults += [f"{waiting} are in the outbox"] if waiting else []
    for one in (one for person in people for one in person.owned):
        title, _, digest = found.pop(one.meme_id, (None, None, None))
        state = None if title is None or digest is None else (title, digest)
        if state not in one.states:
            faults.append(f"{one.meme_id}: is {state}, not one of {one.states}")
    return faults + [f"{title}: is there, and nobody was told" for title, _, _ in found.values()]


def load(ground: Ground, kills: int, seed: int) -> list[Person]:
    """Let people write while things die; return who they were."""
    rng, stop = random.Random(seed), threading.Event()
    people = [
        Person(ground.platform.port, number, stop, random.Random(rng.random())) for number in range(PEOPLE)
    ]
    threads = [threading.Thread(target=person.work, daemon=True) for person in people]
    for thread in threads:
        thread.start()
    victims: Counter[str] = Counter()
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, 0.8))
            victim = rng.choice(["memes", "media", *ground.servers])
            victims[victim] += 1
            ground.kill(victim, rng.uniform(0.0, 0.3))
        time.sleep(2.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"killed {dict(victims)}")
    return people


def main(options: Sequence[str]) -> int:
    """Run it; the exit code tells whether everything was whole afterwards."""
    parser = argparse.ArgumentParser(prog="python -m tests.deep.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--embedded", action="store_true")
    asked = parser.parse_args(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        given: dict[str, str | float] = {
            "MEDIA_TOKEN": "shared",
            "GATEWAY_RATE_LIMIT": "0",
            "MEDIA_DIR": str(folder / "media"),
            "MEMES": "0",
            **PATIENT,
        }
        behind_it: dict[str, Server] = {}
        url = f"sqlite+aiosqlite:///{folder}/cinema.db"
        if not asked.embedded:
            recipes = {"database": servers.postgres, "store": servers.s3}
            behind_it = {name: stack.enter_context(servers.temporary(find)) for name, find in recipes.items()}
            url = behind_it["database"].url
            given |= {name.upper(): said for name, said in of_s3(behind_it["store"].url).items()}
        prepare(url, folder)
        platform = stack.enter_context(Platform(folder, url, **given))
        platform.start("media", "memes", "gateway")
        ground = Ground(platform, behind_it)
        people = load(ground, asked.kills, asked.seed)
        faults = judged(ground, people)
        statuses = sum((person.statuses for person in people), Counter[int]())
    print(
        f"seed {asked.seed}: {len(PICTURES)} pictures, {sum(len(one.owned) for one in people)} memes, ",
        end="",
    )
    print(f"answers {dict(sorted(statuses.items()))}")
    print("\n".join(faults) or "nothing is wrong")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
