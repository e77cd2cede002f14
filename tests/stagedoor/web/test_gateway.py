"""The gateway as a whole, over ASGI, on a clock that stands still."""

import asyncio
from ipaddress import ip_network
from typing import Any

import orjson
import pytest

from stagedoor import context
from stagedoor.addresses import trust
from stagedoor.call import Env
from stagedoor.context import RequestContext
from stagedoor.errors import BreakerOpen, UpstreamGarbled, UpstreamRejected, UpstreamTimeout
from stagedoor.testing import Client, ManualClock, settle
from stagedoor.testing.tally import FakeTally
from stagedoor.web.answer import WebAnswer, json
from stagedoor.web.cors import Cors
from stagedoor.web.gateway import GatewayApp
from stagedoor.web.identity import ANONYMOUS
from stagedoor.web.request import Request
from stagedoor.web.routes import Handler, Route
from stagedoor.web.shared_throttle import SharedThrottle
from stagedoor.web.throttle import Quota, Throttle


class Traffic:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.under_way = 0
        self.ended: list[tuple[str, str, int]] = []

    def request_started(self) -> None:
        self.under_way += 1

    def request_ended(
        self, method: str, endpoint: str, status: int, seconds: float, request_id: str, trace_id: str
    ) -> None:
        self.under_way -= 1
        self.ended.append((method, endpoint, status))


class Seen:
    """A handler that remembers the context it ran in."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []

    async def __call__(self, _: Request) -> WebAnswer:
        self.contexts.append(context.current())
        return json({"ok": True})


def failing(error: BaseException) -> Handler:
    async def handle(_: Request) -> WebAnswer:
        raise error

    return handle


def gateway(env: Env, *routes: Route, **options: Any) -> GatewayApp:
    return GatewayApp(routes, env=env, name="test", **options)


def problem_in(body: bytes) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(body)
    return said


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UpstreamTimeout("users.get"), 504, "upstream-timeout"),
        (BreakerOpen("users.get", retry_after=0.3), 503, "upstream-unavailable"),
        (UpstreamGarbled("users.get"), 502, "upstream-garbled"),
        (UpstreamRejected("users.get"), 502, "upstream-garbled"),
    ],
)
async def test_h6_an_upstreams_fault_is_never_500(env: Env, error: Exception, status: int, kind: str) -> None:
    """H6, H10: 502, 503 and 504 say whose fault it was, as a problem whose status is the real one."""
    client = Client(gateway(env, Route(path="/a", handle=failing(error))))

    answer = await client.ask("/a", headers=((b"x-request-id", b"abc"),))

    said = problem_in(answer.body)
    assert answer.status == said["status"] == status
    assert said["type"] == f"urn:problem-type:test:{kind}"
    assert (said["instance"], said["request_id"]) == ("/a", "abc")
    assert answer.header(b"content-type") == b"application/problem+json"
    assert (answer.header(b"retry-after") == b"1") == (status == 503)


async def test_h10_the_instance_is_the_path_as_it_was_asked_for(env: Env) -> None:
    """RFC 9457 3.1.5: a URI reference; unquoted, this path would have a query, a space and a dot segment."""
    client = Client(gateway(env))

    answer = await client.ask("/a%3Fb%20c/%2e%2e/%D1%8F?d=e")

    assert problem_in(answer.body)["instance"] == "/a%3Fb%20c/%2e%2e/%D1%8F"


async def test_t21_a_bug_of_ours_tells_the_client_nothing_and_the_log_everything(
    env: Env, caplog: pytest.LogCaptureFixture
) -> None:
    """T21: no text of an exception leaves; the log has the trace."""
    client = Client(gateway(env, Route(path="/a", handle=failing(ValueError("password=hunter2")))))

    answer = await client.ask("/a")

    assert answer.status == 500
    assert b"hunter2" not in answer.body
    assert caplog.records[0].exc_info is not None


async def test_every_answer_has_a_request_id_and_nosniff(env: Env) -> None:
    """Also those that no handler made."""
    client = Client(gateway(env, Route(path="/a", handle=Seen())))

    for target in ("/a", "/nowhere", "/a%ff"):
        answer = await client.ask(target)
        assert answer.header(b"x-request-id")
        assert [name for name, _ in answer.headers].count(b"x-content-type-options") == 1


async def test_a_wrong_method_is_405_with_allow(env: Env) -> None:
    """RFC 9110 15.5.6."""
    client = Client(gateway(env, Route(path="/a", handle=Seen())))

    answer = await client.ask("/a/", method="DELETE")

    assert (answer.status, answer.header(b"allow")) == (405, b"GET, HEAD")


async def test_head_is_get_without_a_body(env: Env) -> None:
    """The length is that of the body that GET would send."""
    client = Client(gateway(env, Route(path="/a", handle=Seen())))

    got, head = await client.ask("/a"), await client.ask("/a", method="HEAD")

    assert head.body == b""
    assert head.header(b"content-length") == got.header(b"content-length") == b"11"


async def test_each_request_counts_once_under_its_template(env: Env) -> None:
    """T16: templates and "unmatched", never a raw path; what is not counted is not told."""
    traffic = Traffic()
    routes = (
        Route(path="/users/{id}", handle=Seen()),
        Route(path="/metrics", handle=Seen(), counted=False),
        Route(path="/bad", handle=failing(ValueError())),
    )
    client = Client(gateway(env, *routes, traffic=(traffic,)))

    for target in ("/users/1", "/users/%ff", "/nowhere", "/metrics", "/bad"):
        await client.ask(target)
    await client.ask("/users/1", method="BREW")

    assert traffic.under_way == 0
    assert traffic.ended == [
        ("GET", "/users/{id}", 200),
        ("GET", "/users/{id}", 422),
        ("GET", "unmatched", 404),
        ("GET", "/bad", 500),
        ("BREW", "/users/{id}", 405),
    ]


async def test_t4_a_public_route_knows_no_identity_and_forwards_no_credentials(env: Env) -> None:
    """T4: everybody gets the same answer, so nobody's credentials go on."""
    seen = Seen()
    client = Client(gateway(env, Route(path="/a", handle=seen, public=True)))

    await client.ask("/a", headers=((b"authorization", b"Bearer x"), (b"cookie", b"a=1")))

    assert seen.contexts[0].identity == ""
    assert [name for name, _ in seen.contexts[0].forward] == [b"x-request-id", b"traceparent"]


async def test_t4_a_private_route_keys_by_the_credentials_and_forwards_them(env: Env) -> None:
    """T4: two callers are two identities; nobody in particular is one of its own."""
    seen = Seen()
    client = Client(gateway(env, Route(path="/a", handle=seen)))

    for fields in (((b"authorization", b"A"),), ((b"authorization", b"B"),), ()):
        await client.ask("/a", headers=fields)

    assert len({one.identity for one in seen.contexts}) == 3
    assert seen.contexts[2].identity == ANONYMOUS
    assert (b"authorization", b"A") in seen.contexts[0].forward


@pytest.mark.parametrize(
    ("asked", "trusted", "left"),
    [
        (b"50", True, 0.05),
        (b"50", False, 0.18),
        (b"5000", True, 0.18),
        (b"0", True, 0.18),
        (b"-5", True, 0.18),
        (b"1e3", True, 0.18),
        (b"9" * 400, True, 0.18),
    ],
)
async def test_d5_only_a_trusted_peer_may_shorten_the_deadline(
    env: Env, clock: ManualClock, asked: bytes, trusted: bool, left: float
) -> None:
    """D5: nobody lengthens it, junk is ignored, and a shortened request remembers the whole deadline."""
    seen = Seen()
    client = Client(gateway(env, Route(path="/a", handle=seen), trusted=lambda _: trusted))

    await client.ask("/a", headers=((b"stagedoor-deadline-ms", asked),))

    found = seen.contexts[0]
    assert found.deadline.remaining(clock.now()) == pytest.approx(left)
    assert (found.unshortened is not None) == (left < 0.18)


async def test_r7_a_request_that_is_a_repetition_says_so_to_the_policies(env: Env) -> None:
    """R7: one layer retries."""
    seen = Seen()
    client = Client(gateway(env, Route(path="/a", handle=seen)))

    await client.ask("/a", headers=((b"stagedoor-attempt", b"2"),))

    assert seen.contexts[0].attempt == 2


async def test_b9_calls_of_one_request_are_told_apart(env: Env) -> None:
    """B9, W3C Trace Context: one trace, and a parent id for each call."""
    forwarded: list[dict[bytes, bytes]] = []

    async def handle(_: Request) -> WebAnswer:
        forwarded.extend(dict(context.forwarded()) for _ in range(2))
        return json({})

    await Client(gateway(env, Route(path="/a", handle=handle))).ask("/a")
    first, second = (fields[b"traceparent"] for fields in forwarded)

    assert first[:36] == second[:36]
    assert first[36:52] != second[36:52]


async def test_h13_two_traceparents_are_none(env: Env) -> None:
    """H13: more than one is as good as none."""
    seen = Seen()
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client = Client(gateway(env, Route(path="/a", handle=seen)))

    await client.ask("/a", headers=((b"traceparent", parent), (b"tracestate", b"a=1")))
    await client.ask("/a", headers=((b"traceparent", parent), (b"traceparent", parent)))

    first, second = (dict(one.forward) for one in seen.contexts)
    assert first[b"traceparent"][3:35] == parent[3:35] != second[b"traceparent"][3:35]
    assert first[b"tracestate"] == b"a=1"
    assert b"tracestate" not in second


async def test_d6_a_client_that_leaves_stops_the_work_for_it(env: Env, clock: ManualClock) -> None:
    """D6, X1: the handler is cancelled, the request is counted out, and no task is left."""
    cancelled = []
    traffic = Traffic()

    async def slow(_: Request) -> WebAnswer:
        try:
            await clock.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        raise AssertionError

    client = Client(gateway(env, Route(path="/a", handle=slow), traffic=(traffic,)))
    before = asyncio.all_tasks()
    asking = asyncio.create_task(client.ask("/a"))
    await settle()
    client.leave()

    with pytest.raises(ConnectionError):
        await asking
    assert cancelled == [True]
    assert traffic.ended == [("GET", "/a", 499)]
    assert asyncio.all_tasks() == before


async def test_ready_follows_the_lifespan(env: Env) -> None:
    """503 while starting and while draining; the door asks `ready`."""
    app = gateway(env, Route(path="/a", handle=Seen()))
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])

    living = asyncio.create_task(app({"type": "lifespan"}, told.get, send))
    states = [app.ready]
    for kind in ("startup", "shutdown"):
        told.put_nowait({"type": f"lifespan.{kind}"})
        await settle()
        states.append(app.ready)
    await living

    assert states == [False, True, False]
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_websocket_is_closed(env: Env) -> None:
    """There is none here."""
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])

    async def receive() -> Any:
        raise AssertionError

    await gateway(env)({"type": "websocket"}, receive, send)

    assert said == ["websocket.close"]


def limited(env: Env, requests: int, **options: Any) -> GatewayApp:
    """Serve three routes; one of them however often a client asks."""
    throttle = Throttle(Quota(requests=requests, seconds=60), env.clock)
    routes = (
        Route(path="/a", handle=Seen()),
        Route(path="/bad", handle=failing(ValueError())),
        Route(path="/health", handle=Seen(), live=True),
    )
    return gateway(env, *routes, throttle=throttle, **options)


async def test_t17_the_request_after_the_last_is_429(env: Env) -> None:
    """T17, H11: a problem that says when to come back, never earlier than `t`."""
    client = Client(limited(env, 2))
    for _ in range(2):
        await client.ask("/a")

    refused = await client.ask("/a")

    assert (refused.status, problem_in(refused.body)["type"]) == (429, "urn:problem-type:test:rate-limited")
    assert refused.header(b"ratelimit-policy") == b'"default";q=2;w=60'
    assert refused.header(b"ratelimit") == b'"default";r=0;t=60'
    assert refused.header(b"retry-after") == b"61"


async def test_t17_every_counted_answer_says_what_is_left(env: Env, caplog: pytest.LogCaptureFixture) -> None:
    """H11: also the answer to a mistake, and to one of ours; never the health page."""
    client = Client(limited(env, 100))
    asked = [("/a", "GET"), ("/a", "DELETE"), ("/nowhere", "GET"), ("/bad", "GET"), ("/a", "HEAD")]
    answers = [await client.ask(target, method=method) for target, method in asked]
    health = await client.ask("/health")

    assert [answer.status for answer in answers] == [200, 405, 404, 500, 200]
    assert [answer.header(b"ratelimit") for answer in answers] == [
        b'"default";r=%d;t=60' % left for left in (99, 98, 97, 96, 95)
    ]
    assert health.header(b"ratelimit") is None
    assert len(caplog.records) == 1


async def test_a_live_route_is_served_to_whoever_used_up_the_limit(env: Env) -> None:
    """CONTRACTS 17: health, metrics and documentation are exempt."""
    app = limited(env, 1)
    client = Client(app)
    await client.ask("/a")

    assert (await client.ask("/a")).status == 429
    assert (await client.ask("/health")).status == 200


async def test_h8_clients_behind_a_trusted_proxy_are_counted_apart(env: Env) -> None:
    """H8: and those behind a stranger are not, whatever they say."""
    app = limited(env, 1, trusted=trust([ip_network("10.0.0.0/8")]))
    proxy, stranger = Client(app, address="10.0.0.1"), Client(app, address="192.0.2.1")

    async def statuses(client: Client) -> list[int]:
        told = [((b"x-forwarded-for", b"198.51.100.%d" % last),) for last in (1, 2, 2)]
        return [(await client.ask("/a", headers=headers)).status for headers in told]

    assert await statuses(proxy) == [200, 200, 429]
    assert await statuses(stranger) == [200, 429, 429]


async def test_a_connection_without_an_address_is_a_client_too(env: Env) -> None:
    """A socket of this machine has none; all of them are one client."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    app = limited(env, 1)
    scope = {"type": "http", "method": "POST", "path": "/a", "raw_path": b"/a", "query_string": b""}
    for _ in range(2):
        await app({**scope, "client": None, "headers": []}, receive, send)

    assert [message["status"] for message in said if "status" in message] == [405, 429]


async def test_a_throttle_that_has_to_ask_is_waited_for(env: Env, clock: ManualClock) -> None:
    """T17: the limit of several processes, in an answer."""
    throttle = SharedThrottle(Quota(requests=1, seconds=60), FakeTally(clock), clock)
    await throttle.start()
    client = Client(gateway(env, Route(path="/a", handle=Seen()), throttle=throttle))
    statuses = [(await client.ask("/a")).status for _ in range(2)]
    await throttle.aclose()

    assert statuses == [200, 429]


ORIGIN = (b"origin", b"https://app.example.com")


def shared_with_pages(env: Env, **options: Any) -> Client:
    """Serve pages of one origin."""
    routes = (
        Route(path="/a/{id}", handle=Seen()),
        Route(path="/a/{id}", handle=Seen(), method="PATCH"),
        Route(path="/bad", handle=failing(UpstreamTimeout("a.get"))),
    )
    return Client(gateway(env, *routes, cors=Cors(["https://app.example.com"]), **options))


@pytest.mark.parametrize(("target", "status"), [("/a/1", 200), ("/bad", 504), ("/nowhere", 404)])
async def test_a_listed_origin_may_read_every_answer(env: Env, target: str, status: int) -> None:
    """CONTRACTS 17: errors too, or a page cannot show them."""
    answer = await shared_with_pages(env).ask(target, headers=(ORIGIN,))

    assert answer.status == status
    assert answer.header(b"access-control-allow-origin") == b"https://app.example.com"
    assert answer.header(b"vary") == b"Origin"


async def test_t21_another_origin_and_none_hear_nothing(env: Env) -> None:
    """T21: only that the answer depends on who asks."""
    client = shared_with_pages(env)
    for headers in ((), ((b"origin", b"https://evil.example"),), ((b"origin", b"null"),)):
        answer = await client.ask("/a/1", headers=headers)

        assert [name for name, _ in answer.headers if name.startswith(b"access-control")] == []
        assert answer.header(b"vary") == b"Origin"


async def test_a_preflight_is_answered_for_the_route(env: Env) -> None:
    """The handler never hears of it; with a trailing slash as without."""
    asked = (ORIGIN, (b"access-control-request-method", b"PATCH"))
    answer = await shared_with_pages(env).ask("/a/1/", method="OPTIONS", headers=asked)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.header(b"access-control-allow-methods") == b"GET, HEAD, PATCH"
    assert answer.header(b"access-control-allow-origin") == b"https://app.example.com"
    assert answer.header(b"access-control-allow-credentials") is None


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/a/1", (), 405),
        ("/a/1", (ORIGIN,), 405),
        ("/a/1", ((b"access-control-request-method", b"PATCH"), (b"origin", b"null")), 405),
        ("/nowhere", (ORIGIN, (b"access-control-request-method", b"PATCH")), 404),
    ],
)
async def test_other_options_requests_are_as_ever(
    env: Env, target: str, headers: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    """No preflight, or not of a listed origin, or for nothing."""
    assert (await shared_with_pages(env).ask(target, method="OPTIONS", headers=headers)).status == status


async def test_a_preflight_takes_no_place_from_the_request_that_follows(env: Env) -> None:
    """T17: requests count, and their refusal can be read by the page; the question before them does not."""
    throttle = Throttle(Quota(requests=1, seconds=60), env.clock)
    client = shared_with_pages(env, throttle=throttle)
    asked = (ORIGIN, (b"access-control-request-method", b"PATCH"))
    statuses = [
        (await client.ask("/a/1", method="OPTIONS", headers=asked)).status,
        (await client.ask("/a/1", headers=(ORIGIN,))).status,
        (await client.ask("/a/1", headers=(ORIGIN,))).status,
    ]

    assert statuses == [204, 200, 429]


async def test_without_a_list_nothing_is_said_of_origins(env: Env) -> None:
    """No field, no `Vary`."""
    client = Client(gateway(env, Route(path="/a", handle=Seen())))
    answer = await client.ask("/a", headers=(ORIGIN,))

    assert [name for name, _ in answer.headers if name == b"vary" or name.startswith(b"access")] == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_x1_a_stream_is_closed_whatever_the_method(env: Env, method: str) -> None:
    """B3, X1: what nobody reads is given back, or its upstream connection would never be."""
    closed: list[str] = []

    class Stream:
        def __aiter__(self) -> "Stream":
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            closed.append(method)

    async def handle(_: Request) -> WebAnswer:
        return WebAnswer(200, ((b"content-length", b"0"),), stream=Stream())

    await Client(GatewayApp([Route(path="/s", handle=handle)], env=env, name="s")).ask("/s", method=method)

    assert closed == [method]
