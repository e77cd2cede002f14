"""The composition root: what is opened with the gateway, and closed with it."""

import asyncio
import logging
from typing import Any

import pytest

from cinema.settings import Settings, SettingsError, load
from stagedoor._observers.sentry import Sentry
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import House

DSN = "https://public@127.0.0.1:9/1"  # nobody listens there


class Life:
    """The gateway's lifespan, from its start to its end."""

    def __init__(self, house: House) -> None:
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        self._orders: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(
            house.gateway({"type": "lifespan"}, self._orders.get, self._said.put)
        )

    async def order(self, kind: str) -> str:
        self._orders.put_nowait({"type": f"lifespan.{kind}"})
        said: str = (await self._said.get())["type"]
        return said


def sinks() -> list[logging.Handler]:
    return [one for one in logging.getLogger("stagedoor").handlers if isinstance(one, Sentry)]


async def test_errors_are_told_to_sentry_while_the_gateway_lives(clock: ManualClock, tmp_path: Any) -> None:
    """CONTRACTS 16: with a DSN; before the start and after the end nothing is heard."""
    pytest.importorskip("sentry_sdk")
    life = Life(House(clock, sentry_dsn=DSN, search_dir=tmp_path))
    before = sinks()
    started = await life.order("startup")
    during = sinks()
    ended = await life.order("shutdown")

    assert (started, ended) == ("lifespan.startup.complete", "lifespan.shutdown.complete")
    assert (len(before), len(during), len(sinks())) == (0, 1, 0)


async def test_without_a_dsn_nobody_is_told(clock: ManualClock, tmp_path: Any) -> None:
    """Empty is off: the package is not even loaded for it."""
    life = Life(House(clock, search_dir=tmp_path))
    await life.order("startup")
    during = sinks()
    await life.order("shutdown")

    assert during == []


def test_a_dsn_without_the_package_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONTRACTS 16: one line that names the variable and what to install; the key in it is not repeated."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SENTRY_DSN", DSN)
    monkeypatch.setattr("cinema.setting_values.find_spec", lambda _: None)

    with pytest.raises(SettingsError) as caught:
        load(None)

    assert str(caught.value) == (
        "SENTRY_DSN: must have the package sentry-sdk beside it: pip install stagedoor[sentry]"
    )
