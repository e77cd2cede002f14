"""Calls that begin late: what others have used up of the time speaks against none but them."""

import pytest
from pydantic import BaseModel

from stagedoor import Gateway
from stagedoor._events import BreakerMoved
from stagedoor.testing import Stage


class Home(BaseModel):
    first: int = 0
    second: int = 0


app = Gateway("shop", deadline=1.0)
slow = app.service("slow")
quick = app.service("quick")
home = app.aggregate("/home", Home)


@home.part
async def first() -> int:
    return await slow.get(int, "/first")


@home.part
async def second(first: int) -> int:
    return await quick.get(int, "/second")


@app.get("/both")
async def both() -> int:
    return await slow.get(int, "/first") + await quick.get(int, "/second")


@app.get("/quick")
async def alone() -> int:
    return await quick.get(int, "/second")


@pytest.mark.parametrize("path", ["/home", "/both"])
async def test_d5_a_slow_service_opens_no_breaker_of_one_that_is_asked_after_it(path: str) -> None:
    """D5: five calls with 20 to 60 ms left took a service of 100 ms away from everybody."""
    async with Stage(app) as stage:
        for _ in range(8):
            stage[slow].after(5.0).says(1).after(0.44).says(1)  # late, and repeated with success
        stage[quick].after(0.1).says(2)
        for _ in range(8):
            await stage.get(path)

        assert len(stage[quick].asked) == 8
        assert (await stage.get("/quick")).status == 200
        assert [one for one in stage.events.of(BreakerMoved) if one.operation.startswith("quick")] == []


async def test_c7_one_that_is_silent_for_a_whole_attempt_opens_its_own() -> None:
    """C7: what had all its time and was not answered counts as ever."""
    async with Stage(app) as stage:
        stage[quick].hangs()
        for _ in range(5):
            await stage.get("/quick")

        assert [(one.operation, one.after) for one in stage.events.of(BreakerMoved)] == [
            ("quick.GET /second", "open")
        ]
