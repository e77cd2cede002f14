"""With the near cache and without it: the same requests get the same answers, and are counted alike."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stagedoor.door.test_protocol import REFUSED
from tests.stagedoor.near.doors import HEAD, Behind, Connection, octets
from tests.stagedoor.near.shops import shopping

ENVIRONMENT = {
    "SHOP_CORS_ORIGINS": "https://a.example,https://b.example",
    "SHOP_TRUSTED_PROXIES": "10.0.0.0/8",
    "SHOP_RATE_LIMIT": "60/20",
    "SHOP_RATE_LIMITS": "/asked=20/20",
}
TARGETS = [
    *(
        "/kept/a",
        "/kept/b",
        "/kept/%61",
        "/kept/a/",
        "/kept/a?x=1",
        "/kept/a?",
        "/asked",
        "/asked?q=1",
        "/asked?q=%zz",
    ),
    *(
        "/asked?q=1&q=2",
        "/tongue",
        "/sid",
        "/ahead",
        "/large",
        "/created",
        "/now",
        "/shelf/a",
        "/picture/a",
        "/picture/a",
        "/told",
        "/nix",
    ),
    *("http://shop/kept/a", "http://other/kept/a", "/health", "//kept/a", "/kept/%2e%2e"),
]
FIELDS = [
    *(
        "Accept: application/json",
        "Accept-Encoding: gzip",
        "Accept-Encoding: gzip;q=0",
        "Accept-Encoding: br, *",
        "Accept-Encoding: br;q=0.5, zstd",
        "User-Agent: x",
        "If-None-Match: *",
        "If-None-Match: ETAG",
    ),
    *(
        'If-None-Match: "no", W/ETAG',
        'If-None-Match: "no"',
        "Origin: https://a.example",
        "Origin: https://b.example",
    ),
    *(
        "Origin: https://c.example",
        "X-Request-ID: mine-1",
        "X-Request-ID: not one",
        "Cookie: sid=1",
        "Cookie: sid=2",
    ),
    *(
        "Accept-Language: de",
        "Accept-Language: en",
        "Accept-Language:",
        "Authorization: Bearer x",
        "Range: bytes=0-1",
    ),
    *(
        "Connection: keep-alive",
        "Connection: close",
        "Connection: upgrade",
        "Via: 1.1 shop",
        "Expect: 100-continue",
    ),
    *(
        "Stagedoor-Deadline-Ms: 5",
        "X-Forwarded-For: 198.51.100.7",
        "Forwarded: for=198.51.100.9",
        "Content-Length: 0",
    ),
    *(
        "Cache-Control: no-cache",
        "If-Match: ETAG",
        "If-Modified-Since: Mon, 05 Jan 2026 10:00:00 GMT",
        "Bad_Name: 1",
    ),
    *("Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Traceparent: junk", "Bad : 1"),
    *(
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Sec-Fetch-Site: cross-site",
        "Host: second",
        "TE: trailers",
    ),
]
PEERS = ["192.0.2.1", "10.0.0.7"]
ASKED = st.tuples(
    st.sampled_from(["GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "OPTIONS", "PUT", "get"]),
    st.sampled_from(TARGETS),
    st.lists(st.sampled_from(FIELDS), max_size=3),
)
STEPS = st.one_of(
    st.tuples(st.just("ask"), ASKED, st.integers(1, 5)),
    st.tuples(st.just("ask"), ASKED, st.integers(1, 5)),
    st.tuples(st.just("unlike"), ASKED, st.integers(2, 7)),
    st.tuples(st.just("cut"), ASKED, st.integers(0, 400)),
    st.tuples(st.just("flip"), ASKED, st.integers(0, 400)),
    st.tuples(st.just("together"), st.lists(ASKED, min_size=1, max_size=7), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 3.0, 9.0, 11.0]), st.just(0)),
    st.tuples(st.just("purge"), st.sampled_from(["kept:a", "kept:b", "nix"]), st.just(0)),
    st.tuples(st.just("anew"), st.sampled_from(PEERS), st.just(0)),
)
KEPT = octets("/kept/a")
# What differs from one answer to the next, in whatever way it is made.
IDS = re.compile(rb"(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f])")


def unlike(at: int) -> list[str]:
    """Return lines that no other head has, as behind a mesh."""
    trace = f"{at + 1:032x}"
    return [f"X-Request-ID: r.{at}", f"cookie: seen={at}", f"Traceparent: 00-{trace}-{at + 1:016x}-01"]


class Side:
    """One of the two, and what it answered."""

    def __init__(self, behind: Behind) -> None:
        self.behind = behind
        self.connection: Connection = behind.connect()
        self.etag = '"none"'

    def octets(self, asked: tuple[str, str, Sequence[str]]) -> bytes:
        method, target, fields = asked
        lines = "".join(f"{one}\r\n".replace("ETAG", self.etag) for one in fields)
        return f"{method} {target}".encode() + HEAD + lines.encode() + b"\r\n"

    async def take(self, step: tuple[str, Any, int]) -> list[Any]:
        kind, what, number = step
        if kind == "wait":
            await self.behind.advance(what)
        elif kind == "purge":
            await self.behind.running.purge_tags([what])
        elif kind == "anew":
            self.connection.lose()
            self.connection = self.behind.connect(what)
        elif kind == "together":
            return await self.send(b"".join(map(self.octets, what)))
        elif kind == "ask":
            return [answer for _ in range(number) for answer in await self.send(self.octets(what))]
        elif kind == "unlike":
            each = [self.octets((*what[:2], [*what[2], *unlike(at)])) for at in range(number)]
            return [answer for data in each for answer in await self.send(data)]
        elif kind == "cut":
            data = self.octets(what)
            at = number % len(data)
            return await self.send(data[:at], data[at:]) if at else await self.send(data)
        else:
            flipped = bytearray(self.octets(what))
            flipped[number % len(flipped)] ^= 1 << number % 8
            return await self.send(bytes(flipped))
        return []

    async def send(self, *pieces: bytes) -> list[Any]:
        raw = await self.connection.send(*pieces)
        ended = self.connection.wire.closed
        if ended or b"HTTP/1.1 100" in raw or not raw:
            self.connection.lose()
            self.connection = self.behind.connect(self.connection.wire.peer)
        found = re.search(rb'etag: ("[^\r]*)\r', raw)
        self.etag = self.etag if found is None else found[1].decode()
        return [*answers(raw), ended]


def answers(raw: bytes) -> list[Any]:
    """Take answers apart: status line, fields in any order, body; those to HEAD have a length and no body."""
    found: list[Any] = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status, *fields = IDS.sub(b"an id", head).split(b"\r\n")
        said = dict(line.split(b": ", 1) for line in fields)
        size = 0 if rest.startswith(b"HTTP/1.1 ") else int(said.get(b"content-length", b"0"))
        found.append((status, sorted(fields), IDS.sub(b"an id", rest[:size])))
        raw = rest[size:]
    return found


def logged(behind: Behind) -> list[Any]:
    known = behind.log.getvalue().replace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"the trace")
    return [json.loads(line) for line in IDS.sub(b"an id", known).splitlines()]


async def compare(steps: Sequence[tuple[str, Any, int]]) -> None:
    async with (
        shopping(environment=ENVIRONMENT) as on,
        shopping(near=False, environment=ENVIRONMENT) as off,
    ):
        sides = Side(on), Side(off)
        for step in steps:
            got, wanted = [await side.take(step) for side in sides]
            assert got == wanted, step
        assert await on.numbers() == await off.numbers()
        for one in (on, off):
            assert one.running.world.logs is not None
            await one.running.world.logs.aclose()
        assert logged(on) == logged(off)


@settings(max_examples=15, deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=25))
def test_what_is_asked_in_whatever_way_is_answered_as_without_it(steps: list[tuple[str, Any, int]]) -> None:
    """Issue 17: purges, ends, fields, garbage, pipelining and cuts change nothing but the order of fields."""
    asyncio.run(compare(steps))


async def test_what_the_door_refuses_it_refuses_in_front_of_kept_answers_too() -> None:
    """H7: the corpus of refusals, each at the end of a connection whose answers were given by the door."""
    async with shopping() as on, shopping(near=False) as off:
        for _, refused in REFUSED.values():
            data = refused.replace(b" / ", b" /kept/a ", 1)
            told = []
            for side in (on, off):
                connection = side.connect()
                told += [
                    [answers(await connection.send(KEPT)) for _ in range(4)],
                    answers(await connection.send(data)),
                ]
                connection.lose()

            assert told[:2] == told[2:], refused
