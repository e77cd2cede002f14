"""Limits for clients, origins that may read, and streams, behind every route."""

from ipaddress import ip_network
from typing import Any

import pytest

from stagedoor._addresses import trust
from stagedoor._call import Env
from stagedoor._web.answer import WebAnswer
from stagedoor._web.cors import Cors
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Quota, Throttle
from stagedoor.errors import UpstreamTimeout
from stagedoor.testing import Client, ManualClock
from stagedoor.testing.limit_counter import FakeLimitCounter
from tests.stagedoor.web.routes import Seen, failing, gateway, problem_in


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
    throttle = SharedThrottle(Quota(requests=1, seconds=60), FakeLimitCounter(clock), clock)
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
