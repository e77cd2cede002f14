"""How an upstream is reached: sockets, names, addresses, TLS."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from stagedoor._requests import HttpRequest
from stagedoor._transports.http import HttpTransport
from stagedoor.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.contracts.transports.house import call_of, transport_to
from tests.contracts.transports.pools import echo_number
from tests.contracts.transports.server import RawServer


async def test_a_unix_socket_is_an_upstream_too(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await RawServer(echo_number).start(unix=path)
    transport = HttpTransport(f"unix:{path}")

    response = await transport.send(call_of(transport, HttpRequest(target=b"/over/unix"), within=5.0))

    assert (response.body, server.seen[0].target) == (b"0", b"/over/unix")
    assert server.seen[0].values(b"host") == [b"localhost"]
    await transport.aclose()
    await server.stop()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_ipv6_literals_work(kind: str) -> None:
    async with RawServer(echo_number, host="::1") as server:
        transport = transport_to(kind, f"http://[::1]:{server.port}")

        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert server.seen[0].values(b"host") == [b"[::1]:%d" % server.port]
        await transport.aclose()


async def test_a_name_is_looked_up_and_its_addresses_tried_in_turn() -> None:
    async with RawServer(echo_number) as server:
        transport = HttpTransport(f"http://localhost:{server.port}", connect_timeout=2.0)

        results = await asyncio.gather(
            *(transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0)) for _ in range(10))
        )

        assert {result.status for result in results} == {200}
        await transport.aclose()


@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_a_name_that_does_not_exist_is_unavailable(kind: str) -> None:
    transport = transport_to(kind, "http://no-such-name.invalid:1")

    with pytest.raises(UpstreamError) as caught:
        await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

    assert type(caught.value) in (UpstreamUnavailable, UpstreamTimeout)  # some resolvers take their time
    assert caught.value.retryable
    await transport.aclose()


async def test_d7_a_connection_that_does_not_come_is_late_by_its_own_time_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        transport = HttpTransport(f"http://127.0.0.1:{port}", connect_timeout=0.05)
        started = asyncio.get_running_loop().time()

        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert asyncio.get_running_loop().time() - started < 4.5
        assert caught.value.retryable
        assert transport.counts() == {"upstream_connections": 0}
        for filler in fillers:
            filler.close()
        await transport.aclose()


# --- TLS -------------------------------------------------------------------------------------------------------------


def serving(authority: trustme.CA, name: str) -> tuple[ssl.SSLContext, list[str]]:
    """Return a server's context with a certificate for a name, and the names that clients ask for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    asked: list[str] = []
    context.sni_callback = lambda _, named, __: asked.append(named)
    return context, asked


async def test_tls_with_a_trusted_certificate_and_sni() -> None:
    authority = trustme.CA()
    context, asked = serving(authority, "localhost")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with RawServer(echo_number, tls=context) as server:
        transport = HttpTransport(
            f"https://localhost:{server.port}", ssl_context=trusting, connect_timeout=5.0
        )

        bodies = [
            (await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))).body
            for _ in range(3)
        ]

        assert bodies == [b"0"] * 3
        assert asked[-1] == "localhost"
        await transport.aclose()
        await asyncio.sleep(0.02)


async def test_tls_asks_for_an_absolute_name_without_its_last_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6066 3: no certificate names the dot that keeps a resolver from trying the domains of its own."""
    authority = trustme.CA()
    context, asked = serving(authority, "users.test")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    loop = asyncio.get_running_loop()
    real, resolved = loop.getaddrinfo, list[str]()

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        resolved.append(host)
        return await real("127.0.0.1" if host == "users.test." else host, port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with RawServer(echo_number, tls=context) as server:
        transport = HttpTransport(
            f"https://users.test.:{server.port}", ssl_context=trusting, connect_timeout=5.0
        )
        answer = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))
        await transport.aclose()
        await asyncio.sleep(0.02)

    assert (answer.body, asked[-1], resolved[0]) == (b"0", "users.test", "users.test.")


async def test_tls_through_pyreqwest() -> None:
    authority = trustme.CA()
    context, _ = serving(authority, "localhost")
    async with RawServer(echo_number, tls=context) as server:
        trust = authority.cert_pem.bytes()
        transport = transport_to(
            "http2", f"https://localhost:{server.port}", trust=trust, connect_timeout=5.0
        )

        response = await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert response.status == 200
        await transport.aclose()


@pytest.mark.parametrize("kind", ["http", "http2"])
async def test_tls_refuses_a_certificate_nobody_vouches_for(kind: str) -> None:
    context, _ = serving(trustme.CA(), "localhost")
    async with RawServer(echo_number, tls=context) as server:
        transport = transport_to(kind, f"https://localhost:{server.port}", connect_timeout=5.0)

        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert not caught.value.retryable
        assert server.seen == []
        await transport.aclose()
        await asyncio.sleep(0.02)


async def test_tls_refuses_a_certificate_for_another_name() -> None:
    authority = trustme.CA()
    context, _ = serving(authority, "other.example")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with RawServer(echo_number, tls=context) as server:
        transport = HttpTransport(
            f"https://localhost:{server.port}", ssl_context=trusting, connect_timeout=5.0
        )

        with pytest.raises(UpstreamUnavailable):
            await transport.send(call_of(transport, HttpRequest(target=b"/"), within=5.0))

        assert server.seen == []
        await transport.aclose()
        await asyncio.sleep(0.02)
