"""One application made of routes: errors, ids, identities, deadlines."""

import asyncio
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._asgi import GONE, Receive, Scope, Send
from stagedoor._call import Env
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.identity import ANONYMOUS
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.errors import CircuitOpen, UpstreamGarbled, UpstreamRejected, UpstreamTimeout
from stagedoor.testing import Client, ManualClock, settle
from tests.stagedoor.web.routes import Seen, failing, gateway, problem_in


class Remembering:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.under_way = 0
        self.ended: list[tuple[str, str, int]] = []

    def request_started(self) -> None:
        self.under_way += 1

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str,
        trace_id: str,
        cause: str = "",
        span_id: str = "",
    ) -> None:
        self.under_way -= 1
        self.ended.append((method, endpoint, status))


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UpstreamTimeout("users.get"), 504, "upstream-timeout"),
        (CircuitOpen("users.get", retry_after=0.3), 503, "upstream-unavailable"),
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


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("told", [True, False])
async def test_x2_what_is_cancelled_by_itself_is_a_failure_of_ours(
    env: Env, told: bool, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """X2: it was taken for a client that left: 499 in the metrics, 503 on the wire, and no word in the log."""

    async def handle(_: Request) -> WebAnswer:
        lost = asyncio.get_running_loop().create_future()
        lost.cancel()
        await lost
        raise AssertionError

    seen = Remembering()
    app = gateway(env, Route(path="/a", handle=handle, method=method), traffic=(seen,))

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {GONE: lambda _: None} if told else {}
        await app({**scope, "extensions": extensions}, receive, send)

    answer = await Client(served).ask("/a", method=method)

    assert (answer.status, seen.ended) == (500, [(method, "/a", 500)])
    assert [record.exc_info is not None for record in caplog.records] == [True]


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
    traffic = Remembering()
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
    assert (found.route_deadline is not None) == (left < 0.18)


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
    traffic = Remembering()

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
