"""On real sockets: what a service receives of a request, and what a client does."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stagedoor import Gateway
from stagedoor.testing import Client


class Upstream:
    """Answers each request with a text, and keeps its head."""

    def __init__(self) -> None:
        self.heads: list[list[bytes]] = []
        self.answer = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"a"'

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head.split(b"\r\n")[:-2])
                if b"transfer-encoding: chunked" in head.lower():
                    await reader.readuntil(b"0\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Upstream, str]]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    async with server:
        yield upstream, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base"


def shop(url: str) -> Gateway:
    app = Gateway("shop", deadline=5.0)
    things = app.service("things", url, connect=5.0)

    @app.get("/thing")
    async def thing() -> str:
        return await things.get(str, "/thing")

    app.proxy("/raw/{rest:path}", things, to="/{rest}")
    return app


async def test_a_service_receives_what_is_sent_and_nothing_else() -> None:
    """T5, D5, H2: request id, trace, deadline, attempt, Via; the base path in front."""
    async with listening() as (upstream, url), shop(url).build() as running:
        fields = (
            (b"x-request-id", b"r1"),
            (b"cookie", b"_ga=1"),
            (b"user-agent", b"canary"),
            (b"x-tenant", b"canary"),
        )
        said = await Client(running).ask("/thing", headers=fields)
        [head] = upstream.heads
        names = {line.partition(b":")[0].lower() for line in head[1:]}

        assert (said.status, said.body) == (200, b'"a"')
        assert head[0] == b"GET /base/thing HTTP/1.1"
        assert names == {
            b"host",
            b"accept",
            b"x-request-id",
            b"traceparent",
            b"via",
            b"stagedoor-attempt",
            b"stagedoor-deadline-ms",
        }
        assert b"x-request-id: r1" in head


async def test_h2_h3_a_passage_adds_its_name_and_knows_it_again() -> None:
    """H2, H3: what others wrote stays; the second round ends with 508."""
    async with listening() as (upstream, url), shop(url).build() as running:
        client = Client(running)
        await client.ask("/raw/a%2Fb?c=%20", headers=((b"via", b"1.0 edge"),))
        passed = [line.partition(b": ")[2] for line in upstream.heads[0] if line.lower().startswith(b"via:")]
        again = await client.ask("/raw/x", headers=((b"via", b", ".join(passed)),))

        assert upstream.heads[0][0] == b"GET /base/a%2Fb?c=%20 HTTP/1.1"
        assert passed == [b"1.0 edge", b"1.1 shop"]
        assert (again.status, len(upstream.heads)) == (508, 1)


@pytest.mark.parametrize("leaves", [True, False])
async def test_an_upload_that_ends_early_leaves_nothing_behind(leaves: bool) -> None:
    """X1, R1: over the limit on the way, or cut by the client: 413 or nobody, and no connection is held."""
    async with listening() as (_, url):
        app = shop(url)
        app.proxy("/up/{name}", app.services[0], methods={"PUT"}, limit=100)
        async with app.build() as running:
            chunks: list[Any] = [{"type": "http.request", "body": b"a" * 60, "more_body": True}] * 2
            if leaves:
                chunks[1] = {"type": "http.disconnect"}
            sent: list[Any] = []

            async def receive() -> Any:
                await asyncio.sleep(0.01)
                return chunks.pop(0)

            async def send(message: Any) -> None:
                sent.append(message)

            scope: dict[str, Any] = {
                "type": "http",
                "method": "PUT",
                "path": "/up/a",
                "raw_path": b"/up/a",
                "query_string": b"",
                "headers": [(b"transfer-encoding", b"chunked")],
                "client": ("127.0.0.1", 1),
            }
            complaints: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
            await running(scope, receive, send)
            held = running.remotes[0].counts()

            assert [one["status"] for one in sent[:1]] == ([] if leaves else [413])
            assert held["upstream_connections"] == held["permits"] == 0
        gc.collect()
        assert complaints == []


async def test_a_refused_connection_is_said_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """An operator reads what to look for; a client reads nothing of it (H10)."""
    async with listening() as (_, url):
        gone = url
    async with shop(gone).build() as running:
        said = await Client(running).ask("/thing")

    assert said.status == 503
    assert '"detail":"refused the connection"' in capfd.readouterr().out
    assert b"refused" not in said.body


async def test_a_garbled_answer_is_said_once_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    """Its content type; not again for the retry that a garbled answer does not get."""
    async with listening() as (upstream, url), shop(url).build() as running:
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>"
        said = await Client(running).ask("/thing")

    assert said.status == 502
    lines = [line for line in capfd.readouterr().out.splitlines() if "it is not JSON but text/html" in line]
    assert len(lines) == 1
    assert '"event":"upstream_failed"' in lines[0]
