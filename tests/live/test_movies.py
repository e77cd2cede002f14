"""The films of a third party over real sockets: the stand-in, and a film API that misbehaves on the wire."""

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from cinema.gateway.app import build
from cinema.services.ghibli.facts import read_facts
from cinema.settings import Settings
from stagedoor._requests import HttpResponse
from stagedoor.testing import Client
from tests.live.platform import PATIENT, Platform, ask
from tests.servers import Server

pytestmark = pytest.mark.xdist_group("movies")

CASTLE = "2baf70d1-42bb-4437-b551-e5fed5a87abe"
FACTS = read_facts("https://ghibli.example")


def test_the_stand_in_stands_in(tmp_path: Path) -> None:
    """Contract 7: a real HTTP upstream with the public flaws; the facade is right all the same, and outlives it."""
    with Platform(tmp_path, **PATIENT) as platform:
        platform.start("ghibli", "gateway")
        movies = ask(platform.port, "/movies/")
        platform["ghibli"].kill()
        castle = ask(platform.port, f"/movies/{CASTLE}/")

    assert (movies.status, castle.status) == (200, 200)
    assert movies.headers["x-total-count"] == "22"
    assert len(castle.json()["api_data"]["people"]) == 14
    assert castle.json()["timestamp"] == movies.json()["timestamp"]


def facts(kind: str) -> bytes:
    return json.dumps(FACTS[kind]).encode()


def answer(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def zipped(body: bytes) -> bytes:
    return answer(gzip.compress(body, 9), "content-encoding: gzip")


BOMB = gzip.compress(b"[" + b" " * 40_000_000 + b"]", 9)
SAYS: dict[str, tuple[Callable[[str], bytes], int]] = {
    "gzip": (lambda kind: zipped(facts(kind)), 200),
    "deflate": (lambda kind: answer(zlib.compress(facts(kind)), "content-encoding: deflate"), 200),
    "half a gzip": (lambda kind: answer(gzip.compress(facts(kind))[:-9], "content-encoding: gzip"), 502),
    "a bomb": (lambda _: answer(BOMB, "content-encoding: gzip"), 502),
    "too much": (lambda _: answer(b"[" + b" " * 17_000_000 + b"]"), 502),
    "another type": (lambda _: answer(b"<p>").replace(b"application/json", b"text/html"), 502),
    "half an answer": (lambda kind: answer(facts(kind))[:-9], 502),
    "no JSON": (lambda kind: answer(facts(kind)[:-1]), 502),
    "a redirect": (lambda _: answer(b"", "location: https://elsewhere.example/", status="301 Moved"), 502),
    "304 unasked": (lambda _: b"HTTP/1.1 304 Not Modified\r\n\r\n", 502),
    "a part unasked": (
        lambda kind: answer(facts(kind), "content-range: bytes 0-9/*", status="206 Part"),
        502,
    ),
    "no answer": (lambda _: b"", 503),
    "an impossible status": (lambda _: answer(b"[]", status="999 What"), 502),
}


@asynccontextmanager
async def film_api(say: Callable[[str], bytes | None]) -> AsyncIterator[str]:
    """Serve what is said of a kind, and close; None: never answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            said = say(head.split(b"/")[1].decode())
            if said is None:
                await reader.read()
            writer.write(said or b"")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def asked(base: str, patience: int = 30_000) -> HttpResponse:
    app = build(Settings(ghibli_base_url=base, ghibli_timeout_ms=patience, log_level="ERROR"))
    async with app.build() as running:
        return await Client(running.web).ask("/movies/")


@pytest.mark.parametrize("what", SAYS)
async def test_what_the_film_api_sends_is_right_or_refused(what: str) -> None:
    """Contract 1.4 and T18: never 500, never films without people."""
    say, status = SAYS[what]
    async with film_api(say) as base:
        got = await asked(base)

    assert got.status == status
    if status == 200:
        assert len(json.loads(got.body)["api_data"]) == 22


async def test_a_film_api_that_hangs_is_given_up_in_time() -> None:
    """Contract 17: GHIBLI_TIMEOUT_MS bounds the whole fetch, whichever list hangs."""
    async with film_api(lambda kind: None if kind == "people" else answer(facts(kind))) as base:
        began = asyncio.get_running_loop().time()
        got = await asked(base, 400)
        took = asyncio.get_running_loop().time() - began

    assert got.status == 504
    assert took < 20.0


def test_two_gateways_over_redis_show_one_snapshot(tmp_path: Path, valkey: Server) -> None:
    """Contract 7: one timestamp while it is young, renewed behind the answers, never older than its life, no gap."""
    life = 3.0
    settings: dict[str, str | float] = {
        "REDIS_URL": valkey.url,
        "GHIBLI_TTL_S": 3,
        "REDIS_TIMEOUT_MS": 2000,
        "GATEWAY_RATE_LIMIT": "0",
    }
    one, two = (Platform(tmp_path / name, **settings, **PATIENT) for name in ("one", "two"))
    for each in (one, two):
        each.folder.mkdir()
        each.environment["GHIBLI_BASE_URL"] = f"http://127.0.0.1:{one.ports['ghibli']}"
    with one, two, ThreadPoolExecutor(8) as readers:
        one.start("ghibli", "gateway")
        two.start("gateway")
        ports = [one.port, two.port] * 4
        seen = [
            found for batch in readers.map(lambda port: reads(port, 2.1 * life), ports) for found in batch
        ]
    moments = sorted({moment for _, moment in seen})

    assert 2 <= len(moments) <= 4
    assert all(later - moment >= life * 50 / 60 - 0.1 for moment, later in pairwise(moments))
    assert all(when - moment <= life + 0.1 for when, moment in seen)


def reads(port: int, seconds: float) -> list[tuple[float, float]]:
    """Read for so long; return when each read began, and the moment that its answer names."""
    end, seen = time.time() + seconds, list[tuple[float, float]]()
    while (began := time.time()) < end:
        reply = ask(port, "/movies/")
        assert reply.status == 200, reply.body
        seen.append((began, datetime.fromisoformat(reply.json()["timestamp"]).timestamp()))
    return seen
