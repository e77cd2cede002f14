"""What operators see from outside: paths, documents without a platform, and logs that belong together."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.platform import PATIENT, SERVICES, Platform, Program, ask, until

pytestmark = [pytest.mark.xdist_group("operations"), pytest.mark.slow, pytest.mark.timeout(400)]

DOCUMENTS = (
    "/docs",
    "/redoc",
    "/openapi.json",
    "/api/docs",
    "/api/openapi",
    "/api/redoc",
    "/api/openapi.json",
    "/v1/docs",
    "/v1/openapi.json",
)
ALIVE = ("/", "/health", "/health/live", "/health/ready")
DATA = ("/metrics", "/api/cache/stats", "/api/system/info", "/api/profile/user123")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, demo: str) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("operations"), demo, **PATIENT) as platform:
        platform.start()
        yield platform


@pytest.mark.parametrize("path", [*ALIVE, *DOCUMENTS, *DATA])
def test_every_path_has_head_and_the_other_slash_and_refuses_the_rest(platform: Platform, path: str) -> None:
    """Contract 1.2: one trailing slash more or less is the same path, without a redirect; HEAD beside GET; 405."""
    other = path.removesuffix("/") + "/" if path != "/" else path
    answers = [ask(platform.port, one, method) for one in (path, other) for method in ("GET", "HEAD")]
    refused = ask(platform.port, path, "DELETE")

    assert [one.status for one in answers] == [200] * 4
    assert len({one.headers["content-type"] for one in answers}) == 1
    assert [bool(one.body) for one in answers] == [True, False, True, False]
    assert all("x-request-id" in one.headers for one in answers)
    assert all(one.headers["x-content-type-options"] == "nosniff" for one in answers)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def the_line_of(request_id: str, program: Program) -> dict[str, Any]:
    """Return the one line about a request, once it has been written."""
    until(lambda: lines_of(request_id, program), program.says)
    (line,) = lines_of(request_id, program)
    return line


def lines_of(request_id: str, program: Program) -> list[dict[str, Any]]:
    return [line for line in program.lines() if line.get("request_id") == request_id]


def test_one_request_has_one_id_in_the_logs_of_all_processes(platform: Platform) -> None:
    """Contract 15 and 17: one JSON object a line, the fields of the contract, the same id and trace everywhere."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    said = {"X-Request-ID": "acceptance-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}

    answer = ask(platform.port, "/api/profile/user456", headers=said)

    assert answer.headers["x-request-id"] == "acceptance-1"
    for name in ("gateway", *SERVICES):
        line = the_line_of("acceptance-1", platform[name])
        assert line.keys() >= {"timestamp", "level", "event", "method", "route", "status", "duration_ms"}
        assert line["trace_id"] == trace
        assert line["status"] == 200
        assert "user456" not in str(line)
        assert "anna@example.com" not in platform[name].says()


def test_an_outage_is_told_with_service_attempt_and_reason(tmp_path: Path) -> None:
    """Contract 15: upstream events name them; nothing but JSON is on standard output or standard error."""
    with Platform(tmp_path, **PATIENT) as platform:
        platform.start("gateway")
        assert platform.get("/api/profile/user123").status == 503
        gateway = platform["gateway"]
        until(lambda: failures(gateway), gateway.says)
        lines = failures(gateway)

    assert {line["service"] for line in lines} >= {"user_service"}
    assert {line["reason"] for line in lines} == {"unavailable"}
    assert {line["attempt"] for line in lines} <= {1, 2}
    assert all(line["request_id"] for line in lines)


def failures(gateway: Program) -> list[dict[str, Any]]:
    return [line for line in gateway.lines() if line["event"] == "upstream_failed"]


@pytest.mark.parametrize("options", [(), ("--reload",)], ids=["plain", "reload"])
def test_documents_alone_under_a_plain_server(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Contract 8: `DOCS_ONLY=true uvicorn <module>:app --reload` with nothing else there; data routes are 503."""
    with Platform(tmp_path, DOCS_ONLY="true") as platform:
        server = [sys.executable, "-m", "uvicorn", "cinema.gateway.app:app", "--port", str(platform.port)]
        program: Program = platform.run("gateway", *server, *options)
        found = {path: platform.get(path) for path in (*ALIVE, *DOCUMENTS)}
        data = platform.get("/api/profile/user123")

    assert program.code is not None
    assert {path: one.status for path, one in found.items()} == dict.fromkeys(found, 200)
    assert data.status == 503
    assert data.headers["content-type"] == "application/problem+json"
    assert data.json()["type"] == "urn:problem-type:cinema:docs-only"
    assert int(data.headers["retry-after"]) >= 1
    assert not any(
        re.search(rb"""(?:src|href)=["']?(?:https?:)?//""", found[path].body)
        for path in found
        if "json" not in path
    )
