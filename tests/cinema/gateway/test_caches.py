"""What operators are told of a Redis that answers nonsense."""

from typing import Any

import orjson
import pytest

from stagedoor._cache.shared import Shared
from stagedoor._cache.tiered import Tiered
from stagedoor._call import Env
from stagedoor._face.stores import Stores
from stagedoor.testing import ManualClock
from stagedoor.testing.stores import FakeServer
from tests.cinema.gateway.services import House

INFO = b"keyspace_hits:3\r\nkeyspace_misses:1\r\nused_memory_human:1M\r\nconnected_clients:2\r\n"


class Odd(FakeServer):
    """A server of a shared store that also takes commands, and answers each with what a test says."""

    answers: dict[str, Any]

    async def command(self, *words: bytes | str | int) -> Any:
        return self.answers[str(words[0])]


async def told(clock: ManualClock, env: Env, **answers: Any) -> dict[str, Any]:
    """Return the cache statistics over such a server."""
    server = Odd(env.clock)
    server.answers = answers
    tiers = Tiered(Shared(server, env=env), env=env)
    house = House(clock)
    house.running.stores = stores = Stores(tiers, tiers.near, tiers, server, prefix="cinema")  # type: ignore[arg-type]
    await stores.start()
    try:
        said: dict[str, Any] = orjson.loads((await house.client.ask("/api/cache/stats")).body)
    finally:
        await stores.aclose()
    return said


async def test_a_server_in_use_tells_its_figures(clock: ManualClock, env: Env) -> None:
    """Contract 8."""
    said = await told(clock, env, INFO=INFO, SCAN=[b"0", [b"cinema:profile:1"]])

    assert said["status"] == "connected"
    assert (said["stats"]["cached_profiles"], said["stats"]["hit_rate"]) == (1, 75.0)


@pytest.mark.parametrize(
    "answers",
    [
        {"INFO": None},
        {"INFO": 7},
        {"INFO": [b"a"]},
        {"INFO": b"keyspace_hits:many"},
        {"INFO": b"connected_clients:inf", "SCAN": [b"0", []]},
        {"INFO": INFO, "SCAN": None},
        {"INFO": INFO, "SCAN": b"0"},
        {"INFO": INFO, "SCAN": [b"0"]},
        {"INFO": INFO, "SCAN": [b"0", 7]},
    ],
    ids=repr,
)
async def test_f1_figures_that_make_no_sense_are_said_to_be_that(
    clock: ManualClock, env: Env, answers: dict[str, Any]
) -> None:
    """F1: never a 500 of ours for what another process says."""
    said = await told(clock, env, **answers)

    assert said == {"cache_type": "redis", "status": "error", "error": "answers that make no sense"}
