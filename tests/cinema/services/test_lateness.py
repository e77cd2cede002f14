"""What a service stands on is named while it is late."""

import asyncio
from typing import Any

import pytest

from cinema.services import lateness
from cinema.services.lateness import WatchedDatabase, told_when_late


class Slow:
    """A database that answers after so many turns of the loop."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.closed = False

    async def read(self, work: Any) -> Any:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        return work

    write = read

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("turns", "expected"), [(0, []), (5, ["late", "late"])])
async def test_f6_a_database_that_is_late_is_told_of_before_it_fails(
    monkeypatch: pytest.MonkeyPatch, turns: int, expected: list[str]
) -> None:
    """F6: who asked has left by the time that it fails, and the log named the service alone."""
    monkeypatch.setattr(lateness, "_LATE", 0.0)
    told: list[str] = []
    slow = Slow(turns)
    database = WatchedDatabase(slow, lambda: told.append("late"))
    found: Any = [await database.read("read"), await database.write("written")]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await database.close()

    assert (found, told, slow.closed) == (["read", "written"], expected, True)


async def test_f6_what_ends_in_time_is_not_told_of() -> None:
    """F6: also not later."""
    told: list[str] = []
    with told_when_late(lambda: told.append("late")):
        await asyncio.sleep(0)

    assert told == []
