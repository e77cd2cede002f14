"""The whole platform in bad weather, under load: `python -m tests.deep.chaos --seconds 600`.

Two workers, three services, PostgreSQL and Redis, a proxy before each backend; 200 requests a second over profiles,
known and unknown, and the catalogue; answers are kept for a second, so that most moments ask somebody. One fault after
the other: SIGKILL, SIGSTOP, pauses, garbage, resets, black holes, and rolling restarts of the gateway's workers. Every
answer is looked at.

Bounds: no 500 and no status that the contract does not name, no wrong body, no request without an answer, Redis in use
again within 2 s of its return, and every count at rest in the end. A fault prints the seed that it came from.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import psutil

from tests import servers
from tests.chaos import CALM, ChaosProxy, Weather
from tests.deep.answering import answering
from tests.live.load import Client, Shot
from tests.live.platform import SERVICES, Platform, prepare, run
from tests.servers import LOOPBACK, Server, create_database

RATE = 200.0
REDIS_SECONDS = 2.0
OUTAGES = {502, 503, 504}
PROFILES = ("/api/profile/user123", "/api/profile/user456")
UNKNOWN = "/api/profile/nobody"
FALLBACKS: dict[str, Any] = {"orders": [], "products": {}}
CATALOGUE = (
    "/api/v1/films?sort=-imdb_rating&page_size=20",
    "/api/v1/films/search?query=star",
    "/api/v1/genres",
    "/v1/films?pagination=0&pagination=5&order=title",
    "/v1/persons?order=-name",
)


class Judge:
    """Knows the right answers, and counts the others."""

    def __init__(self) -> None:
        self.right: dict[str, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()

    def look(self, shot: Shot, weather: str) -> None:
        self.statuses[shot.status] += 1
        if fault := self._fault(shot):
            self.faults[f"{fault} ({shot.path}, {weather})"] += 1

    def _fault(self, shot: Shot) -> str:
        if shot.status == 0:
            return "no answer"
        if shot.status in OUTAGES:
            return "" if "retry-after" in shot.headers or shot.status != 503 else "503 without Retry-After"
        if shot.status != (404 if shot.path.startswith(UNKNOWN) else 200):
            return f"status {shot.status}"
        if shot.status == 404:
            return ""
        if shot.path in PROFILES:
            return self._fault_of_profile(json.loads(shot.body), json.loads(self.right[shot.path]))
        return "" if shot.body == self.right[shot.path] else "wrong body"

    def _fault_of_profile(self, found: dict[str, Any], right: dict[str, Any]) -> str:
        parts = [name for name, empty in FALLBACKS.items() if found[name] not in (right[name], empty)]
        if found["user"] != right["user"]:
            parts.append("user")
        return f"wrong {parts}" if parts else ""


class Chaos:
    """One run: the backends, what is done to them, and what they are called meanwhile."""

    def __init__(self, platform: Platform, redis: Server, database: Server, seed: int) -> None:
        self.platform = platform
        self.redis = redis
        self.database = database
        self.rng = random.Random(seed)
        self.judge = Judge()
        self.weather = "calm"
        self.proxies: dict[str, ChaosProxy] = {}
        self.garbage = 0
        self.slow_returns: list[float] = []
        self.returns = 0

    # --- faults: each ends what it began ---------------------------------------------------------------------

    async def kill_service(self) -> None:
        program = self.platform[self.rng.choice(SERVICES)]
        program.kill()
        await self._while()
        program.begin()

    async def stop_service(self) -> None:
        program = self.platform[self.rng.choice(SERVICES)]
        program.signal(signal.SIGSTOP)
        await self._while()
        program.signal(signal.SIGCONT)

    async def renew_service(self) -> None:
        """Restart one in order."""
        program = self.platform[self.rng.choice(SERVICES)]
        program.signal(signal.SIGTERM)
        await asyncio.to_thread(program.wait)
        program.begin()

    async def stop_database(self) -> None:
        self.database.pause()
        await self._while()
        self.database.resume()

    async def restart_database(self) -> None:
        await asyncio.to_thread(self.rng.choice((self.database.stop, self.database.kill)))
        self.database.begin()
        await asyncio.to_thread(self.database.until_up)

    async def stop_redis(self) -> None:
        self.redis.pause()
        await self._while()
        self.redis.resume()
        await self._redis_is_back()

    async def restart_redis(self) -> None:
        self.redis.kill()
        await self._while()
        self.redis.begin()
        await asyncio.to_thread(self.redis.until_up)
        await self._redis_is_back()

    async def reset(self) -> None:
        await self._proxy().reset()

    async def cut_off(self) -> None:
        proxy = self._proxy()
        await proxy.down()
        await self._while()
        await proxy.up()

    async def bad_weather(self) -> None:
        proxy = self._proxy()
        kinds = (
            Weather(black_hole=True),
            Weather(latency=0.15, jitter=0.1),
            Weather(slicer=3, slicer_pause=0.001),
            Weather(cut_after=self.rng.randrange(1, 2_000), reset=True),
        )
        proxy.answers = self.rng.choice(kinds)
        await self._while()
        proxy.answers = CALM
        await proxy.reset()

    async def talk_nonsense(self) -> None:
        proxy = self._proxy()
        target, proxy.target = proxy.target, self.garbage
        await proxy.reset()
        await self._while()
        proxy.target = target
        await proxy.reset()

    async def renew_workers(self) -> None:
        self.platform["gateway"].signal(signal.SIGHUP)
        await asyncio.sleep(3.0)

    async def stop_worker(self) -> None:
        self.rng.choice(self._workers()).terminate()
        await asyncio.sleep(2.0)

    def _workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.platform["gateway"].pid).children()
        return [
            one for one in children if one.status() != "zombie" and "spawn_main" in " ".join(one.cmdline())
        ]

    def _proxy(self) -> ChaosProxy:
        name = self.rng.choice(list(self.proxies))
        self.weather += f" of {name}"
        return self.proxies[name]

    async def _while(self) -> None:
        await asyncio.sleep(self.rng.uniform(0.1, 2.0))

    async def _redis_is_back(self) -> None:
        """Note how long it takes until every worker uses it again."""
        began = time.monotonic()
        while not all([await self._uses_redis() for _ in range(8)]):
            if time.monotonic() - began > 10.0:
                break
            await asyncio.sleep(0.05)
        self.returns += 1
        if (took := time.monotonic() - began) > REDIS_SECONDS:
            self.slow_returns.append(took)

    async def _uses_redis(self) -> bool:
        shot = await self._once("/health")
        return shot.status == 200 and json.loads(shot.body)["cache"]["type"] == "redis"

    async def _once(self, path: str) -> Shot:
        client = Client(self.platform.port)
        shot = await client.get(path)
        client.close()
        return shot

    # --- the run ---------------------------------------------------------------------------------------------

    async def learn(self) -> None:
        """Ask for everything in calm weather until it is whole: those are the right answers."""
        for path in (*PROFILES, *CATALOGUE):
            until = time.monotonic() + 20.0
            while not (shot := await self._once(path)).whole:
                assert time.monotonic() < until, (path, shot.status, shot.body)
                await asyncio.sleep(0.05)
            self.judge.right[path] = shot.body

    async def load(self, client: Client, until: float) -> None:
        """Ask at a steady rate, whether or not earlier requests were answered."""
        loop, paths = asyncio.get_running_loop(), (*PROFILES * 3, *CATALOGUE)
        tasks: set[asyncio.Task[None]] = set()
        due = loop.time()
        while due < until:
            await asyncio.sleep(max(0.0, due - loop.time()))
            path = self.rng.choice((*paths, f"{UNKNOWN}{self.rng.randrange(10**6)}"))
            tasks.add(task := asyncio.create_task(self._ask(client, path)))
            task.add_done_callback(tasks.discard)
            due += 1.0 / RATE
        await asyncio.gather(*tasks)

    async def _ask(self, client: Client, path: str) -> None:
        weather = self.weather
        self.judge.look(await client.get(path), weather)

    async def storm(self, until: float) -> None:
        faults: list[Callable[[], Awaitable[None]]] = [
            self.kill_service,
            self.stop_service,
            self.renew_service,
            self.stop_database,
            self.restart_database,
            self.stop_redis,
            self.restart_redis,
            self.reset,
            self.cut_off,
            self.bad_weather,
            self.talk_nonsense,
            self.renew_workers,
            self.stop_worker,
        ]
        waiting: list[Callable[[], Awaitable[None]]] = []
        while asyncio.get_running_loop().time() < until:
            if not waiting:  # each once, in another order each time
                waiting = self.rng.sample(faults, len(faults))
            fault = waiting.pop()
            self.weather = fault.__name__
            await fault()
            self._raise_the_dead()
            await asyncio.sleep(self.rng.uniform(0.1, 0.8))

    def _raise_the_dead(self) -> None:
        """Start a service again that has crashed, as `cinema up` does (garbage ends asyncpg's parser)."""
        for name in SERVICES:
            if self.platform[name].code is not None:
                self.judge.statuses[-1] += 1
                self.platform[name].begin()

    async def rest(self) -> list[str]:
        """Return what is not at rest ten seconds after the last fault."""
        held: dict[str, int] = {}
        for _ in range(40):
            answers = [await self._once("/api/system/info") for _ in range(8)]
            held = {
                name: count
                for shot in answers
                if shot.status == 200
                for name, count in json.loads(shot.body)["runtime"].items()
                if count
            }
            if not held and all(shot.status == 200 for shot in answers):
                return []
            await asyncio.sleep(0.25)
        return [f"not at rest: {held}"]


async def ran(chaos: Chaos, seconds: float) -> list[str]:
    """Put the proxies up, run, and return what is out of bounds."""
    platform, database = chaos.platform, chaos.platform.environment["DATABASE_URL"]
    async with AsyncExitStack() as stack:
        targets = {name: platform.ports[name] for name in SERVICES}
        targets |= {"redis": chaos.redis.port, "database": chaos.database.port}
        for name, port in targets.items():
            chaos.proxies[name] = await stack.enter_async_context(ChaosProxy(port))
        chaos.garbage = await stack.enter_async_context(
            answering(lambda: chaos.rng.randbytes(chaos.rng.randrange(1, 400)))
        )
        platform.environment["DATABASE_URL"] = database.replace(
            str(chaos.database.port), str(chaos.proxies["database"].port)
        )
        await asyncio.to_thread(lambda: [platform[name] for name in SERVICES])
        for name in SERVICES:
            platform[name].begin()
        platform.environment |= {
            f"GATEWAY_{name.upper()}_URL": f"http://{LOOPBACK}:{chaos.proxies[name].port}"
            for name in SERVICES
        } | {"REDIS_URL": f"redis://{LOOPBACK}:{chaos.proxies['redis'].port}/0", "GATEWAY_WORKERS": "2"}
        platform["gateway"].begin()
        await asyncio.to_thread(platform["gateway"].until_ready)
        await chaos.learn()
        client = Client(platform.port)
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(chaos.load(client, end), chaos.storm(end - 2.0))
        client.close()
        return [
            *(f"{count} x {fault}" for fault, count in chaos.judge.faults.most_common()),
            *(f"Redis in use again after {took:.1f} s" for took in chaos.slow_returns),
            *await chaos.rest(),
        ]


def main() -> int:
    """Run, print, and return 1 if anything is out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(servers.temporary(servers.valkey))
        database = stack.enter_context(servers.temporary(servers.postgres))
        url = create_database(database, "chaos")
        settings = {"SEARCH_DIR": f"{folder}/index", "SEARCH_ETL_STATE": f"{folder}/state.json"}
        prepare(url, folder, films=2_000)
        settings |= {
            "GATEWAY_PROFILE_TTL_S": "1",
            "GATEWAY_CATALOGUE_TTL_S": "1",
            "GATEWAY_RATE_LIMIT": "1000000/60",
        }
        platform = stack.enter_context(Platform(folder, url, **settings))
        subprocess.run([*run("etl")], cwd=folder, env=platform.environment, check=True, capture_output=True)
        chaos = Chaos(platform, redis, database, given.seed)
        beyond = asyncio.run(ran(chaos, given.seconds))
    print(
        f"seed {given.seed}: {dict(chaos.judge.statuses)} (-1: services that crashed); Redis came back {chaos.returns}x"
    )
    print("\n".join(["out of bounds:", *beyond]) if beyond else "within bounds")
    return bool(beyond)


if __name__ == "__main__":
    sys.exit(main())
