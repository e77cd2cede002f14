"""The shipped nginx before a gateway that takes down what reaches it: what is sent on, and what is refused."""

import json
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from scripts.whole.door import nginx
from tests.live.platform import until
from tests.servers import LOOPBACK, free_port, temporary
from tests.tools import tool_of

pytestmark = pytest.mark.live

NOT_FOUND = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: the-gateways\r\nConnection: close\r\n\r\nok"


class Taking(socketserver.ThreadingTCPServer):
    """A gateway that answers everything with 200, and keeps the heads."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Exchange)
        self.heads: list[bytes] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Exchange(socketserver.StreamRequestHandler):
    server: Taking

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
            head += line
        self.server.heads.append(head)
        self.wfile.write(ANSWER)


class Door:
    """nginx as it is shipped, with the gateway behind it."""

    def __init__(self, gateway: Taking, ports: dict[str, int], folder: Path) -> None:
        self.gateway = gateway
        self.ports = ports
        self._log = folder / "access.log"

    def send(self, request: bytes, *, port: str = "http") -> bytes:
        """Send octets; return all that comes back, also where a reset follows: nginx reads no more than it refuses."""
        came: list[bytes] = []
        with self._line(port) as line:
            with suppress(ConnectionError):
                line.sendall(request)
            with suppress(ConnectionResetError):
                came.extend(iter(lambda: line.recv(65_536), b""))
        return b"".join(came)

    def _line(self, port: str) -> socket.socket:
        line = socket.create_connection((LOOPBACK, self.ports[port]), timeout=60)
        if port == "http":
            return line
        return ssl._create_unverified_context().wrap_socket(line)  # noqa: SLF001 - nobody has signed it

    def passed(self, request: bytes) -> list[bytes]:
        """Send a request that is answered; return the lines of the head that the gateway got."""
        before = len(self.gateway.heads)
        assert self.send(request).startswith(b"HTTP/1.1 200")
        (head,) = self.gateway.heads[before:]
        return head.split(b"\r\n")

    def logged(self, lines: int) -> list[bytes]:
        """Return the last lines of the log."""
        until(lambda: len(self._log.read_bytes().splitlines()) >= lines)
        return self._log.read_bytes().splitlines()[-lines:]

    def forget(self) -> None:
        self._log.write_bytes(b"")  # nginx appends


def opened(stack: ExitStack, site: str) -> Door:
    tool_of("nginx", "nginx-light")
    gateway = stack.enter_context(Taking())
    stack.callback(gateway.shutdown)
    ports = {name: free_port() for name in ("http", "https", "status")}
    server = stack.enter_context(temporary(partial(nginx, gateway.port, ports, site)))
    return Door(gateway, ports, server.folder)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Run it as in development, plain and encrypted."""
    with ExitStack() as stack:
        yield opened(stack, "development")


@pytest.fixture(scope="module")
def production() -> Iterator[Door]:
    """Run it as in production, where all is encrypted."""
    with ExitStack() as stack:
        yield opened(stack, "production")


def closing(request: bytes) -> bytes:
    return request + b"Connection: close\r\n\r\n"


def test_t5_nothing_that_a_client_says_of_itself_reaches_the_gateway(door: Door) -> None:
    """T5, T17: fields that count because nginx is believed are nginx' own, or not there."""
    claims = {
        b"X-Forwarded-For": b"6.6.6.6",
        b"X-Forwarded-Proto": b"https",
        b"X-Forwarded-Host": b"evil.example",
        b"X-Forwarded-Prefix": b"/evil",
        b"X-Real-IP": b"6.6.6.6",
        b"X_Forwarded_For": b"6.6.6.6",
        b"Forwarded": b"for=6.6.6.6",
        b"Stagedoor-Deadline-Ms": b"1",
        b"Stagedoor-Attempt": b"3",
        b"Stagedoor-Subject": b"somebody",
        b"X-Admin-Key": b"guessed",
        b"Upgrade": b"websocket",
        b"TE": b"trailers",
    }
    twice = [b"%b: %b\r\n" % claim for claim in claims.items() for _ in range(2)]

    got = door.passed(closing(NOT_FOUND + b"".join(twice)))

    assert sorted(got[1:-2]) == [
        b"Connection: close",
        b"Host: a",
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Proto: http",
    ]


@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.example/a?b",
        b"HTTP://evil.example/a?b",
        b"https://evil.example:8443/a?b",
        b"http://evil.example?b",
        b"http://evil.example",
    ],
)
def test_a_target_that_says_for_whom_it_is_counts_and_host_does_not(door: Door, target: bytes) -> None:
    """RFC 9112 3.2.2: whatever stands behind must not see another host than what chose the way to it."""
    got = door.passed(closing(b"GET %b HTTP/1.1\r\nHost: cinema.example\r\n" % target))
    named = re.search(rb"//([^/?]+)", target)

    assert named is not None
    assert [line for line in got if line.lower().startswith(b"host:")] == [b"Host: " + named[1]]
    assert got[0].split()[1] in {b"/a?b", b"/?b", b"/"}


@pytest.mark.parametrize(
    "path",
    [
        b"http://x/metrics",
        b"/x/..%2fmetrics",
        b"/api/files/..%2F..%2fmetrics",
        b"/%2e%2e/%2e%2e/metrics",
        b"//metrics",
        b"/metrics%0a",
        b"/metrics;x",
        b"/metrics#x",
        b"/API/System//info",
        b"/api/system%2finfo/",
        b"/admin/purge?x",
    ],
)
def test_t16_what_is_for_operators_is_found_in_no_spelling(door: Door, path: bytes) -> None:
    """T16: the gateway does not even hear of it."""
    before = len(door.gateway.heads)
    answer = door.send(closing(b"GET %b HTTP/1.1\r\nHost: a\r\n" % path))

    assert answer.split()[1] in {b"404", b"400"}
    assert b"application/problem+json" in answer
    assert door.gateway.heads[before:] == []


def test_a_line_of_the_log_has_the_id_that_the_gateway_has_answered_with(door: Door) -> None:
    """Issue 15.3: at three in the morning one id finds the request in both logs, whatever a client calls it."""
    door.forget()
    door.send(closing(NOT_FOUND + b"X-Request-ID: a-clients\r\n"))
    refused = door.send(closing(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"))
    first, second = (json.loads(line) for line in door.logged(2))

    assert first["request_id"] == "the-gateways"
    assert f"X-Request-ID: {second['request_id']}\r\n".encode() in refused


@pytest.mark.parametrize(
    "path", [b"/a\xffb", b'/a"b\\c', b"/a%00", b"/a\x7fb", "/фильм".encode(), b"/a?secret\xff"]
)
def test_t15_a_line_of_the_log_is_json_whatever_was_asked_for(door: Door, path: bytes) -> None:
    """T15: nginx escapes quotes and control characters, and leaves octets that are no UTF-8 as they are."""
    door.forget()
    door.send(closing(b"GET %b HTTP/1.1\r\nHost: a\r\n" % path))
    (line,) = door.logged(1)

    assert json.loads(line.decode())["path"] in {"/a", '/a"b\\c', "", "/"}  # "" where it could not be read


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (closing(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n"), b"400"),
        (closing(b"GET / HTTP/1.1\r\n"), b"400"),
        (closing(b"GET / HTTP/1.0\r\n"), b"400"),
        (closing(b"GET /%b HTTP/1.1\r\nHost: a\r\n" % (b"a" * 45_000)), b"414"),
        (closing(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: a\r\n" * 80_000), b"431"),
        (closing(b"TRACE / HTTP/1.1\r\nHost: a\r\n"), b"405"),
    ],
)
def test_h10_the_port_that_only_leads_on_refuses_in_the_same_form(
    production: Door, request_: bytes, status: bytes
) -> None:
    """H10, contract 1.4; RFC 6797 7.2: and it does not speak of encryption to come, in plain text."""
    answer = production.send(request_)

    assert answer.split()[1] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == int(status)
    assert b"application/problem+json" in answer
    assert b"strict-transport-security" not in answer.lower()


def test_what_comes_in_plain_text_is_led_on_and_what_comes_encrypted_is_told_to_stay_so(
    production: Door,
) -> None:
    """RFC 6797 7.2: over TLS alone, on answers of the gateway and on refusals alike."""
    https = production.ports["https"]
    plain = production.send(closing(b"GET /a?b HTTP/1.1\r\nHost: cinema.example\r\n"))
    answered = production.send(closing(NOT_FOUND), port="https")
    refused = production.send(closing(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"), port="https")

    assert plain.split()[1] == b"308"
    assert f"Location: https://cinema.example:{https}/a?b\r\n".encode() in plain
    assert b"Strict-Transport-Security" not in plain
    assert [b"Strict-Transport-Security: max-age=31536000" in one for one in (answered, refused)] == [
        True,
        True,
    ]


def test_development_does_not_bind_localhost_to_tls(door: Door) -> None:
    """RFC 6797 8.3: a browser would take it for every port of this machine."""
    answers = [
        door.send(closing(request), port="https")
        for request in (NOT_FOUND, b"GET /metrics HTTP/1.1\r\nHost: a\r\n")
    ]

    assert [one.split()[1] for one in answers] == [b"200", b"404"]
    assert b"strict-transport-security" not in b"".join(answers).lower()
