"""A service that cannot be reached, over real TLS and a resolver that fails: what log, metrics and health say of it."""

import asyncio
import contextlib
import datetime as dt
import io
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from stagedoor import Gateway
from stagedoor.testing import Client

pytestmark = pytest.mark.live

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
CALLS = 40
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer whatever comes, as if each piece were a request."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(65_536):
            writer.write(HEALTHY)
    writer.close()


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Listen with a certificate, or without TLS; yield the port."""
    server = await asyncio.start_server(answering, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def certified(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    """Return a server's context with a certificate for these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


@asynccontextmanager
async def asked(url: str) -> AsyncIterator[tuple[Client, io.BytesIO]]:
    """Run a gateway whose one route asks a service there; yield its client and its log."""
    app = Gateway("shop", deadline=30.0)
    carts = app.service("carts", url=url, attempt=10.0, connect=10.0, label="cart_service")

    @app.get("/")
    async def root() -> dict[str, str]:
        return await carts.get(dict[str, str], "/cart")

    out = io.BytesIO()
    async with app.made(environment={}, stream=out).opened() as running:
        yield Client(running), out


async def told(client: Client, log: io.BytesIO) -> tuple[list[Mapping[str, Any]], str, str]:
    """Ask under load; return the lines of trouble, the metrics and what health says of the service."""
    answers = await asyncio.gather(*(client.ask("/") for _ in range(CALLS)))
    metrics = (await client.ask("/metrics")).body.decode()
    health = json.loads((await client.ask("/health")).body)["components"]["cart_service"]["status"]
    async with asyncio.timeout(30):
        while log.getvalue().count(b'"event":"request"') < CALLS:  # noqa: ASYNC110 - written by a thread
            await asyncio.sleep(0.02)
    assert {one.status for one in answers} == {503}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {one["cause"] for one in lines if one["event"] == "request" and one["status"] == 503} == {
        "cart_service: unavailable"
    }
    return [one for one in lines if one["event"] == "upstream_failed"], metrics, health


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Make an authority that this process believes."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def contexts(authority: trustme.CA, kind: str) -> ssl.SSLContext | None:
    """Return what a server speaks that is refused in this way."""
    match kind:
        case "expired":
            return certified(
                authority, "localhost", "127.0.0.1", not_before=NOW - 9 * DAY, not_after=NOW - DAY
            )
        case "early":
            return certified(
                authority, "localhost", "127.0.0.1", not_before=NOW + DAY, not_after=NOW + 9 * DAY
            )
        case "named":
            return certified(authority, "other.example")
        case "unknown":
            return certified(trustme.CA(), "localhost", "127.0.0.1")
    return None


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("expired", "its certificate has expired"),
        ("early", "its certificate is not valid yet"),
        ("named", "its certificate is for another name"),
        ("unknown", "its certificate is of an authority that is not known here"),
        ("plain", "it speaks no TLS on this port"),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_that_is_refused_is_named_as_what_is_wrong_with_it(
    authority: trustme.CA, host: str, kind: str, detail: str
) -> None:
    """T15: once, however many ask; metrics and health say it of the same service."""
    async with listening(contexts(authority, kind)) as port, asked(f"https://{host}:{port}") as (client, log):
        failed, metrics, health = await told(client, log)

    assert [(one["service"], one["reason"], one["detail"]) for one in failed] == [
        ("cart_service", "unavailable", detail)
    ]
    assert 'service_errors_total{service_name="cart_service"} 0.0' not in metrics
    assert health == "unhealthy"


async def test_a_good_certificate_is_taken(authority: trustme.CA) -> None:
    """Else the tests above would prove nothing."""
    good = certified(authority, "localhost", "127.0.0.1")
    async with listening(good) as port, asked(f"https://localhost:{port}") as (client, _):
        assert (await client.ask("/")).status == 200


async def test_a_name_that_stops_resolving_is_told_within_a_second_of_its_first_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second cause in one minute is news, though the service was unavailable before."""
    loop = asyncio.get_running_loop()
    resolve, gone = loop.getaddrinfo, False

    async def resolving(host: Any, *rest: Any, **options: Any) -> Any:
        if gone:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await resolve("127.0.0.1", *rest, **options)

    monkeypatch.setattr(loop, "getaddrinfo", resolving)
    async with listening(None) as port, asked(f"http://carts.example:{port}") as (client, log):
        assert (await client.ask("/")).status == 200
        gone = True
    async with asked(f"http://carts.example:{port}") as (client, log):
        failed, metrics, health = await told(client, log)

    assert [(one["service"], one["detail"]) for one in failed] == [
        ("cart_service", "its name cannot be resolved")
    ]
    assert 'service_errors_total{service_name="cart_service"} 0.0' not in metrics
    assert health == "unhealthy"
