"""What operators are told of a Redis that answers nonsense."""

from typing import Any

import pytest

from cinema.gateway.caches import Caches, caches_of
from cinema.settings import Settings
from stagedoor.cache.shared import Shared
from stagedoor.cache.tiered import Tiered
from stagedoor.call import Env
from stagedoor.testing.stores import FakeServer

INFO = b"keyspace_hits:3\r\nkeyspace_misses:1\r\nused_memory_human:1M\r\nconnected_clients:2\r\n"


class Odd(FakeServer):
    """A server of a shared store that also takes commands, and answers each with what a test says."""

    answers: dict[str, Any]

    async def command(self, *words: bytes | str | int) -> Any:
        return self.answers[str(words[0])]


async def told(env: Env, **answers: Any) -> dict[str, Any]:
    """Return the cache statistics over such a server."""
    made = caches_of(Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0"), env)
    server = Odd(env.clock)
    server.answers = answers
    assert made.redis is not None
    tiers = Tiered(Shared(server, env=env), env=env)
    redis = type(made.redis)(server, tiers, made.redis.pattern)  # type: ignore[arg-type]
    caches = Caches(tiers, tiers.near, redis)
    await caches.start()
    try:
        return await caches.stats()
    finally:
        await caches.aclose()


async def test_a_server_in_use_tells_its_figures(env: Env) -> None:
    """Contract 8."""
    said = await told(env, INFO=INFO, SCAN=[b"0", [b"cinema:profile:1"]])

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
async def test_f1_figures_that_make_no_sense_are_said_to_be_that(env: Env, answers: dict[str, Any]) -> None:
    """F1: never a 500 of ours for what another process says."""
    said = await told(env, **answers)

    assert said == {"cache_type": "redis", "status": "error", "error": "answers that make no sense"}
