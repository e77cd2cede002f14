"""SIGKILL at every await of a write, in memes and in media: afterwards everything is whole (issue 13).

On SQLite with a directory, and on PostgreSQL with S3. `make deep` kills at each await, before and during; CI at ten
drawn at random, on both kinds; `make test` at three. What is killed where is not written down anywhere: a run of all
writes notes where it has been, and an await where no write has been fails the test, so that a new one needs a write
that comes by.
"""

import asyncio
import os
import random
import signal
import uuid
from pathlib import Path

import pytest

from cinema.database import open_database
from cinema.database.migrate import migrate
from tests import servers
from tests.cinema.services.media.conftest import of_s3
from tests.kinds import kinds
from tests.live.killing.awaits import SOURCES
from tests.live.killing.stage import WRITES, Stage
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400)]

DRAWN = {"memes": kinds(2, 7)[-1], "media": kinds(1, 3)[-1]}


@pytest.fixture(params=kinds("sqlite and a directory", "postgres and s3"))
def grounds(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """Give the address of an empty database, and the settings of a store."""
    address, store = f"sqlite+aiosqlite:///{tmp_path / 'cinema.db'}", {"media_dir": str(tmp_path / "media")}
    if "postgres" in request.param:
        server: Server = request.getfixturevalue("postgres")
        address = servers.create_database(server, f"killed_{uuid.uuid4().hex}")
        store = of_s3(request.getfixturevalue("s3").url)

    async def preparing() -> None:
        database = open_database(address, 1)
        await database.write(migrate)
        await database.close()

    asyncio.run(preparing())
    return address, store


@pytest.mark.parametrize("victim", SOURCES)
async def test_no_kill_at_any_await_of_a_write_leaves_anything_half_there(
    victim: str, grounds: tuple[str, dict[str, str]], tmp_path: Path, deep: bool
) -> None:
    """Issue 13: with a real SIGKILL, before and during each; then `cinema sweep --older-than 0`."""
    stage = Stage(victim, *grounds, tmp_path)
    try:
        await kill_all(stage, deep=deep)
    finally:
        await stage.aclose()


async def kill_all(stage: Stage, *, deep: bool) -> None:
    """Kill at each place, or at some, and look at what is there afterwards."""
    places = stage.places()
    reached = await stage.reached()
    assert [str(place) for place in places if place not in reached] == []

    kills = [(place, mode) for place in places for mode in ("before", "during")]
    if not deep:
        kills = random.Random(os.urandom(8)).sample(kills, DRAWN[stage.victim])
    for place, mode in kills:
        write = WRITES[reached[place]]
        meme_id = await stage.reset()
        status, code = await stage.killed(write, meme_id, place, mode)
        state = await stage.state()
        # What memes had sent before it died, media may still be storing: that is for the next sweep.
        for _ in range(20):
            if state.is_even():
                break
            await asyncio.sleep(0.25)
            state = await stage.state()

        told = (str(place), mode, write.method, write.path, status, code)
        print(*told)
        assert code == -signal.SIGKILL or (mode == "during" and status), told
        state.validate(meme_id, write, status)
