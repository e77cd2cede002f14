"""A proxy that demands a user and a password, in front of a search node that has no security plugin."""

import base64
import contextlib
import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.servers import LOOPBACK

__all__ = ["Gate", "checking"]

_PASSED_ON = ("content-type", "accept")


class Gate(ThreadingHTTPServer):
    """Pass on to a port of this machine what brings `expected` as its authorization."""

    daemon_threads = True

    def __init__(self, port: int, user: str, password: str) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.behind = port
        self.expected = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self.passed = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One connection to the gate."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # a client that has gone
            self.close_connection = True

    def answer(self) -> None:
        gate = self.server
        assert isinstance(gate, Gate)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.headers.get("authorization") != gate.expected:
            self.reply(401, "text/plain", b"Unauthorized")
            return
        gate.passed += 1
        self.reply(*self.ask(gate.behind, body))

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - what the base class calls

    def ask(self, port: int, body: bytes) -> tuple[int, str, bytes]:
        kept = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        line = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
        try:
            line.request(self.command, self.path, body, kept)
            found = line.getresponse()
            return found.status, found.headers.get("content-type", "text/plain"), found.read()
        except (OSError, http.client.HTTPException):
            return 502, "text/plain", b""
        finally:
            line.close()

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="search"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextlib.contextmanager
def checking(port: int, user: str, password: str) -> Iterator[Gate]:
    """Stand before a port until the end of the block."""
    with Gate(port, user, password) as gate:
        Thread(target=gate.serve_forever, daemon=True).start()
        yield gate
        gate.shutdown()
