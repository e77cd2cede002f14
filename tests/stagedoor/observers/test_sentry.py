"""Errors of ours, told to Sentry: types and places, and nothing that may be a secret."""

import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stagedoor._call import Env
from stagedoor._observers.sentry import Sentry
from stagedoor._web.answer import WebAnswer
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.errors import ConfigError, UpstreamTimeout
from stagedoor.testing import Client, ManualClock

sdk = pytest.importorskip("sentry_sdk")

DSN = "https://public@sentry.example/1"
CANARY = "hunter2"


class Post(sdk.transport.Transport):  # type: ignore[misc, name-defined, unused-ignore]
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__({"dsn": DSN})
        self.envelopes: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.envelopes.append(envelope)

    def sent(self) -> list[dict[str, Any]]:
        return [item.payload.json for envelope in self.envelopes for item in envelope.items]

    def text(self) -> bytes:
        return b"".join(envelope.serialize() for envelope in self.envelopes)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
async def sentry(post: Post, clock: ManualClock) -> AsyncIterator[Sentry]:
    made = Sentry(
        DSN, environment="test", release="1", traces_rate=0.5, rng=lambda: 0.6, clock=clock, transport=post
    )
    made.watch()
    yield made
    await made.aclose()


async def bug(request: Request) -> WebAnswer:
    password = CANARY
    raise ValueError(f"anna@example.com {password} {request.headers!r}")


async def late(_: Request) -> WebAnswer:
    raise UpstreamTimeout("users.get")


def served(env: Env, *traffic: Any) -> Client:
    routes = (Route(path="/bug/{id}", handle=bug), Route(path="/late", handle=late))
    return Client(GatewayApp(routes, env=env, name="test", traffic=traffic))


async def test_a_bug_is_told_with_type_place_and_request(env: Env, sentry: Sentry, post: Post) -> None:
    """What is needed to find it."""
    await served(env).ask("/bug/7", headers=((b"x-request-id", b"abc"),))

    (event,) = post.sent()
    (error,) = event["exception"]["values"]
    assert (error["type"], event["tags"], event["message"]) == (
        "ValueError",
        {"request_id": "abc"},
        "/bug/{id} failed",
    )
    assert (event["environment"], event["release"], event["level"]) == ("test", "1", "error")
    assert error["stacktrace"]["frames"][-1]["function"] == "bug"


async def test_t15_nothing_of_the_request_or_the_text_leaves(env: Env, sentry: Sentry, post: Post) -> None:
    """T15: no text of an exception, no local variable, header, cookie, query or address."""
    secrets = ((b"authorization", b"Bearer hunter2"), (b"cookie", b"session=hunter2"))
    await served(env).ask("/bug/7?token=hunter2", headers=secrets, body=b"hunter2")

    assert len(post.sent()) == 1
    said = post.text().replace(b"password = CANARY", b"").replace(b"anna@example.com {password}", b"")
    assert b"hunter2" not in said
    assert b"anna@" not in said
    assert b"session" not in said.lower()


async def test_an_upstreams_fault_is_no_error_of_ours(env: Env, sentry: Sentry, post: Post) -> None:
    """Nor is a line of the log that carries no error."""
    await served(env).ask("/late")
    logging.getLogger("stagedoor._door").error("said without a cause")

    assert post.sent() == []


async def test_a_share_of_the_requests_is_traced(env: Env, post: Post, clock: ManualClock) -> None:
    """By template, under the trace that the logs name."""
    rolls = iter([0.4, 0.6])
    sentry = Sentry(DSN, traces_rate=0.5, rng=lambda: next(rolls), clock=clock, transport=post)
    client = served(env, sentry)
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for _ in range(2):
        await client.ask("/late", headers=((b"traceparent", parent),))
    await sentry.aclose()

    (trace,) = post.sent()
    assert (trace["type"], trace["transaction"]) == ("transaction", "GET /late")
    assert trace["contexts"]["trace"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert trace["contexts"]["trace"]["status"] == "internal_error"


async def test_a_sink_that_fails_harms_no_request(
    env: Env, sentry: Sentry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library's handlers say so on standard error, and go on."""
    monkeypatch.setattr(sentry, "_describe", lambda *_, **__: 1 / 0)

    assert (await served(env).ask("/bug/7")).status == 500
    assert "ZeroDivisionError" in capsys.readouterr().err


async def test_after_the_end_nothing_is_heard(env: Env, post: Post) -> None:
    """The logger is left as it was found."""
    sentry = Sentry(DSN, transport=post)
    sentry.watch()
    await sentry.aclose()
    await served(env).ask("/bug/7")

    assert post.sent() == []
    assert repr(sentry) == "<Sentry 0.0 of requests>"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra: one line, not a traceback of imports."""
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with pytest.raises(ConfigError, match=r"pip install stagedoor\[sentry\]"):
        Sentry(DSN)


def test_an_address_that_is_none_is_a_mistake() -> None:
    """And is not repeated: it holds a key."""
    with pytest.raises(ConfigError, match=r"^must be an address such as https:"):
        Sentry("https://sentry.example/1")
