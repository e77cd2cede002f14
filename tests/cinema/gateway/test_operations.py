"""CONTRACTS 8: what operators ask."""

import orjson
import pytest

from cinema.gateway.operations.start import prefers_html
from stagedoor._requests import HttpResponse
from stagedoor.errors import UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import House

FINE = HttpResponse(status=200)


async def test_health_asks_every_service(clock: ManualClock) -> None:
    """Each component with its state; the flat list says the same; the gateway itself serves, so 200."""
    house = House(clock)
    house.users.then(FINE)
    house.orders.fails(UpstreamUnavailable)
    house.products.then(FINE)
    house.memes.then(FINE)
    house.media.then(FINE)
    house.ghibli.then(FINE)

    answered = await house.client.ask("/health")

    said = orjson.loads(answered.body)
    assert (answered.status, said["status"], said["service"]) == (200, "degraded", "api-gateway")
    assert said["timestamp"] == "2026-01-05T10:00:00+00:00"
    assert said["services"] == {
        "user_service": "healthy",
        "order_service": "unhealthy",
        "product_service": "healthy",
        "memes_service": "healthy",
        "media_service": "healthy",
        "database": "healthy",
        "ghibli_api": "healthy",
        "search": "unhealthy",  # nothing was indexed yet
    }
    assert said["cache"] == {"type": "in_memory", "status": "healthy"}


async def test_a_service_that_hangs_does_not_take_the_health_of_the_others_along(clock: ManualClock) -> None:
    """Contract: 200 as long as the gateway serves; a probe takes a second, more than a screen has in all."""
    house = House(clock)
    house.users.then(FINE)
    house.orders.hangs()
    house.products.then(FINE)
    house.memes.then(FINE)
    house.media.then(FINE)
    house.ghibli.then(FINE)

    answered = await clock.run(house.client.ask("/health"))

    said = orjson.loads(answered.body)
    assert (answered.status, said["status"]) == (200, "degraded")
    assert (said["services"]["user_service"], said["services"]["order_service"]) == ("healthy", "unhealthy")


async def test_health_probes_count_as_no_service_errors(clock: ManualClock) -> None:
    """Nor do they open a breaker."""
    house = House(clock).well()
    for _ in range(10):
        house.users.fails(UpstreamUnavailable)
    for _ in range(8):
        await house.client.ask("/health")
        await clock.advance(3.0)

    metrics = (await house.client.ask("/metrics")).body

    assert b'service_errors_total{service_name="user_service"} 0.0' in metrics
    assert b'circuit_breaker_state{service_name="user_service"} 0.0' in metrics
    assert b'etl_documents_total{index="movies"} 0.0' in metrics
    assert b"# TYPE etl_lag_seconds gauge" in metrics


async def test_live_touches_nothing_and_ready_waits_for_the_start(clock: ManualClock) -> None:
    """Not started yet: alive, not ready."""
    house = House(clock)

    live, ready = await house.client.ask("/health/live"), await house.client.ask("/health/ready/")
    house.gateway.ready = True
    then = await house.client.ask("/health/ready")

    assert orjson.loads(live.body) == {"status": "alive"}
    assert (ready.status, ready.header(b"retry-after")) == (503, b"1")
    assert orjson.loads(then.body) == {"status": "ready"}


async def test_t16_metrics_count_templates_and_bound_everything_else(clock: ManualClock) -> None:
    """T16: random paths, methods and ids add no series after the first of their kind."""
    house = House(clock).well()
    for target in ("/api/profile/user123", "/api/profile/%00", "/nowhere"):
        await house.client.ask(target)
    await house.client.ask("/nowhere", method="BREW")
    before = (await house.client.ask("/metrics")).body.count(b"\n")
    for number in range(50):
        await house.client.ask(f"/nowhere/{number}", method=f"M{number}")
        await house.client.ask(f"/api/profile/%00{number}")

    after = (await house.client.ask("/metrics")).body

    assert after.count(b"\n") == before
    assert b'endpoint="/api/profile/{user_id}",method="GET",status="200"' in after
    assert b'cache_misses_total{cache_type="memory"} 1.0' in after
    assert b"aggregation_duration_seconds_count 1.0" in after
    assert b"http_active_requests 0.0" in after


async def test_cache_stats_hide_whose_profiles_are_kept(clock: ManualClock) -> None:
    """T15: user ids are hashed."""
    house = House(clock).well()
    await house.profile()

    said = orjson.loads((await house.client.ask("/api/cache/stats")).body)

    assert (said["cache_type"], said["status"], said["stats"]["cached_items"]) == ("in_memory", "active", 1)
    assert said["stats"]["keys"][0].startswith("profile:")
    assert "user123" not in said["stats"]["keys"][0]


async def test_x1_the_system_page_counts_what_must_return_to_rest(clock: ManualClock) -> None:
    """X1: at rest all counts are zero."""
    house = House(clock).well()
    await house.profile()

    said = orjson.loads((await house.client.ask("/api/system/info")).body)

    assert set(said) == {"system", "process", "api_gateway", "runtime"}
    counts = {name: said["runtime"][name] for name in ("requests", "flights", "permits", "probes")}
    assert counts == dict.fromkeys(counts, 0)
    assert said["api_gateway"]["redis_connected"] is False
    assert [type(said["process"][name]) for name in ("pid", "threads", "connections")] == [int, int, int]


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (b"text/html,application/xhtml+xml,*/*;q=0.8", True),
        (b"*/*", False),
        (b"", False),
        (b"application/json", False),
        (b"text/html;q=0.5, application/json", False),
        (b"text/*", True),
        (b"text/html;q=junk", False),
    ],
)
def test_the_start_page_goes_to_browsers(accept: bytes, page: bool) -> None:
    """RFC 9110 12.5.1: whoever ranks HTML above JSON."""
    assert prefers_html(accept) == page


async def test_the_start_answer_lists_what_there_is(clock: ManualClock) -> None:
    """As JSON for programs, as a page for people; caches must tell them apart."""
    house = House(clock)

    data = await house.client.ask("/")
    page = await house.client.ask("/", headers=((b"accept", b"text/html"),))

    said = orjson.loads(data.body)
    assert {"message", "service", "version", "date", "monitoring", "endpoints", "docs"} == set(said)
    assert "GET /api/profile/{user_id}" in said["endpoints"]
    assert data.header(b"vary") == page.header(b"vary") == b"Accept, Accept-Encoding"
    assert b"/api/profile/user123" in page.body
    assert b"overflow-wrap: anywhere" in page.body  # long calls stay inside their box


@pytest.mark.parametrize(
    ("path", "under"),
    [("/openapi.json", "/"), ("/api/openapi.json", "/api/"), ("/v1/openapi.json", "/v1/")],
)
async def test_each_document_shows_its_dialect(clock: ManualClock, path: str, under: str) -> None:
    """Every path in it is under its prefix."""
    said = orjson.loads((await House(clock).client.ask(path)).body)

    assert all(one.startswith(under) for one in said["paths"])


async def test_docs_only_serves_documents_and_says_so_elsewhere(clock: ManualClock) -> None:
    """No upstream is touched; data routes are 503 docs-only."""
    house = House(clock, docs_only=True)
    house.gateway.ready = True

    told = {
        path: (await house.client.ask(path)).status
        for path in ("/", "/docs", "/redoc", "/api/docs", "/api/openapi", "/api/redoc", "/v1/docs", "/health")
    }
    data = await house.profile()

    assert set(told.values()) == {200}
    assert (data.status, orjson.loads(data.body)["type"]) == (503, "urn:problem-type:cinema:docs-only")
    assert house.users.calls == []
