"""A shared store that is spoiled: keys of ours that others have written, and a server that answers nonsense."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from stagedoor._cache.redis import RedisServer
from stagedoor._cache.redis_limit_counter import RedisLimitCounter
from stagedoor._cache.server import StoreDown
from stagedoor._cache.tags import tag
from stagedoor._clock import SystemClock
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Quota
from tests.kinds import kinds
from tests.live.redis_process import Process, serving, until
from tests.servers import Server

Words = tuple[str | bytes | int, ...]
# Every type, and the numbers that a score or a count can be and ours never are.
SPOILT: dict[str, list[Words]] = {
    "string": [("SET", "KEY", b"\xff\x00 x")],
    "number": [("SET", "KEY", 7)],
    "list": [("RPUSH", "KEY", "a", "b", "c")],
    "set": [("SADD", "KEY", "a", "b")],
    "hash": [("HSET", "KEY", "abc", "def", "29460120", "1.5", "29460121", "inf")],
    "stream": [("XADD", "KEY", "*", "a", "b")],
    "hyperloglog": [("PFADD", "KEY", "a")],
    **{
        f"zset {score}": [("ZADD", "KEY", score, "x")]
        for score in ("inf", "-inf", "0", "-5", "0.5", "1e300", "9007199254740993", "1e18")
    },
    "zset of both infinities": [("ZADD", "KEY", "inf", "x", "-inf", "y", "5.5", "z")],
}


async def spoil(server: RedisServer, key: str, commands: list[Words]) -> None:
    await server.command("DEL", key)
    for words in commands:
        await server.command(*(key if word == "KEY" else word for word in words))


async def works(process: Process, key: bytes) -> bool:
    """Tell whether an answer that is kept is there for other processes."""
    await process.keep(key)
    return await process.far_body(key) == b"v"


async def in_use_within(process: Process, seconds: float) -> None:
    """Wait until an answer can be kept again."""
    end = asyncio.get_running_loop().time() + seconds
    while not await works(process, b"key%d" % random.randrange(10**9)):
        assert asyncio.get_running_loop().time() < end, f"not within {seconds} s"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", SPOILT)
async def test_f1_a_spoilt_log_of_purges_costs_entries_and_no_more(
    process: Process, valkey: Server, kind: str
) -> None:
    """F1, K1, K2: `ZADD cinema#purges inf x` once ended the cache for as long as the gateway ran."""
    await process.keep(names=(tag("films"),))
    other = RedisServer(valkey.url, prefix="test")
    await other.invalidations(0)
    await spoil(other, "test#purges", SPOILT[kind])
    for _ in range(20):
        await process.body(b"%d" % random.randrange(10**9))
    await process.store.purge([tag("films")])
    await in_use_within(process, 20.0)
    await asyncio.sleep(0.3)  # a question of the watch later it is still well

    assert process.far.up
    assert await process.body() is None
    assert await process.far_body() is None  # what was purged meanwhile is gone, whoever was told of it
    await other.aclose()


@pytest.mark.parametrize("kind", SPOILT)
async def test_f1_a_spoilt_entry_is_a_miss_and_is_replaced(process: Process, kind: str) -> None:
    """F1, K8: it is no outage either."""
    await spoil(process.server, "test:k", SPOILT[kind])
    before = await process.far_body()

    assert before is None
    assert await works(process, b"k")
    assert process.far.up


async def test_f1_an_entry_of_another_size_than_ours_is_not_fetched(process: Process) -> None:
    """F1: 32 MB under a key of ours would take longer than anybody waits, each time."""
    await process.server.command("SETRANGE", "test:k", 32 * 2**20, "x")
    await process.server.command("PEXPIRE", "test:k", 30_000)

    assert await process.far_body() is None
    assert process.far.up


@pytest.mark.parametrize("key", ["test#rate:processes", "test#rate:60:client"])
@pytest.mark.parametrize("kind", SPOILT)
async def test_f1_spoilt_counts_are_dropped(valkey: Server, kind: str, key: str) -> None:
    """F1, T17: a limit that is shared goes on being shared."""
    server = RedisServer(valkey.url, prefix="test")
    await server.invalidations(0)
    tally = RedisLimitCounter(server, prefix="test", member="a")
    quota = Quota(requests=100, seconds=60)
    throttle = SharedThrottle(quota, tally, SystemClock(), timeout=2.0)
    await throttle.start()
    await spoil(server, key, SPOILT[kind])
    allowed = [(await throttle.ask("client")).allowed for _ in range(3)]
    told = repr(throttle)
    await throttle.aclose()
    counted = await server.command("TYPE", key)
    await server.aclose()

    assert allowed == [True] * 3
    assert "one of" in told
    assert counted == (b"zset" if key.endswith("processes") else b"hash")


@dataclass
class Liar:
    """A server in front of a real one that says something else when it is told to."""

    port: int
    lie: Callable[[bytes], bytes] | None = None
    told: int = 0
    lines: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self._ask(reader, back), self._answer(there, writer))

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                back.write(data)
        back.transport.abort()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await there.read(65_536):
                self.told += self.lie is not None
                writer.write(data if self.lie is None else self.lie(data))
        writer.transport.abort()


def say(*answers: bytes) -> Callable[[bytes], bytes]:
    rng = random.Random(7)
    return lambda _: rng.choice(answers)


def noise(_: bytes) -> bytes:
    return random.randbytes(random.randrange(1, 200))


def flipped(data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(3):
        spoilt[random.randrange(len(spoilt))] = random.randrange(256)
    return bytes(spoilt)


LIES: dict[str, Callable[[bytes], bytes]] = {
    "noise": noise,
    "flipped octets": flipped,
    "half of it": lambda data: data[: len(data) // 2],
    "twice": lambda data: data * 2,
    "nil": say(b"$-1\r\n", b"*-1\r\n", b"_\r\n"),
    "plain words": say(b"+OK\r\n", b":7\r\n", b"$2\r\nOK\r\n", b"*0\r\n", b"$0\r\n\r\n"),
    "pushes": lambda data: b">3\r\n+message\r\n+a\r\n+b\r\n" + data,
    "pushes alone": say(b">3\r\n+message\r\n+a\r\n+b\r\n", b">2\r\n+invalidate\r\n*0\r\n"),
    "the third protocol": say(
        b"%1\r\n+a\r\n:1\r\n", b"#t\r\n", b",inf\r\n", b"~1\r\n+a\r\n", b"%1\r\n*1\r\n+a\r\n+b\r\n"
    ),
    "four fields": say(
        b"*4\r\n$3\r\ninf\r\n:1767607200\r\n:5\r\n*0\r\n",
        b"*4\r\n$1\r\n7\r\n$3\r\nabc\r\n:5\r\n*0\r\n",
        b"*4\r\n$1\r\n7\r\n:1\r\n:5\r\n*2\r\n+a\r\n+inf\r\n",
        b"*4\r\n$1\r\n7\r\n:1\r\n:5\r\n*1\r\n+a\r\n",
        b"*4\r\n$1\r\n7\r\n:1\r\n:5\r\n*2\r\n*0\r\n:5\r\n",
        b"*4\r\n$-1\r\n*-1\r\n*0\r\n-ERR inside\r\n",
        b"*6\r\n$1\r\n7\r\n:1\r\n:5\r\n*0\r\n:5\r\n+soon\r\n",
    ),
    "more than there is room for": say(
        b"*2147483647\r\n",
        b"$2147483647\r\nab",
        b"*99999999999999999999\r\n",
        b"$99999999999\r\n",
        b"%9999999999\r\n",
    ),
    "deep": lambda _: b"*1\r\n" * 500,
    "errors": say(b"-ERR\r\n", b"-\r\n", b"-\xff\xfe\r\n", b"-LOADING soon\r\n", b"-MOVED 7 10.0.0.1:1\r\n"),
}


@pytest.mark.live
@pytest.mark.parametrize("kind", kinds(*LIES))
async def test_f1_a_server_that_answers_nonsense_is_an_outage_that_ends(
    valkey: Server, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """F1, K1, K2: every request goes on from memory, at once; when it is sane it is used again within two seconds."""
    liar = Liar(valkey.port)
    async with serving(liar) as url:
        process = Process(url, timeout=0.2)
        await process.store.start()
        await until(lambda: process.far.up)
        await process.keep()
        liar.lie = LIES[kind]
        loop, gaps = asyncio.get_running_loop(), [0.0]
        ticking = asyncio.ensure_future(ticks(gaps))
        end = loop.time() + 0.5
        while loop.time() < end:
            await process.keep(b"%d" % random.randrange(10**9))
            await process.store.purge([tag("films")])
            await asyncio.sleep(0.02)
        liar.lie = None
        await in_use_within(process, 20.0)
        ticking.cancel()

        assert liar.told > 0
        assert max(gaps) < 5.0  # nobody was held up by a reply
        assert await process.body(b"k") in {b"v", None}
        assert not [record for record in caplog.records if record.name == "stagedoor._supervision"]
        await process.store.aclose()


async def ticks(gaps: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.sleep(0.01)
        gaps.append(loop.time() - began)


@pytest.mark.parametrize("kind", kinds(*LIES))
async def test_f1_a_limit_goes_on_beside_a_server_that_answers_nonsense(valkey: Server, kind: str) -> None:
    """F1, T17: a request is allowed or refused by what is known here, and never failed."""
    liar = Liar(valkey.port)
    async with serving(liar) as url:
        server = RedisServer(url, prefix="test")
        await server.invalidations(0)
        tally = RedisLimitCounter(server, prefix="test", member="a")
        throttle = SharedThrottle(Quota(requests=100, seconds=60), tally, SystemClock(), timeout=0.05)
        await throttle.start()
        liar.lie = LIES[kind]
        asked = [(await throttle.ask(f"client{number}")).allowed for number in range(10)]
        taken = [throttle.take(f"other{number}") for number in range(10)]
        await throttle.aclose()
        await server.aclose()

    assert asked == [True] * 10
    assert all(one is None or one.allowed for one in taken)


async def test_f1_what_cannot_be_sent_leaves_no_reply_without_an_owner(process: Process) -> None:
    """K6: a word that is none is refused before anybody waits for its reply."""
    with pytest.raises(TypeError):
        await process.server.command("GET", object())  # type: ignore[arg-type]

    assert await process.server.command("ECHO", "right") == b"right"


async def test_f1_a_host_that_is_no_name_is_an_outage() -> None:
    """F1: the encoding of a name can fail before anybody is asked for it."""
    with pytest.raises(StoreDown):
        await RedisServer(f"redis://{'a' * 70}.example:6379").invalidations(0)
