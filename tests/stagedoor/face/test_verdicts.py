"""What becomes of a screen whose parts fail: verdicts, defaults, and what is kept of it."""

from typing import Any

import pytest
from pydantic import BaseModel, Field

from stagedoor import Cache, Gateway, OrFallback, tag
from stagedoor.errors import ConfigError
from stagedoor.testing import Reply, Stage


class One(BaseModel):
    name: str = "nobody"


class Screen(BaseModel):
    head: One = One()
    body: One = One(name="default body")
    tail: One = Field(default_factory=lambda: One(name="made"))
    version: int = 2  # no part: a constant


def declared(**options: Any) -> Gateway:
    """Declare a screen of a chain: the body needs the head, the tail takes what stands in for the body."""
    app = Gateway("shop", deadline=1.0)
    heads, bodies, tails = app.service("heads"), app.service("bodies"), app.service("tails")
    screen = app.aggregate("/screen", Screen, **options)

    @screen.part
    async def head() -> One:
        return await heads.get(One, "/")

    @screen.part
    async def body(head: One) -> One:
        return await bodies.get(One, "/{}", head.name)

    @screen.part
    async def tail(body: OrFallback[One]) -> One:
        return await tails.get(One, "/{}", body.name)

    return app


async def ask(app: Gateway, **scripts: Any) -> tuple[Stage, Reply]:
    async with Stage(app) as stage:
        for service in app.services:
            said = scripts.get(service.name, {"name": service.name})
            if said is None:
                stage[service].fails()
            elif said == "hangs":
                stage[service].hangs()
            else:
                stage[service].says(said)
        return stage, await stage.get("/screen")


async def test_asked_and_failed_is_fallback_and_not_asked_is_missing() -> None:
    """P4: with the reason of each; a constant field is what the model says."""
    _, answer = await ask(declared(), bodies=None)

    assert answer.parts == {"head": "fresh", "body": "fallback", "tail": "fresh"}
    assert "body=fallback;reason=unavailable" in answer.header("stagedoor-parts")
    assert answer.read(dict[str, Any]) == {
        "head": {"name": "heads"},
        "body": {"name": "default body"},
        "tail": {"name": "tails"},
        "version": 2,
    }


async def test_a_part_whose_need_failed_is_not_asked_and_the_next_takes_the_default() -> None:
    """P4: missing has its own reason, and OrFallback reaches over it."""
    app = declared()
    heads, bodies, tails = app.services
    stage, answer = await ask(app, heads=None)

    assert answer.parts == {"head": "fallback", "body": "missing", "tail": "fresh"}
    assert "body=missing;reason=depends_on_head" in answer.header("stagedoor-parts")
    assert [len(stage[one].asked) for one in (heads, bodies)] == [2, 0]
    assert [one.path for one in stage[tails].asked] == ["/default%20body"]


async def test_a_tolerant_part_of_one_that_is_late_to_the_very_end_gets_its_own_verdict() -> None:
    """P1: the time is over for it too: it is settled, the answer leaves, and nothing hangs."""
    _, answer = await ask(declared(), bodies="hangs")

    assert answer.status == 200
    assert answer.parts["body"] == "fallback"
    assert answer.read(Screen).body.name == "default body"
    assert answer.parts["tail"] in {"fresh", "fallback"}


async def test_when_nothing_answered_it_is_an_error() -> None:
    """P3: never 200 with nothing but defaults."""
    _, refused = await ask(declared(), heads=None, tails=None)
    _, late = await ask(declared(), heads="hangs", tails="hangs")

    assert (refused.status, late.status) == (503, 504)


@pytest.mark.parametrize("scripts", [{"bodies": None}, {"heads": None}, {"tails": None}])
async def test_a_partial_answer_is_never_kept(scripts: dict[str, Any]) -> None:
    """P1: no-store, and the next request asks again."""
    app = declared(cache=Cache(max_age=60))
    _, answer = await ask(app, **scripts)

    assert answer.header("cache-control") == "no-store"
    assert "stored" not in answer.header("cache-status")


async def test_a_part_made_from_a_fallback_is_not_kept() -> None:
    """What it makes is true of the default only: the next run, which has the real value, asks anew."""
    app = Gateway("shop")
    bodies, tails = app.service("bodies"), app.service("tails")

    class Two(BaseModel):
        body: One = One()
        tail: One = One()

    screen = app.aggregate("/screen", Two)

    @screen.part
    async def body() -> One:
        return await bodies.get(One, "/")

    @screen.part(cache=Cache(max_age=60))
    async def tail(body: OrFallback[One]) -> One:
        return await tails.get(One, "/{}", body.name)

    async with Stage(app) as stage:
        stage[bodies].fails().fails().fails().says({"name": "nobody"})
        stage[tails].says({"name": "first"}, {"name": "second"}, {"name": "third"})

        said = [(await stage.get("/screen")).read(Two).tail.name for _ in range(4)]

        assert said == ["first", "second", "second", "second"]


async def test_a_kept_part_is_cached_beside_fresh_ones() -> None:
    """P4: parts are kept one by one, by their arguments."""
    app = Gateway("shop")
    heads, tails = app.service("heads"), app.service("tails")

    class Two(BaseModel):
        head: One
        tail: One

    screen = app.aggregate("/{name}", Two)

    @screen.part(cache=Cache(max_age=60, tags=["name:{name}"]))
    async def head(name: str) -> One:
        tag("head:{}", name)
        return await heads.get(One, "/{}", name)

    @screen.part
    async def tail(head: One) -> One:
        return await tails.get(One, "/{}", head.name)

    async with Stage(app) as stage:
        stage[heads].says({"name": "h"})
        stage[tails].says({"name": "t"})

        first, again, other = [await stage.get(path) for path in ("/a", "/a", "/b")]
        await stage.running.purge("name:{}", "a")
        purged = await stage.get("/a")

        states = [one.parts["head"] for one in (first, again, other, purged)]
        assert states == ["fresh", "cached", "fresh", "fresh"]
        assert again.parts["tail"] == "fresh"


async def test_a_partial_run_never_replaces_a_whole_answer() -> None:
    """P1, K7: while the whole one may stand in, `stale_before_partial` lets it; else the partial one leaves unkept."""
    for first, state, name in ((False, "fallback", "default body"), (True, "stale", "bodies")):
        app = declared(cache=Cache(max_age=10, stale_if_error=60), stale_before_partial=first)
        async with Stage(app) as stage:
            for service in app.services:
                stage[service].says({"name": service.name})
            whole = await stage.get("/screen")
            stage[app.services[1]].fails()
            await stage.advance(11)

            partial = await stage.get("/screen")

            assert partial.parts["body"] == state
            assert partial.read(Screen).body.name == name
            assert whole.parts["body"] == "fresh"


async def test_a_failed_screen_is_its_last_whole_answer() -> None:
    """K7: stale-if-error, with the age in the verdict and no-store for others."""
    app = declared(cache=Cache(max_age=10, stale_if_error=60))
    async with Stage(app) as stage:
        for service in app.services:
            stage[service].says({"name": service.name})
        await stage.get("/screen")
        for service in app.services:
            stage[service].fails()
        await stage.advance(13)

        answer = await stage.get("/screen")

        assert set(answer.parts.values()) == {"stale"}
        assert answer.header("stagedoor-parts").endswith(";age=3")
        assert answer.header("cache-control") == "no-store"


async def test_a_part_without_a_field_feeds_another() -> None:
    """It has a verdict and no place in the body; what a required part needs is required."""
    app = Gateway("shop")
    heads = app.service("heads")

    class Only(BaseModel):
        body: str

    screen = app.aggregate("/screen", Only)

    @screen.part
    async def raw() -> One:
        return await heads.get(One, "/")

    @screen.part
    async def body(raw: One) -> str:
        return raw.name

    async with Stage(app) as stage:
        stage[heads].says({"name": "x"}, {"name": "y"}).fails(404)

        answer = await stage.get("/screen")
        _ = await stage.get("/screen")
        gone = await stage.get("/screen")

        assert (answer.read(dict[str, str]), set(answer.parts)) == ({"body": "x"}, {"raw", "body"})
        assert gone.status == 404


def test_a_part_without_a_field_that_feeds_nobody_is_refused() -> None:
    """A misspelt name: with what was probably meant."""
    app = Gateway("shop")
    screen = app.aggregate("/screen", Screen)

    @screen.part
    async def heads() -> One:
        return One()

    with pytest.raises(
        ConfigError,
        match=r"test_verdicts\.py:\d+: screen.heads: is neither a field .* did you mean 'head'",
    ):
        app.inspected()


async def test_a_limit_ends_a_part_before_the_screen() -> None:
    """P1: the answer leaves at the part's own deadline, and the cut call is told as a time-out."""
    app = Gateway("shop", deadline=2.0)
    slow, quick = app.service("slow"), app.service("quick")

    class Two(BaseModel):
        a: One = One()
        b: One = One()

    screen = app.aggregate("/screen", Two)

    @screen.part(limit=0.2)
    async def a() -> One:
        return await slow.get(One, "/")

    @screen.part
    async def b() -> One:
        return await quick.get(One, "/")

    async with Stage(app) as stage:
        stage[slow].hangs()
        stage[quick].says({"name": "q"})
        started = stage.clock.now()

        answer = await stage.get("/screen")

        assert stage.clock.now() - started == pytest.approx(0.2, abs=0.011)
        assert "a=fallback;reason=timeout" in answer.header("stagedoor-parts")
