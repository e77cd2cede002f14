"""T15 over real sockets: a secret in any field, cookie, query or body stays with who sent it."""

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canaries import CANARY, attempts, leaks
from tests.live.platform import PATIENT, Platform, until
from tests.otlp import Collector
from tests.servers import LOOPBACK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PATHS = (
    "/api/profile/user123",
    "/api/v1/films",
    "/api/v1/films/search",
    "/v1/persons",
    "/movies/",
    "/movies/2baf70d1-42bb-4437-b551-e5fed5a87abe",
    "/health",
    "/metrics",
    "/docs",
    "/",
    "/nowhere",
)
CRUDE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nX_Secret: %s\r\n\r\n",
    b"GET /?%s HTTP/1.1\r\nHost: %s@evil\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nA: %s\r\n %s\r\n\r\n",
    b"GET /?%s#%s HTTP/1.1\r\nHost: a\r\n\r\n",
    b"%s / HTTP/1.1\r\nHost: a\r\nCookie: %s\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n%s",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " + b"%s" * 6_000 + b"\r\n\r\n",
    b"GET /?" + b"%s" * 4_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"%s\r\n\r\n",
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Give who is sent all traces, and all that Sentry is told."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, demo: str, collector: Collector) -> Iterator[Platform]:
    """Give the platform with all it logs; nothing is indexed, so that the catalogue fails."""
    folder = tmp_path_factory.mktemp("canary")
    places = {"SEARCH_DIR": str(folder / "index"), "LOG_LEVEL": "DEBUG", "GATEWAY_RATE_LIMIT": "900/60"}
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SENTRY_DSN": f"{collector.url.replace('//', '//public@')}/1",
        "SENTRY_TRACES_RATE": "1",
    }
    with Platform(folder, demo, **places, **told, **PATIENT) as platform:
        platform.start("users", "orders", "products", "ghibli", "gateway")
        yield platform


def send(
    connection: http.client.HTTPConnection, method: str, target: str, fields: dict[str, bytes], body: bytes
) -> bytes:
    """Return the body of a problem; nothing of another answer, nor where the door hangs up."""
    try:
        connection.request(method, quote(target, safe="/?=&%+-._~"), body=body or None, headers=fields)
        answer = connection.getresponse()
        said = answer.read()
        return said if answer.headers.get_content_type() == "application/problem+json" else b""
    except (OSError, http.client.HTTPException):
        connection.close()
        return b""


def crude(port: int, text: bytes) -> bytes:
    with socket.create_connection((LOOPBACK, port), timeout=60) as sent:
        try:
            sent.sendall(text.replace(b"%s", CANARY.encode()))
            sent.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sent.recv(65_536), b""))
        except OSError:
            return b""


def test_t15_a_secret_stays_with_who_sent_it(platform: Platform, collector: Collector) -> None:
    """T15, N4: in no problem, metric, line, trace or report of any process, whoever answers or refuses."""
    told: list[bytes] = []
    connection = http.client.HTTPConnection(LOOPBACK, platform.port, timeout=60)
    for path in PATHS:
        for behind, fields, body in attempts(("page_size", "query", "sort", "imdb_rating")):
            method = "POST" if body else "GET"
            said = {name.decode("latin-1"): value for name, value in fields}
            told.append(send(connection, method, path + behind, said, body))
    connection.close()
    answers = [crude(platform.port, text) for text in CRUDE]
    metrics = platform.get("/metrics").body

    assert sum(map(bool, told)) > 300
    assert not [one for one in told if leaks(one)]
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) >= 9
    assert not [one for one in answers if leaks(one)]
    assert not leaks(metrics)
    lines = {log.name: log.read_bytes() for log in Path(platform.folder).glob("*.log")}
    assert len(re.findall(b'"event":"request"', lines["gateway.log"])) > 300
    assert not [name for name, text in lines.items() if leaks(text)]
    until(lambda: len(collector.spans) > 300)
    assert {"cinema", "user-service", "ghibli-service"} <= {name for name, _ in collector.spans}
    assert any(b'"transaction"' in body for body in collector.bodies)
    assert not any(map(leaks, collector.bodies))
