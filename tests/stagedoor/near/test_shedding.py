"""Where there is no time for a request, the door refuses it by itself: as the gateway would, and before it began."""

import json
import re
from dataclasses import replace

import pytest

from stagedoor._context import WEIGHTS
from stagedoor.policies._pressure import Pressure
from tests.stagedoor.near.doors import Behind, Connection, octets
from tests.stagedoor.near.shops import shopping

ENVIRONMENT = {"SHOP_CORS_ORIGINS": "https://a.example"}
ASKED = [
    octets("/now"),
    octets("/now/?a=1"),
    octets("/kept/%C3%A9", "Origin: https://a.example\nAccept-Encoding: gzip"),
    octets("/asked?q=1", "X-Request-ID: mine\nOrigin: https://b.example"),
    octets("/now", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    octets("/nix"),
    octets("/kept/!$&'()*+,;=:@-._~%22%5C?{}=\\"),
    octets("/now", "X-Request-ID: not mine\nCookie: a=b\nX-Request-ID: " + "m" * 128),
    octets(
        "/now", 'x-request-id: "\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nA: b'
    ),
    octets("/kept/b", "X-Forwarded-For: 192.0.2.7\nAuthorization: Bearer x\nOrigin: https://a.example"),
    octets("/kept/a", method="HEAD"),
    octets("/now", method="POST"),
    octets("/now", "Connection: close"),
    octets("/now", "X-Forwarded-Prefix: /a"),
]


TIMES = 3  # the third time a head is known by its outline


def fill(served: Behind, *, left: int = 0) -> None:
    """Let so many requests be under way that no more are let in, but for so many details."""
    served.running.web.pressure = pressure = Pressure(target=0.009, most=12)
    for priority in WEIGHTS:
        while pressure.enter(priority):
            pass
    while pressure.total > 12 - left:
        pressure.leave("operations" if pressure.total > 12 else "list")


async def told(*, near: bool) -> tuple[list[bytes], list[str], list[dict[str, object]]]:
    """Return what is answered, counted and logged, without what differs from time to time."""
    async with shopping(near=near, environment=ENVIRONMENT) as served:
        fill(served)
        answers = [await served.connect().send(asked) for asked in ASKED * TIMES]
        assert served.running.world.logs is not None
        await served.running.world.logs.aclose()
        lines = [json.loads(line) for line in served.log.getvalue().splitlines()]
        shown = [
            {name: said for name, said in line.items() if name not in {"timestamp", "request_id", "trace_id"}}
            for line in lines
        ]
        served.running.web.pressure = Pressure(target=0.009, most=12)
        return [re.sub(rb"[0-9a-f]{32}", b"#", one) for one in answers], await served.numbers(), shown


async def test_o8_a_refusal_at_the_door_is_the_gateways_to_the_octet() -> None:
    """O8, H10: and it is counted and logged alike."""
    door, gateway = await told(near=True), await told(near=False)

    assert door == gateway
    assert (len(door[1]), len(door[2])) == (10, TIMES * len(ASKED))
    assert all(b" 503 " in one.partition(b"\r\n")[0] for one in door[0])


@pytest.mark.parametrize("asked", ASKED[:10])
async def test_o8_it_leaves_before_anything_else_runs(asked: bytes) -> None:
    """O8: no task is made for it, and the connection goes on."""
    async with shopping(environment=ENVIRONMENT) as served:
        fill(served)
        connection = served.connect()
        first, tasks = connection.at_once(asked), len(served.state.tasks)
        connection.wire.written.clear()
        second = connection.at_once(asked)

    assert first.startswith(b"HTTP/1.1 503 ")
    assert second.startswith(b"HTTP/1.1 503 ")
    assert (tasks, connection.wire.closed) == (0, False)


@pytest.mark.parametrize("target", ["/health/live", "/health", "/metrics"])
async def test_o3_health_and_metrics_are_answered_at_every_stage(target: str) -> None:
    """O3: whoever watches sees it."""
    async with shopping() as served:
        fill(served)
        answer = await served.ask(target)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_o8_what_one_turn_reads_is_let_in_as_far_as_there_is_room() -> None:
    """O6, O8: a turn reads many before the first begins; those beyond the room are refused at the door."""
    async with shopping() as served:
        fill(served, left=3)
        connections = [served.connect() for _ in range(20)]
        refused = [one.at_once(octets("/now")) for one in connections]
        let_in = [one for one, said in zip(connections, refused, strict=True) if not said]
        answers = [await one.send() for one in let_in]

    assert len(let_in) == 3
    assert all(one.startswith(b"HTTP/1.1 200 ") for one in answers)


@pytest.mark.parametrize("near", [True, False])
async def test_o8_refusals_alone_show_that_there_is_time_again(near: bool) -> None:
    """O8, A11: who waits for a slow service keeps its place; where the loop is idle again others find one."""
    async with shopping(near=near) as served:
        served.running.web.pressure = pressure = Pressure(target=0.009, most=12)
        for turn in range(7):
            pressure.enter("detail")
            pressure.turned(turn / 20, 0.02)  # each is late
        while pressure.enter("detail"):
            pass
        answers = []
        for _ in range(100):
            answers.append(await served.ask("/now"))
            await served.advance(0.01)

    assert answers[0].startswith(b"HTTP/1.1 503 ")
    assert answers[-1].startswith(b"HTTP/1.1 200 ")


async def refused_before(served: Behind, head: bytes) -> Connection:
    """Return a connection whose kind of head the door knows."""
    connection = served.connect()
    for _ in range(TIMES):
        connection.wire.written.clear()
        assert connection.at_once(head).startswith(b"HTTP/1.1 503 ")
    connection.wire.written.clear()
    return connection


LINE = b"GET /now HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /now HTTP/1.0\r\n", b"503"),
        (b"GET /now HTTP/1.2\r\n", b"400"),
        (b"GET /now  HTTP/1.1\r\n", b"400"),
        (b"GET /now\x00 HTTP/1.1\r\n", b"400"),
        (b"GET /no%w HTTP/1.1\r\n", b"400"),
        (b"GET /now#a HTTP/1.1\r\n", b"400"),
        (b'GET /no"w HTTP/1.1\r\n', b"400"),
        (b"GET now HTTP/1.1\r\n", b"400"),
        (b"GET * HTTP/1.1\r\n", b"400"),
        (b"GET http://else/now HTTP/1.1\r\n", b"400"),
        (b"GET http://shop/now HTTP/1.1\r\n", b"503"),
        (b"GET /now HTTP/1.1\nA: b\r\n", b"400"),
        (b"GET /" + b"a" * 32_800 + b" HTTP/1.1\r\n", b"414"),
        (b"GET /" + b"a" * (32_768 - 16) + b" HTTP/1.1\r\n", b"503"),
        (b"GET /" + b"a" * (32_768 - 15) + b" HTTP/1.1\r\n", b"414"),
        (b"HEAD /now HTTP/1.1\r\n", b"503"),
        (b"BREW /now HTTP/1.1\r\n", b"405"),
        (b"GET /health/live HTTP/1.1\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\n", b"200"),
    ],
)
async def test_o8_what_is_known_of_a_head_is_nothing_of_its_first_line(line: bytes, status: bytes) -> None:
    """O8, A4: the target, the method and the version are judged each time, as if no other had come before."""
    async with shopping() as served:
        fill(served)
        connection = await refused_before(served, octets("/now"))
        answer = await connection.send(octets("/now").replace(LINE, line))

    assert answer.split(b" ", 2)[1] == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("A: b\x01", b"400"),
        ("A_b: c", b"400"),
        ("A : b", b"400"),
        ("Host: shop", b"400"),
        ("Content-Length: 1", b"503"),
        ("Transfer-Encoding: x", b"400"),
        ("\n".join(f"A{n}: b" for n in range(256)), b"431"),
        (f"A: {'b' * 65_536}", b"431"),
    ],
)
async def test_o8_a_head_that_is_not_like_it_is_judged_by_itself(fields: str, status: bytes) -> None:
    """O8, A4: what is known of one head is nothing of another that says more."""
    async with shopping() as served:
        fill(served)
        connection = await refused_before(served, octets("/now"))
        answer = await connection.send(octets("/now", fields))

    assert answer.split(b" ", 2)[1] == status


async def test_a4_a_foreign_host_that_only_probes_may_name_stays_foreign() -> None:
    """A4: /health and what begins so is answered under any name, everything else is not, known head or not."""
    probing = octets("/healthy").replace(b"Host: shop", b"Host: 10.0.0.1")
    async with shopping() as served:
        served.config.limits = replace(served.config.limits, hosts=frozenset({"shop"}))
        fill(served)
        connection = await refused_before(served, probing)
        answer = await connection.send(probing.replace(b"/healthy", b"/now"))

    assert answer.startswith(b"HTTP/1.1 421 ")


async def test_o8_a_known_head_is_let_in_where_there_is_room() -> None:
    """O8: it is reckoned with once, although it is looked at twice."""
    async with shopping() as served:
        fill(served)
        await refused_before(served, octets("/now"))
        fill(served, left=3)
        connections = [served.connect() for _ in range(6)]
        refused = [one.at_once(octets("/now")) for one in connections]

    assert [bool(one) for one in refused] == [False] * 3 + [True] * 3


async def test_o8_the_next_second_has_a_date_of_its_own() -> None:
    """RFC 9110 6.6.1: what is prepared is prepared for a second."""
    async with shopping() as served:
        fill(served)
        connection = await refused_before(served, octets("/now"))
        first = connection.at_once(octets("/now"))
        connection.wire.written.clear()
        await served.advance(1.0)
        second = connection.at_once(octets("/now"))

    dates = [re.findall(rb"\r\ndate: ([^\r]*)", one) for one in (first, second)]
    assert dates[0] != dates[1]
