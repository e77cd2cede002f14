"""Sources of one's own: an `async def` behind policies, as a service is."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Cache, Cookie, Gateway, NotFound, Problem
from stagedoor._events import AttemptEnded
from stagedoor.errors import CircuitOpen, ConfigError, UpstreamTimeout, UpstreamUnavailable
from stagedoor.testing import Client, Stage


class Entry(BaseModel):
    amount: int


class Rows:
    """What a library of the user's own would do."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.error: Exception | None = None

    async def find(self, name: str) -> list[Entry]:
        self.called.append(name)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [Entry(amount=len(name))]


def shop(rows: Rows, **options: Any) -> tuple[Gateway, Any]:
    app = Gateway("shop", deadline=1.0)

    @app.source(**options)
    async def ledger(name: str, *, page: int = 1) -> list[Entry]:
        return await rows.find(name)

    return app, ledger


async def test_a_source_is_told_like_a_service() -> None:
    """An event for each attempt: metrics and health know it by its name."""
    app, ledger = shop(Rows())
    async with Stage(app) as stage, stage.running.request():
        assert await stage.run(ledger("abc")) == [Entry(amount=3)]
        assert [one.operation for one in stage.events.of(AttemptEnded)] == ["ledger.call"]


@pytest.mark.parametrize(("safe", "times"), [(True, 2), (False, 1)])
async def test_only_a_safe_source_is_repeated(safe: bool, times: int) -> None:
    """R1: the world's failure is an outage, with its type only (T15)."""
    rows = Rows()
    rows.error = ConnectionError("password=secret")
    app, ledger = shop(rows, safe=safe)
    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(UpstreamUnavailable) as caught:
            await stage.run(ledger("abc"))

        assert (len(rows.called), caught.value.detail) == (times, "ConnectionError")


@pytest.mark.parametrize(("safe", "times"), [(True, 1), (False, 2)])
async def test_only_a_safe_source_is_joined(safe: bool, times: int) -> None:
    """K4: and each gets a value of its own."""
    rows = Rows()
    app, ledger = shop(rows, safe=safe)
    async with Stage(app) as stage, stage.running.request():
        one, other = await stage.run(asyncio.gather(ledger("abc"), ledger("abc")))
        one[0].amount = 9

        assert (len(rows.called), other[0].amount) == (times, 3)


async def test_different_arguments_are_different_questions() -> None:
    """T6: by name or position, with defaults filled in."""
    rows = Rows()
    app, ledger = shop(rows, safe=True, cache=Cache(max_age=60))
    async with Stage(app) as stage, stage.running.request():
        for given in (
            (("a",), {}),
            ((), {"name": "a"}),
            (("a",), {"page": 1}),
            (("a",), {"page": 2}),
            (("b",), {}),
        ):
            await stage.run(ledger(*given[0], **given[1]))

        assert rows.called == ["a", "a", "b"]


async def test_values_of_two_types_are_two_questions() -> None:
    """T6: though both are written alike."""
    called: list[object] = []
    app = Gateway("shop")

    @app.source(safe=True, cache=Cache(max_age=60))
    async def ledger(name: str | Decimal) -> int:
        called.append(name)
        return 1

    async with Stage(app) as stage, stage.running.request():
        for name in ("1", Decimal(1), "1"):
            await stage.run(ledger(name))

        assert called == ["1", Decimal(1)]


async def test_an_argument_that_no_key_can_hold_is_a_mistake_with_its_place() -> None:
    """A connection, say: it is no question."""
    app = Gateway("shop")

    @app.source(safe=True)
    async def ledger(connection: object) -> int:
        return 1

    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(TypeError, match=r"ledger is kept or joined by its arguments: "):
            await stage.run(ledger(object()))


async def test_a_kept_value_is_dropped_by_its_tags() -> None:
    """Tags name the function's arguments."""
    rows = Rows()
    app, ledger = shop(rows, safe=True, cache=Cache(max_age=60, tags=["ledger:{name}"]))
    async with Stage(app) as stage, stage.running.request():
        for _ in range(2):
            await stage.run(ledger("a:b"))
        await stage.running.purge("ledger:{}", "a:b")
        await stage.run(ledger("a:b"))

        assert rows.called == ["a:b", "a:b"]


async def test_its_breaker_opens() -> None:
    """C1: a library that fails is given up for a while."""
    rows = Rows()
    rows.error = OSError()
    app, ledger = shop(rows)
    async with Stage(app) as stage, stage.running.request():
        for _ in range(30):
            with pytest.raises((UpstreamUnavailable, CircuitOpen)):
                await stage.run(ledger("a"))

        assert len(rows.called) < 30


async def test_an_attempt_of_a_source_has_its_time_out() -> None:
    """D1: `attempt` in seconds; what hangs is cut."""
    app = Gateway("shop", deadline=1.0)

    @app.source(attempt=0.1)
    async def ledger() -> int:
        await asyncio.get_running_loop().create_future()
        return 1

    async with Stage(app) as stage, stage.running.request():
        started = stage.clock.now()
        with pytest.raises(UpstreamTimeout):
            await stage.run(ledger())

        assert stage.clock.now() - started == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), OSError("x"), RuntimeError("x")])
async def test_a_failure_of_a_library_is_no_bug(error: Exception) -> None:
    """Whatever a driver raises is an outage of what it talks to."""
    rows = Rows()
    rows.error = error
    app, ledger = shop(rows)
    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(UpstreamUnavailable):
            await stage.run(ledger("a"))


@pytest.mark.parametrize("error", [TypeError("x"), NameError("x"), AttributeError("x"), AssertionError("x")])
async def test_a_mistake_in_the_code_is_raised_as_itself(error: Exception) -> None:
    """It goes to the log with its place, and opens no breaker."""
    rows = Rows()
    rows.error = error
    app, ledger = shop(rows, safe=True)
    async with Stage(app) as stage, stage.running.request():
        with pytest.raises(type(error)):
            await stage.run(ledger("a"))


@pytest.mark.parametrize(
    ("error", "status"), [(NotFound("no"), 404), (Problem(409, "x"), 409), (Problem(503, "x"), 503)]
)
async def test_a_source_may_raise_a_problem(error: Problem, status: int) -> None:
    """In a handler it is the answer, and no failure of the source where the client is at fault."""
    rows = Rows()
    rows.error = error
    app, ledger = shop(rows)

    @app.get("/ledger")
    async def handler() -> list[Entry]:
        found: list[Entry] = await ledger("a")
        return found

    async with Stage(app) as stage:
        assert (await stage.get("/ledger")).status == status


async def test_a_stage_may_script_a_source() -> None:
    """Its words instead of the function, its arguments among what was asked."""
    rows = Rows()
    app, ledger = shop(rows, safe=True)
    async with Stage(app) as stage, stage.running.request():
        stage[ledger].fails().says([{"amount": 7}])

        assert await stage.run(ledger("a", page=2)) == [Entry(amount=7)]
        assert [one.path for one in stage[ledger].asked] == ["ledger", "ledger"]
        assert (stage[ledger].asked[0].body, rows.called) == (b'[["a"],{"page":2}]', [])


def test_only_a_safe_source_is_kept() -> None:
    """Said at the declaration."""
    with pytest.raises(ConfigError, match=r"test_sources\.py:\d+: only a safe source is kept: say safe=True"):
        shop(Rows(), cache=Cache(max_age=1))


async def test_a_source_needs_no_parentheses() -> None:
    """As a part does not."""
    app = Gateway("shop")

    @app.source
    async def ledger() -> int:
        return 7

    async with Stage(app) as stage, stage.running.request():
        assert await stage.run(ledger()) == 7


class Me(BaseModel):
    me: str


def personal(cache: Cache | None) -> Gateway:
    """Declare a screen over a source that asks a service who is asking."""
    app = Gateway("shop", deadline=1.0)
    accounts = app.service("accounts", forward={"authorization", Cookie("sid")}, policies=[])
    page = app.aggregate("/me", Me, vary={"authorization", Cookie("sid"), "x-other"})

    @app.source(safe=True, cache=cache)
    async def name() -> str:
        return await accounts.get(str, "/me")

    @app.source(safe=True, cache=cache)
    async def around() -> str:
        return await name()

    @app.source(safe=True)
    async def unseen() -> str:
        return await app.services[0].get(str, "/me")

    @page.part
    async def me() -> str:
        return await around()

    @app.get("/unseen", vary={"authorization", Cookie("sid")})
    async def handled() -> str:
        return await unseen()

    return app


@pytest.mark.parametrize("cache", [None, Cache(max_age=60)], ids=["joined", "kept"])
async def test_t4_what_a_source_is_told_of_one_caller_is_told_to_no_other(cache: Cache | None) -> None:
    """T4: its key was its arguments alone, and a service that sees who asks answered the second with the first's."""
    app = personal(cache)
    async with Stage(app) as stage:
        stage[app.services[0]].after(0.1).says("ann").after(0.1).says("bob").says("eve")
        client = Client(stage.running)
        asking = [
            asyncio.ensure_future(client.ask("/me", headers=((name, value), (b"x-other", value))))
            for name, value in ((b"authorization", b"a"), (b"authorization", b"b"), (b"cookie", b"sid=a"))
        ]
        await stage.advance(0.5)
        bodies = [(await one).body for one in asking]
        again = await stage.get("/me", authorization="b")

        assert bodies == [b'{"me":"ann"}', b'{"me":"bob"}', b'{"me":"eve"}']
        assert (again.body == bodies[1]) == (cache is not None)


async def test_t4_a_source_shows_no_service_more_of_a_caller_than_its_code_does() -> None:
    """T4: what is found by a name that is made at run time is in no key, so it is refused what it would see."""
    app = personal(None)
    async with Stage(app) as stage:
        stage[app.services[0]].says("ann")
        with pytest.raises(ConfigError, match="source 'unseen': the service 'accounts' forwards"):
            await stage.get("/unseen", authorization="a")

        assert not stage[app.services[0]].asked


async def test_t4_an_answer_varies_by_what_its_sources_show() -> None:
    """T4: a route that does not is refused, as where it asked the service itself."""
    app = Gateway("shop", deadline=1.0)
    accounts = app.service("accounts", forward={"authorization"})

    @app.source(safe=True)
    async def name() -> str:
        return await accounts.get(str, "/me")

    @app.get("/me")
    async def me() -> str:
        return await name()

    async with Stage(app) as stage:
        stage[accounts].says("ann")
        with pytest.raises(ConfigError, match="say vary="):
            await stage.get("/me", authorization="a")

        assert not stage[accounts].asked


async def test_r7_what_a_repeated_source_asks_is_not_repeated_again() -> None:
    """R7: two attempts of two were four; three layers would have been eight."""
    app = Gateway("shop", deadline=1.0)
    rates = app.service("rates")

    @app.source(safe=True)
    async def inner() -> int:
        return await rates.get(int, "/rate")

    @app.source(safe=True)
    async def outer() -> int:
        return await inner()

    @app.get("/rate")
    async def rate() -> int:
        return await outer()

    async with Stage(app) as stage:
        stage[rates].fails(503)
        answer = await stage.get("/rate")

    assert (answer.status, len(stage[rates].asked)) == (503, 4)
    behind = app.inspected().behind
    assert behind == {"inner": ["rates"], "outer": ["inner"]}
