"""Stand-ins for whatever stands behind the platform: each answers what a test tells it to."""

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from typing import Any, TypeAlias

from tests.servers import LOOPBACK

__all__ = ["Talk", "answering", "http", "speaking"]

Talk: TypeAlias = Callable[[bytes], bytes]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def speaking(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer each piece of every conversation; yield the port."""

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                shown: Any = self.request if tls is None else tls.wrap_socket(self.request, server_side=True)
                with shown as line:
                    while piece := line.recv(65_536):
                        line.sendall(talk(piece))
                        if b"Connection: close" in piece and talk(piece):
                            return

    with _Server((LOOPBACK, 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def http(status: int, body: Mapping[str, object], at: float | None = None) -> bytes:
    """Write an answer; `at` is what its sender takes the time for."""
    text = json.dumps(body).encode()
    date = "" if at is None else f"Date: {formatdate(at, usegmt=True)}\r\n"
    head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\n{date}Connection: close\r\n\r\n"
    return head.encode() + text


@contextmanager
def answering(status: int, body: Mapping[str, object], at: float | None = None) -> Iterator[str]:
    """Answer every request in the same way; yield the address."""
    with speaking(lambda _: http(status, body, at)) as port:
        yield f"http://{LOOPBACK}:{port}"
