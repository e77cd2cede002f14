"""What every service has, and what happens to every request."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cinema.services.orders import app as orders_app
from cinema.services.products import app as products_app
from cinema.services.users import app as users_app
from cinema.settings import Settings
from stagedoor import _problems as problems
from tests.cinema.services.asking import Asker, started


def lines(log: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


APPS = {"user-service": users_app, "order-service": orders_app, "product-service": products_app}


@pytest.mark.parametrize("name", APPS)
async def test_every_service_says_what_it_is(sqlite_url: str, log: io.BytesIO, name: str) -> None:
    """Contract 11: about page, health and metrics."""
    async with started(APPS[name].build(Settings(database_url=sqlite_url), stream=log)) as ask:
        about, health, metrics = await ask("/"), await ask("/health"), await ask("/metrics")

    assert about.json["name"] == name
    assert "GET /health" in about.json["endpoints"]
    assert health.json == {"status": "healthy", "service": name}
    assert metrics.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:////nowhere/at/all.db", "postgresql+asyncpg://nobody@127.0.0.1:1/none"]
)
async def test_health_asks_the_database(log: io.BytesIO, url: str) -> None:
    """Contract 8: never "healthy" without having asked; contract 1.4: 503 carries Retry-After, the log says why."""
    async with started(users_app.build(Settings(database_url=url), stream=log)) as ask:
        replies = [await ask("/health"), await ask("/users/user123")]

    assert [(reply.status, reply.headers["retry-after"]) for reply in replies] == [(503, "1")] * 2
    assert {reply.json["detail"] for reply in replies} == {"the database does not answer"}
    told = [line for line in lines(log) if line["event"] == "store_failed"]
    assert [(line["service"], line["level"], line["reason"]) for line in told] == [
        ("database", "WARNING", "unavailable")
    ]
    assert told[0]["detail"] in {
        "its file is not there, or cannot be opened by this user",
        "refused the connection",
    }
    assert told[0]["request_id"] == replies[0].headers["x-request-id"]


async def test_a_database_without_tables_is_not_healthy(log: io.BytesIO, tmp_path: Path) -> None:
    """A service started before the migrations must not be sent requests."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    async with started(users_app.build(Settings(database_url=url), stream=log)) as ask:
        health, user = await ask("/health"), await ask("/users/user123")

    assert (health.status, user.status) == (503, 500)
    assert user.json["detail"] == "something went wrong on our side"


@pytest.mark.parametrize("path", ["/", "/health", "/users", "/users/user123", "/metrics"])
async def test_both_slash_forms_and_head_answer_alike(users: Asker, path: str) -> None:
    """Contract 1.2: no redirect, and HEAD wherever GET."""
    bare, slashed, head = await users(path), await users(path.rstrip("/") + "/"), await users(path, "HEAD")

    assert (bare.status, slashed.status, head.status) == (200, 200, 200)
    assert path == "/metrics" or bare.body == slashed.body
    assert head.body == b""
    assert path == "/metrics" or head.headers["content-length"] == bare.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/users/user123", 405, "method-not-allowed"),
        ("BREW", "/users", 405, "method-not-allowed"),
        ("GET", "/users?limit=0", 422, "validation"),
        ("GET", "/users?limit=1001", 422, "validation"),
        ("GET", "/users?offset=x", 422, "validation"),
        ("GET", "/users/%00", 422, "validation"),
        ("GET", f"/users/{'x' * 129}", 422, "validation"),
        ("GET", "/users//", 422, "validation"),
    ],
)
async def test_h10_every_refusal_is_a_problem(
    users: Asker, method: str, path: str, status: int, kind: str
) -> None:
    """H10 and contract 1.4: one form, whoever refuses."""
    reply = await users(path, method)

    assert (reply.status, reply.json["status"]) == (status, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["type"] == f"urn:problem-type:cinema:{kind}"
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    assert isinstance(reply.json["detail"], str)
    assert status != 405 or reply.headers["allow"] == "GET, HEAD"
    assert status != 422 or reply.json["errors"][0]["loc"][0] in {"path", "query"}


@pytest.mark.parametrize(
    ("given", "kept"), [("a-Z.9_", True), ("", False), ("a b", False), ("x" * 129, False)]
)
async def test_a_request_id_is_kept_if_it_is_one(users: Asker, given: str, kept: bool) -> None:
    """Contract 17: anything else is replaced."""
    reply = await users("/health", headers={"X-Request-ID": given})

    assert (reply.headers["x-request-id"] == given) is kept
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_every_request_is_one_log_line(sqlite_url: str, log: io.BytesIO) -> None:
    """Contract 15: with the id and the trace of the request, the template for a route, and who speaks."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "abc", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}

    async with started(users_app.build(Settings(database_url=sqlite_url), stream=log)) as ask:
        await ask("/users/user123?token=canary", headers=headers)
        await ask("/metrics")
    (line,) = lines(log)

    assert line.pop("timestamp")
    assert line.pop("duration_ms") > 0
    assert line == {
        "level": "INFO",
        "event": "request",
        "request_id": "abc",
        "trace_id": trace,
        "method": "GET",
        "route": "/users/{user_id}",
        "status": 200,
        "service": "user-service",
    }


async def test_t21_a_fault_of_ours_is_told_to_the_log_alone(log: io.BytesIO, tmp_path: Path) -> None:
    """T21: the caller learns nothing of it; the log says what failed, where, and in which request."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    async with started(users_app.build(Settings(database_url=url), stream=log)) as ask:
        reply = await ask("/users/user123")
    (fault,) = (line for line in lines(log) if line["event"] == "log")

    assert reply.json["detail"] == "something went wrong on our side"
    assert (fault["message"], fault["level"]) == ("/users/{user_id} failed", "ERROR")
    assert fault["error"].startswith("OperationalError < ")
    assert fault["request_id"] == reply.headers["x-request-id"]


async def test_t16_random_paths_and_methods_add_no_series(users: Asker) -> None:
    """T16: labels are templates; a metric that grows with its callers is a way to kill its reader."""
    await users("/users/first")
    await users("/nowhere", "BREW")
    before = (await users("/metrics")).body.count(b"http_requests_total{")
    for number in range(50):
        await users(f"/users/{number}")
        await users(f"/nowhere/{number}", f"M{number}")
    after = (await users("/metrics")).body

    assert after.count(b"http_requests_total{") == before
    assert b'endpoint="/metrics"' not in after
    assert b"http_active_requests 0.0" in after
    assert b"process_resident_memory_bytes" in after
    assert b"upstream" not in after


async def test_what_the_door_refuses_is_counted(sqlite_url: str, log: io.BytesIO) -> None:
    """Contract 15: each request counts once, also one that never came as far as the service."""
    service = users_app.build(Settings(database_url=sqlite_url), stream=log)
    async with started(service) as ask:
        service.refused(problems.uri_too_long(), "abc")
        page = (await ask("/metrics")).body

    assert b'http_requests_total{endpoint="unmatched",method="OTHER",status="414"} 1.0' in page
    assert [(line["status"], line["request_id"]) for line in lines(log)] == [(414, "abc")]
