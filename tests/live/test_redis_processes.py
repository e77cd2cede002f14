"""Two real processes over one real server: what one purges, the other does not use."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from typing import Any

import pytest

from tests.servers import Server

pytestmark = pytest.mark.live

# A process that does what it is told, one line of JSON a command.
PROGRAM = """
import asyncio, json, random, sys
from stagedoor._cache.entry import Entry
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.shared import Shared
from stagedoor._cache.tags import tag
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._clock import SystemClock

async def main():
    env = Env(SystemClock(), random.random, lambda event: None)
    store = Tiered(Shared(RedisServer(sys.argv[1]), env=env, timeout=2.0), env=env)
    await store.start()
    looks = {}

    async def look(key):
        looks[key] = found = await store.get(key.encode(), 30.0)
        return [found.tier, found.held and found.held.entry.body.decode()]

    async def keep(key, body):
        entry = Entry(key.encode(), body.encode(), 30.0, "", (tag("films"),))
        stored = store.set(entry, looks[key].mark)
        await store.far.idle()
        return stored

    async def purge():
        return await store.purge([tag("films")])

    verbs = {"look": look, "keep": keep, "purge": purge}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        verb, *words = json.loads(line)
        print(json.dumps(await verbs[verb](*words)), flush=True)
    await store.aclose()

asyncio.run(main())
"""


class Worker:
    """One process and the line to it."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def do(self, *words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        return json.loads(await asyncio.wait_for(self.process.stdout.readline(), 60.0))

    async def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), 60.0)


async def worker(server: Server) -> Worker:
    return Worker(
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, server.url, stdin=PIPE, stdout=PIPE
        )
    )


async def test_g4_a_purge_in_one_process_reaches_the_other_within_a_second(valkey: Server) -> None:
    """G4: both tiers, and an answer computed before the purge is not stored after it, wherever it was computed."""
    one, two = await asyncio.gather(worker(valkey), worker(valkey))
    missed = await one.do("look", "k")
    kept = await one.do("keep", "k", "old")
    there = [await two.do("look", "k"), await two.do("look", "k")]
    await two.do("look", "late")
    told = await one.do("purge")
    began = time.monotonic()
    while (await two.do("look", "k"))[1] is not None:
        assert time.monotonic() - began < 20.0
        await asyncio.sleep(0.02)
    await two.do("keep", "late", "old")

    assert (missed, kept, told) == (["redis", None], True, True)
    assert there == [["redis", "old"], ["memory", "old"]]
    assert (await one.do("look", "k"))[1] is None
    assert (await one.do("look", "late"))[1] is None
    assert (await two.do("look", "late"))[1] is None
    assert [await one.end(), await two.end()] == [0, 0]
