"""Faults of every service, in every way: log, metrics and health name the same thing, by the same name."""

import json
from collections.abc import Callable

import orjson
import pytest

from stagedoor import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import ManualClock
from tests.cinema.gateway import services
from tests.cinema.gateway.services import House, answer, known

KINDS: dict[str, type[UpstreamError]] = {
    "unavailable": UpstreamUnavailable,
    "timeout": UpstreamTimeout,
    "garbled": UpstreamGarbled,
}
ASKED: dict[str, tuple[str, Callable[[int], str]]] = {
    "users": ("user_service", lambda number: f"/api/profile/user{number}"),
    "orders": ("order_service", lambda number: f"/api/profile/user{number}"),
    "products": ("product_service", lambda number: f"/api/profile/user{number}"),
    "memes": ("memes_service", lambda number: f"/api/memes?limit={number}"),
    "media": ("media_service", lambda number: f"/api/files/3d8d9bf5-0d90-4353-88ba-4ccc5d2c07f{number}.png"),
    "ghibli": ("ghibli_api", lambda number: f"/movies/?_={number}"),
    "search": ("search", lambda number: f"/api/v1/films/search?query=star{number}"),
}


def products(call: Call[HttpRequest]) -> HttpResponse:
    """Answer a batch, and say that all is well."""
    return known(call) if call.payload.body else answer({"status": "healthy"})


def sicken(house: House, name: str, kind: str) -> None:
    """Let a service fail from now on, in one way."""
    error = KINDS[kind if kind != "hangs" else "timeout"]
    if name == "search":
        house.engine.hangs = kind == "hangs"
        house.engine.failure = None if kind == "hangs" else error("search.query")
    elif kind == "hangs":
        getattr(house, name).hangs()
    else:
        getattr(house, name).fails(error)


@pytest.mark.parametrize("kind", [*KINDS, "hangs"])
@pytest.mark.parametrize("name", ASKED)
async def test_a_fault_has_one_name_and_one_line(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """T15: once a minute for each kind, however many ask; metrics count it, and health says it of the same thing."""
    monkeypatch.setattr(services, "known", products)
    house = House(clock, gateway_rate_limit="0")
    house.well()
    label, path = ASKED[name]
    await house.engine.fill()
    async with house.running.opened():
        await clock.run(house.client.ask(path(1)))
        await clock.advance(61.0)
        sicken(house, name, kind)
        for number in range(2, 8):
            await clock.run(house.client.ask(path(number)))
        metrics = (await house.client.ask("/metrics")).body.decode()
        health = orjson.loads((await clock.run(house.client.ask("/health"))).body)

    lines = [json.loads(line) for line in house.log.getvalue().splitlines()]
    failed = [(one["service"], one["reason"]) for one in lines if one["event"] == "upstream_failed"]
    assert failed == [(label, "timeout" if kind == "hangs" else kind)]
    assert f'service_errors_total{{service_name="{label}"}} 0.0' not in metrics
    assert f'service_errors_total{{service_name="{label}"}}' in metrics
    assert health["components"][label]["status"] == "unhealthy"
    assert {one["cause"].partition(":")[0] for one in lines if one.get("cause")} <= {label}
