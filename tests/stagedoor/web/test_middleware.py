"""An application of a foreign framework is served as the kit's own are."""

import logging
from typing import Any

import pytest

from stagedoor import _context as context
from stagedoor._asgi import Receive, Scope, Send
from stagedoor._requests import HttpResponse
from stagedoor._web.middleware import Framework, RequestMiddleware
from stagedoor.testing import Client, ManualClock


class Told:
    """Hears of each request."""

    def __init__(self) -> None:
        self.open = 0
        self.lines: list[tuple[Any, ...]] = []

    def request_started(self) -> None:
        self.open += 1

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
        self.open -= 1
        self.lines.append((method, endpoint, status, request_id, len(trace_id)))


class TooLarge(Exception):
    """A body is longer than it may be."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application sees."""
    scope["template"] = "/things/{id}" if scope["path"] != "/nowhere" else ""
    if scope["path"] == "/broken":
        raise RuntimeError("secret")
    await receive()
    said = f"{scope['method']} {scope['path']} {scope['request_id']} {context.current().request_id}"
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/half":
        raise RuntimeError("secret")
    await send({"type": "http.response.body", "body": said.encode()})
    if scope["path"] == "/late":
        raise RuntimeError("secret")


FRAMEWORK = Framework(
    endpoint=lambda scope: str(scope.get("template", "")),
    too_large=lambda most: TooLarge(f"{most} bytes"),
    body_bytes=10,
    logger=logging.getLogger("tests.framework"),
    uncounted=frozenset({"/metrics"}),
)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def client(told: Told, clock: ManualClock) -> Client:
    return Client(RequestMiddleware(app, FRAMEWORK, (told,), clock))


async def ask(client: Client, target: str, method: str = "GET", *ids: bytes) -> HttpResponse:
    return await client.ask(target, method=method, headers=tuple((b"x-request-id", one) for one in ids))


async def test_an_application_sees_one_form_of_each_request(client: Client, told: Told) -> None:
    """HEAD is GET without its body, a final slash is none, and the id is in the scope and in the context."""
    said = [await ask(client, *one, b"abc") for one in (("/a/", "GET"), ("/a%2F", "GET"), ("/a", "HEAD"))]

    assert [one.body for one in said] == [b"GET /a abc abc", b"GET /a/ abc abc", b""]
    assert told.lines == [
        ("GET", "/things/{id}", 200, "abc", 32),
        ("GET", "/things/{id}", 200, "abc", 32),
        ("HEAD", "/things/{id}", 200, "abc", 32),
    ]


@pytest.mark.parametrize(
    ("ids", "kept"), [((b"a", b"b"), True), ((b"a", b"no id"), False), ((), False), ((b"x" * 129,), False)]
)
async def test_the_last_request_id_is_kept_if_it_is_one(
    client: Client, ids: tuple[bytes, ...], kept: bool
) -> None:
    """One rule for gateways, services and the door; every answer carries the id, and may not be sniffed."""
    answer = await ask(client, "/a", "GET", *ids)

    said = answer.header(b"x-request-id") or b""
    assert (said in ids, len(said)) == (kept, 1 if kept else 32)
    assert answer.header(b"x-content-type-options") == b"nosniff"


async def test_what_goes_to_uncounted_paths_is_told_to_nobody(client: Client, told: Told) -> None:
    """Numbers are not about those who read them."""
    await ask(client, "/metrics")
    await ask(client, "/nowhere")

    assert [line[1] for line in told.lines] == ["unmatched"]


@pytest.mark.parametrize(("path", "status"), [("/broken", 500), ("/half", 200)])
async def test_half_an_answer_does_not_look_whole(
    client: Client, told: Told, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    """The failure goes on to the server, which answers for it or cuts the connection; it is counted once, as ours."""
    with pytest.raises(RuntimeError):
        await ask(client, path)

    assert (told.open, [line[2] for line in told.lines]) == (0, [status])
    assert caplog.messages == ["/things/{id} failed"]


async def test_what_fails_behind_its_answer_is_for_the_log_alone(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The client has its answer."""
    assert (await ask(client, "/late")).status == 200
    assert caplog.messages == ["/things/{id} failed"]


async def test_a_body_is_bounded_in_the_words_of_the_framework(client: Client) -> None:
    """It answers with 413 as it answers all else."""
    with pytest.raises(TooLarge, match="10 bytes"):
        await client.ask("/a", method="POST", body=b"x" * 11)
