"""What the door answers by itself, and what it leaves to the gateway."""

import gc
import json
import re
from typing import Any

import pytest

from stagedoor import ApiKeys, Cache, Gateway
from stagedoor._cache.entry import Entry
from stagedoor._door.limits import DoorLimits
from stagedoor._door.outline import outline_of
from stagedoor._web.heads import ids_of
from tests.stagedoor.near.doors import Behind, Connection, behind, octets
from tests.stagedoor.near.shops import shopping

KEPT = octets("/kept/a")


async def warm(
    behind: Behind, target: str, fields: str = "", method: str = "GET", times: int = 4
) -> Connection:
    """Ask until the answer may be given again, over one connection, which is returned."""
    connection = behind.connect()
    for _ in range(times):
        await connection.send(octets(target, fields, method))
    return connection


def answered_at_once(connection: Connection, data: bytes) -> bytes:
    """Return what leaves before anything else of the loop runs."""
    return connection.at_once(data)


async def test_a_kept_answer_leaves_before_the_loop_turns() -> None:
    """Issue 17: no task, no route, no handler: the second hit makes the permission, the next request uses it."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a", times=3)

        answer = answered_at_once(connection, octets("/kept/a", "X-Request-ID: mine"))

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"x-request-id: mine\r\n" in answer
        assert b"cache-status: stagedoor; hit; ttl=10\r\n" in answer


@pytest.mark.parametrize("target", ["/asked?q=1", "/tongue", "/shelf/a", "/large", "/picture/a"])
async def test_every_kind_of_kept_answer_may_be_given_again(target: str) -> None:
    """Handlers, fields that count, screens, bodies that are written without a copy."""
    async with shopping() as door:
        connection = await warm(door, target)
        wanted = await connection.send(octets(target, "Stagedoor-Attempt: 1"))  # by the gateway

        answer = answered_at_once(connection, octets(target))

        assert answer.partition(b"\r\n\r\n")[2] == wanted.partition(b"\r\n\r\n")[2] != b""


@pytest.mark.parametrize("target", ["/told", "/created", "/now", "/sid", "/nix"])
async def test_what_is_not_the_same_for_everybody_is_the_gateways(target: str) -> None:
    """A summary written anew, another status, nothing kept, a cookie that counts, no route."""
    async with shopping() as door:
        connection = await warm(door, target)

        assert answered_at_once(connection, octets(target)) == b""


@pytest.mark.parametrize(
    "field",
    [
        *("Range: bytes=0-1", "If-Match: *", "If-Range: x", "If-Unmodified-Since: x", "If-Modified-Since: x"),
        *("Expect: 100-continue", "Upgrade: h2c", "Via: 1.1 shop", "Stagedoor-Attempt: 1", "TE: trailers"),
        *("Content-Length: 0", "Connection: close", "Connection: keep-alive, te", "Stagedoor-Deadline-Ms: 5"),
        "X-Forwarded-Prefix: /shop",
    ],
)
async def test_a_head_that_asks_for_more_is_the_gateways(field: str) -> None:
    """Whatever such a field means, the gateway knows it."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a", field)
        await warm(door, "/kept/a")

        assert answered_at_once(door.connect(), octets("/kept/a", field)) == b""
        assert answered_at_once(connection if not connection.wire.closed else door.connect(), KEPT) != b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET /kept/a HTTP/1.0\r\nHost: shop\r\n\r\n",
        b"GET http://shop/kept/a HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"\r\n" + KEPT,
        KEPT + b"G",
        octets("/kept/a", method="POST"),
        octets("/kept/a", method="OPTIONS"),
    ],
)
async def test_a_request_of_another_form_is_the_gateways(data: bytes) -> None:
    """Old versions, absolute targets, what does not stand alone, other methods."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")

        assert answered_at_once(connection, data) == b""


@pytest.mark.parametrize(
    "query",
    ["name=connection&said=close", "name=transfer-encoding&said=chunked", "name=content-length&said=2000"],
)
async def test_what_a_handler_says_of_the_framing_is_looked_at(query: str) -> None:
    """RFC 9112 6: two ways to tell where an answer ends are two answers (T2); compressed or not."""
    async with shopping() as on, shopping(near=False) as off:
        for fields in ("", "Accept-Encoding: gzip"):
            answers = [[await side.ask(f"/framed?{query}", fields) for _ in range(5)] for side in (on, off)]

            told = [[re.sub(rb"x-request-id: [^\r]*", b"", answer) for answer in each] for each in answers]
            assert told[0] == told[1]
            assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in told[0])


@pytest.mark.parametrize("query", ["name=a%0d%0ab&said=x", "name=a&said=x%0d%0ay:z", "name=&said=x"])
async def test_t2_what_cannot_be_a_field_fails_its_answer_and_not_the_connection(query: str) -> None:
    """T2: kept or not, it is a 500 with an id, as without a near cache; an error in the door would tell nobody why."""
    async with shopping() as on, shopping(near=False) as off:
        answers = [[await side.ask(f"/framed?{query}") for _ in range(5)] for side in (on, off)]

        told = [[re.sub(rb"[0-9a-f]{32}", b"#", answer) for answer in each] for each in answers]
        assert told[0] == told[1]
        assert all(answer.startswith(b"HTTP/1.1 500 ") for answer in told[0])


async def test_a_date_stands_once() -> None:
    """RFC 9110 6.6.1: a handler that says its own is believed here as elsewhere."""
    target = "/framed?name=date&said=Thu%2C%2001%20Jan%202026%2000%3A00%3A00%20GMT"
    async with shopping() as door:
        connection = await warm(door, target)

        head, _, _ = answered_at_once(connection, octets(target)).partition(b"\r\n\r\n")

        assert re.findall(rb"(?m)^date: (.*)\r", head) == [b"Thu, 01 Jan 2026 00:00:00 GMT"]


async def test_octets_after_half_an_empty_line_are_read() -> None:
    """RFC 9112 2.2: a CR that waits for its LF belongs to what comes; the same octets alone would be a request."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        await connection.send(b"\r")

        assert (await connection.send(KEPT)).startswith(b"HTTP/1.1 400 ")


async def test_the_end_of_a_head_with_octets_behind_it_is_not_remembered_for_the_head() -> None:
    """T4: cut so that both are equally long, they would be two requests to somebody else, who got one answer to it."""
    begun = b"GET /kept/b HTTP/1.1\r\nX-Padding-To-Be-As-Long: "  # its Host is the other's
    following = octets("/asked?q=")
    rest = KEPT + following.replace(b"q=", b"q=" + b"1" * (len(begun) - len(following)))
    async with shopping() as door:
        await warm(door, "/kept/b")
        for _ in range(3):
            assert (await door.connect().send(begun, rest)).count(b"HTTP/1.1 200 OK\r\n") == 2
        connection = await warm(door, "/kept/a")

        told = await connection.send(rest)

        assert told.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_a_purge_is_seen_by_the_next_request() -> None:
    """Each use asks the store."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        await door.running.purge("kept:{}", "a")

        assert answered_at_once(connection, KEPT) == b""
        assert b'"made":2' in await connection.send()


async def test_an_answer_at_its_end_is_the_gateways() -> None:
    """At the end of its lifetime it is stale (RFC 9111 4.2), whatever may still be done with it."""
    async with shopping() as door:
        connection = await warm(door, "/asked")
        await door.advance(9.999)
        assert answered_at_once(connection, octets("/asked")) != b""
        await connection.send()
        await door.advance(0.001)

        assert answered_at_once(connection, octets("/asked")) == b""


async def test_an_answer_that_is_due_to_be_renewed_is_the_gateways() -> None:
    """Nobody would renew it if the door answered."""
    async with shopping() as door:
        connection = await warm(door, "/ahead")
        await door.advance(3.999)
        assert answered_at_once(connection, octets("/ahead")) != b""
        await connection.send()
        await door.advance(0.001)

        assert answered_at_once(connection, octets("/ahead")) == b""


async def test_time_is_told_once_a_second() -> None:
    """What remains is told with the date, and neither in between."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        await door.clock.advance(2.5)
        early = await connection.send(KEPT)
        door.tick()

        late = await connection.send(KEPT)

        assert b"max-age=10\r\n" in early
        assert b"max-age=7\r\n" in late
        assert b"ttl=7\r\n" in late


async def test_who_has_it_is_told_so() -> None:
    """RFC 9110 13.1.2: 304 with the fields of 200, from the same permission."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        etag = next(
            line for line in (await connection.send(KEPT)).decode().splitlines() if line.startswith("etag")
        ).partition(": ")[2]

        answer = answered_at_once(
            connection, octets("/kept/a", f'If-None-Match: "x"\nIf-None-Match: W/{etag}')
        )

        assert answer.startswith(b"HTTP/1.1 304 Not Modified\r\n")
        assert b"content-length" not in answer


async def test_head_says_what_get_says() -> None:
    """RFC 9110 9.3.2: the same fields, no body."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")

        answer = answered_at_once(connection, octets("/kept/a", method="HEAD"))

        assert b"content-length: 15" in answer
        assert answer.endswith(b"\r\n\r\n")


async def test_callers_with_other_fields_get_their_own_answer() -> None:
    """T4: what the answer varies by is part of the key."""
    async with shopping() as door:
        connection = await warm(door, "/tongue", "Accept-Language: de")

        other = answered_at_once(connection, octets("/tongue", "Accept-Language: en"))
        assert other == b""
        assert b'"tongue":"en"' in await connection.send()
        assert b'"tongue":"de"' in answered_at_once(connection, octets("/tongue", "Accept-Language: de"))


@pytest.mark.parametrize("secret", ["Authorization: Bearer x", "Cookie: a=1", "X-API-Key: k"])
async def test_a_head_with_credentials_is_answered_and_not_remembered(secret: str) -> None:
    """The octets are a secret; the answer is not, for the route does not look at it."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a", secret)
        near = door.running.web.near

        assert answered_at_once(connection, octets("/kept/a", secret)) != b""
        assert repr(near) == "<NearCache 1 permissions, 0 heads>"


async def test_a_guarded_route_is_never_answered_by_the_door() -> None:
    """T19: who may come in is asked each time."""
    app = Gateway("shop")

    @app.get("/club", cache=Cache(max_age=10), guard=ApiKeys("members"))
    async def club() -> dict[str, int]:
        return {"a": 1}

    route = next(one for one in app.inspected().routes if one.path == "/club")

    assert route.repeats is None


async def test_the_client_s_limit_is_taken_once_and_refusals_are_the_gateways() -> None:
    """Five in a window: whoever answers, the sixth is 429."""
    async with shopping(environment={"SHOP_RATE_LIMIT": "5/60"}) as door:
        connection = await warm(door, "/kept/a", times=3)

        assert b'ratelimit: "default";r=1;t=60\r\n' in answered_at_once(connection, KEPT)
        await connection.send()
        assert b'ratelimit: "default";r=0;t=60\r\n' in answered_at_once(connection, KEPT)
        await connection.send()
        assert answered_at_once(connection, KEPT) == b""
        assert (await connection.send()).startswith(b"HTTP/1.1 429 ")


async def test_clients_behind_a_proxy_have_each_their_own_limit() -> None:
    """H8: octets do not tell who asks, so such heads are read each time."""
    environment = {"SHOP_RATE_LIMIT": "5/60", "SHOP_TRUSTED_PROXIES": "10.0.0.0/8"}
    async with shopping(environment=environment) as door:
        await warm(door, "/kept/a", times=3)
        proxy = door.connect("10.0.0.7")
        asked = octets("/kept/a", "X-Forwarded-For: 198.51.100.7")

        told = [answered_at_once(proxy, asked) or await proxy.send() for _ in range(3)]

        assert b"r=4;" in told[0]
        assert repr(door.running.web.near) == "<NearCache 1 permissions, 0 heads>"


async def test_routes_with_limits_of_their_own_take_all_of_them() -> None:
    """Both are counted, and the narrower refuses through the gateway."""
    environment = {"SHOP_RATE_LIMIT": "50/60", "SHOP_RATE_LIMITS": "/kept/{name}=4/60"}
    async with shopping(environment=environment) as door:
        connection = await warm(door, "/kept/a", times=3)

        answer = answered_at_once(connection, KEPT)
        await connection.send()

        assert b'ratelimit: "/kept/{name}";r=0;t=60, "default";r=46;t=60\r\n' in answer
        assert (await connection.send(KEPT)).startswith(b"HTTP/1.1 429 ")


async def test_one_line_and_one_count_for_each() -> None:
    """The ids that came in stand in the line, as the gateway would write it."""
    fields = "X-Request-ID: mine\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with shopping() as door:
        await warm(door, "/kept/a", fields, times=7)
        numbers = await door.numbers()
        await door.running.world.logs.aclose()  # type: ignore[union-attr]
        lines = [json.loads(line) for line in door.log.getvalue().splitlines()]

        assert 'http_requests_total{endpoint="/kept/{name}",method="GET",status="200"} 7.0' in numbers
        told: list[Any] = [(one["request_id"], one["trace_id"], one["status"]) for one in lines[:7]]
        assert told == [("mine", "4bf92f3577b34da6a3ce929d0e0e4736", 200)] * 7


async def test_only_listed_origins_make_forms_of_their_own() -> None:
    """A page of another origin gets what everybody gets; the list is short, inventions are not."""
    async with shopping(environment={"SHOP_CORS_ORIGINS": "https://a.example"}) as door:
        connection = await warm(door, "/kept/a")

        listed = answered_at_once(connection, octets("/kept/a", "Origin: https://a.example"))
        await connection.send()
        foreign = answered_at_once(connection, octets("/kept/a", "Origin: https://b.example"))

        assert b"access-control-allow-origin: https://a.example\r\n" in listed
        assert b"access-control-allow-origin" not in foreign
        assert b"vary: Accept-Encoding, Origin\r\n" in foreign


async def test_a_door_that_stops_leaves_all_to_the_gateway() -> None:
    """Each answer is its connection's last then, and says so."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        door.config.draining = True

        assert answered_at_once(connection, KEPT) == b""
        assert b"connection: close\r\n" in await connection.send()


async def test_a_full_door_leaves_all_to_the_gateway() -> None:
    """O3: above the share of connections that are kept alive the gateway closes them."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        for _ in range(97):
            door.connect()

        assert answered_at_once(connection, KEPT) == b""
        assert b"connection: close\r\n" in await connection.send()


async def test_under_pressure_the_gateway_decides() -> None:
    """O6: who is let in, where not all can be, is a matter of priority."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        pressure = door.running.web.pressure
        pressure.total = 10_000

        assert answered_at_once(connection, KEPT) == b""
        pressure.total = 1
        await connection.send()
        pressure.total = 0


async def test_a_client_that_does_not_read_waits_like_any_other() -> None:
    """Nothing is added to what it has not taken."""
    async with shopping() as door:
        connection = await warm(door, "/kept/a")
        connection.protocol.pause_writing()

        assert answered_at_once(connection, KEPT) == b""
        connection.protocol.resume_writing()
        assert (await connection.send()).startswith(b"HTTP/1.1 200 ")


async def test_what_wraps_the_gateway_is_not_gone_round() -> None:
    """Middleware may count, refuse or change: the door must not answer past it."""

    def wrapped() -> Gateway:
        app = Gateway("shop", middleware=[lambda inner: inner])

        @app.get("/a", cache=Cache(max_age=10))
        async def a() -> int:
            return 1

        return app

    async with behind(wrapped) as door:
        assert door.running.web.near is None


async def test_it_can_be_switched_off() -> None:
    """SHOP_NEAR_CACHE=false."""
    async with shopping(near=False) as door:
        connection = await warm(door, "/kept/a")

        assert answered_at_once(connection, KEPT) == b""


async def test_permissions_hold_no_answer() -> None:
    """What the store lets go of is gone."""
    async with shopping() as door:
        await warm(door, "/kept/a")
        door.running.stores.near.drop(next(iter(door.running.stores.near.keys(1))))
        gc.collect()

        assert [one for one in gc.get_objects() if isinstance(one, Entry) and b'"made"' in one.body] == []


def shrinking() -> Gateway:
    """Return a shop whose answer is large, and the next one too small to be compressed."""
    app, made = Gateway("shop"), iter((2_000, 2))

    @app.get("/size", cache=Cache(max_age=10))
    async def size() -> str:
        return "x" * next(made)

    return app


async def test_a_head_is_remembered_again_where_another_permission_answers_it() -> None:
    """Its octets meant the compressed answer; now that there is none, they are not read for ever."""
    head = octets("/size", "Accept-Encoding: gzip")
    async with behind(shrinking) as door:
        near, second = door.running.web.near, door.state.default_headers
        await warm(door, "/size", "Accept-Encoding: gzip", times=5)
        assert near is not None
        assert near.known(head, ("192.0.2.1", 40_000), second) is not None
        await door.advance(11)

        await warm(door, "/size", "Accept-Encoding: gzip", times=5)

        assert near.known(head, ("192.0.2.1", 40_000), second) is not None


async def test_a_flood_of_unlike_targets_pushes_nothing_out_that_is_in_use() -> None:
    """Each unknown parameter is another target of one answer: asked thrice each, they fill what is left, no more."""
    async with shopping(environment={"SHOP_CACHE_BYTES": str(2**22)}) as door:
        connection = await warm(door, "/kept/a")
        near, store = door.running.web.near, door.running.stores.near
        for number in range(300):
            await warm(door, f"/kept/a?x={number}", f"X-Number: {number}")

        assert near is not None
        assert answered_at_once(connection, KEPT) != b""
        assert store.stats().bytes <= store.stats().max_bytes


MESH = "X-Request-ID: r.{0}\nX-Forwarded-For: 203.0.113.{0}\ncookie: seen={0}\nTraceparent: 00-{0:032x}-{0:016x}-01"


async def test_heads_none_of_which_repeats_are_not_read_to_be_answered() -> None:
    """Issue 17: as behind a mesh; the ids that came in stand in answer and line, and no secret is remembered."""
    async with shopping() as door:
        await warm(door, "/kept/a", "Cookie: secret=1", times=5)
        near, second = door.running.web.near, door.state.default_headers
        assert near is not None
        for at in (1, 2):
            head = octets("/kept/a", MESH.format(at))
            outline = outline_of(head, DoorLimits(), near.deciding)

            answer = near.alike(outline or b"", head, ("192.0.2.1", 40_000), second)

            assert outline == b"GET /kept/a HTTP/1.1\r\n\r\nHost: shop"
            assert answer is not None
            assert b"x-request-id: r.%d\r\n" % at in answer
        await door.running.world.logs.aclose()  # type: ignore[union-attr]
        told = [json.loads(line) for line in door.log.getvalue().splitlines()[-2:]]
        assert [(one["request_id"], one["trace_id"]) for one in told] == [
            ("r.1", f"{1:032x}"),
            ("r.2", f"{2:032x}"),
        ]
        assert repr(near) == "<NearCache 1 permissions, 0 heads>"


@pytest.mark.parametrize(
    ("fields", "request_id", "trace_id"),
    [
        ("X-Request-ID: a\nx-request-id:\tb \t", "b", ""),
        ("X-Request-ID: a\nX-Request-ID: not one", "", ""),
        ("X-Request-ID:", "", ""),
        ("X-Request-ID: " + "a" * 129, "", ""),
        (f"Traceparent: 00-{1:032x}-{1:016x}-01\ntraceparent: 00-{2:032x}-{1:016x}-01", "", ""),
        (f"traceParent:  cc-{1:032x}-{1:016x}-01-more \nNot-Traceparent: 00", "", f"{1:032x}"),
        (f"Traceparent: 00-{0:032x}-{1:016x}-01", "", ""),
        (f"X: Traceparent: 00-{1:032x}-{1:016x}-01\nX-X-Request-ID: a", "", ""),
    ],
)
def test_ids_of_a_head_that_is_not_read_are_those_of_one_that_is(
    fields: str, request_id: str, trace_id: str
) -> None:
    """H13: the last id if it is well formed, and a trace that stands there once and is valid."""
    assert ids_of(octets("/", fields)) == (request_id, trace_id)


async def test_fields_that_a_route_names_tell_outlines_apart() -> None:
    """T4: also where another route's outlines were known before."""
    async with shopping() as door:
        await warm(door, "/kept/a", "Accept-Language: de", times=5)
        connection = await warm(door, "/tongue", "Accept-Language: de", times=5)

        for at in range(4):
            fields = f"X-Request-ID: r.{at}\nAccept-Language: {'en' if at % 2 else 'de'}"
            told = answered_at_once(connection, octets("/tongue", fields)) or await connection.send()

            assert (b'"tongue":"en"' if at % 2 else b'"tongue":"de"') in told
            await connection.send()


async def test_clients_behind_a_proxy_are_told_apart_where_heads_are_not_read() -> None:
    """H8: the outline is one for all of them, the limit is not."""
    environment = {"SHOP_RATE_LIMIT": "5/60", "SHOP_TRUSTED_PROXIES": "10.0.0.0/8"}
    async with shopping(environment=environment) as door:
        proxy = door.connect("10.0.0.7")
        for at in range(4):
            await proxy.send(octets("/kept/a", f"X-Forwarded-For: 198.51.100.{at}"))

        told = [
            await proxy.send(octets("/kept/a", fields))
            for fields in ("x-forwarded-For: 198.51.100.9", "Forwarded: for=198.51.100.9", "X: 1")
        ]

        assert [re.findall(rb";r=([0-9]);", one) for one in told] == [[b"4"], [b"3"], [b"4"]]


async def test_heads_that_repeat_are_remembered_though_their_outline_is_known() -> None:
    """To find octets costs less than to look for an outline."""
    async with shopping() as door:
        await warm(door, "/kept/a", times=5)
        near, second = door.running.web.near, door.state.default_headers
        head = octets("/kept/a", "X-Request-ID: again")

        await warm(door, "/kept/a", "X-Request-ID: again", times=2)

        assert near is not None
        assert near.known(head, ("192.0.2.1", 40_000), second) is not None
