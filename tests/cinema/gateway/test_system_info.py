"""What is measured of the machine: bounded, however many ask, and whatever else goes on there."""

import asyncio
import socket

import pytest

from cinema.gateway.operations import system
from cinema.gateway.operations.system import Measured


async def test_o3_many_who_ask_at_once_measure_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """O3: under overload each measurement takes the time of an answer; a second later there is a new one."""
    measured, now = 0, 0.0

    def count(_: object) -> system.Figures:
        nonlocal measured
        measured += 1
        return {"cpu_percent": float(measured)}, {}

    monkeypatch.setattr(system, "_measured", count)
    machine = Measured()
    first = await asyncio.gather(*(machine.figures(lambda: now) for _ in range(50)))
    now = 1.0
    second = await machine.figures(lambda: now)

    assert {figures[0]["cpu_percent"] for figures in first} == {1.0}
    assert second[0]["cpu_percent"] == 2.0


async def test_the_sockets_of_others_are_not_counted() -> None:
    """O3: the system's tables list those of the whole machine, which takes seconds where there are many."""
    before = (await Measured().figures(lambda: 0.0))[1]["connections"]
    with socket.socket(), socket.socket():
        after = (await Measured().figures(lambda: 0.0))[1]["connections"]

    assert after == before + 2
