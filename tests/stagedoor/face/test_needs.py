"""Screens that need a part: its failure is the answer's, and what is kept ends or stands in."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Gateway, NotFound, Problem
from stagedoor.errors import UpstreamTimeout
from stagedoor.testing import Stage


class One(BaseModel):
    name: str = "nobody"


class Needing(BaseModel):
    head: One
    body: One = One()


def needing() -> Gateway:
    app = Gateway("shop")
    heads, bodies = app.service("heads"), app.service("bodies")
    screen = app.aggregate(
        "/screen", Needing, cache=Cache(max_age=10, stale_if_error=600, stale_while_revalidate=0)
    )

    @screen.part
    async def head() -> One:
        found = await heads.get(One, "/")
        if found.name == "gone":
            raise NotFound("it has left")
        if found.name == "broken":
            raise Problem(503, "not today", retry_after=7)
        return found

    @screen.part
    async def body() -> One:
        return await bodies.get(One, "/")

    return app


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        (404, 404),
        (410, 404),
        (400, 502),
        (401, 502),
        (403, 502),
        (409, 502),
        (429, 503),
        (500, 503),
        (503, 503),
    ],
)
async def test_a_required_part_decides_the_status(status: int, seen: int) -> None:
    """P2, P8: gone is 404; other refusals are ours to explain (502); 429 and outages are 503."""
    app = needing()
    heads, bodies = app.services
    async with Stage(app) as stage:
        stage[heads].fails(status)
        stage[bodies].says({"name": "b"})

        answer = await stage.get("/screen")

        assert answer.status == seen
        assert answer.header("content-type") == "application/problem+json"


async def test_a_problem_of_a_part_ends_what_is_kept() -> None:
    """K9: 4xx is what there is to say now; a 5xx lets the old answer stand in."""
    app = needing()
    heads, bodies = app.services
    async with Stage(app) as stage:
        stage[heads].says({"name": "a"}, {"name": "broken"}, {"name": "gone"}, {"name": "broken"})
        stage[bodies].says({"name": "b"})

        seen = []
        for _ in range(4):
            answer = await stage.get("/screen")
            seen.append((answer.status, answer.header("cache-status").rpartition("detail=")[2]))
            await stage.advance(11)

        assert [status for status, _ in seen] == [200, 200, 404, 503]
        assert seen[1][1] == "stale"


async def test_a_problem_says_its_detail_and_members() -> None:
    """RFC 9457 3.2: further members, and no Retry-After that nobody gave."""
    app = needing()
    heads, bodies = app.services
    async with Stage(app) as stage:
        stage[heads].says({"name": "broken"})
        stage[bodies].says({"name": "b"})

        answer = await stage.get("/screen")
        said = answer.read(dict[str, Any])

        assert (said["status"], said["detail"], said["retry_after"]) == (503, "not today", 7)
        assert said["type"] == "urn:problem-type:shop:upstream-unavailable"


async def test_nothing_is_left_behind_by_a_screen_that_failed() -> None:
    """P2: siblings of a required part that failed are cancelled."""
    app = needing()
    heads, bodies = app.services
    async with Stage(app) as stage:
        stage[heads].fails(404)
        stage[bodies].hangs()
        before = len(asyncio.all_tasks())

        await stage.get("/screen")

        assert len(asyncio.all_tasks()) == before


async def test_a_screen_without_the_web_raises_what_its_parts_raise() -> None:
    """`run`: the value and verdicts, or the problem and the error themselves."""
    app = needing()
    heads, bodies = app.services
    [screen] = app.aggregates
    async with Stage(app) as stage, stage.running.request():
        stage[heads].says({"name": "a"}, {"name": "gone"}).hangs()
        stage[bodies].says({"name": "b"})

        result = await stage.run(screen.run())
        await stage.advance(11)
        with pytest.raises(NotFound):
            await stage.run(screen.run())
        with pytest.raises(UpstreamTimeout):
            await stage.run(screen.run())

        assert (result.value.head.name, result.complete, result.parts["head"].state) == ("a", True, "fresh")
