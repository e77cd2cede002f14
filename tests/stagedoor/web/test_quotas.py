"""Several quotas on one request: it passes if all have a place, and else takes none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import Gateway, Settings
from stagedoor._requests import HttpResponse
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.shared_throttle import SharedThrottle
from stagedoor._web.throttle import Limiter, Quota, Quotas, Throttle, passing
from stagedoor.errors import ConfigError
from stagedoor.testing import Client, ManualClock, Stage
from stagedoor.testing.limit_counter import FakeLimitCounter


def pair(clock: ManualClock, narrow: int = 2, wide: int = 10) -> tuple[Quotas, Throttle]:
    common = Throttle(Quota(requests=wide, seconds=60), clock)
    return Quotas(Throttle(Quota(requests=narrow, seconds=60, name="/search"), clock), common), common


async def test_t17_a_routes_own_quota_eats_nothing_of_another(clock: ManualClock) -> None:
    """T17: who hammers one route still has the rest of the common quota."""
    quotas, common = pair(clock)
    waits = [(await quotas.take("a"))[1] for _ in range(100)]

    assert waits[:2] == [0, 0]
    assert all(waits[2:])
    assert common.take("a").remaining == 7


async def test_t17_the_common_quota_eats_nothing_of_a_routes(clock: ManualClock) -> None:
    """T17: nor the other way round."""
    quotas, common = pair(clock, narrow=5, wide=1)
    common.take("a")
    waits = [(await quotas.take("a"))[1] for _ in range(9)]
    await clock.advance(61.0)
    (_, limit), wait = await quotas.take("a")

    assert all(waits)
    assert wait == 0
    assert b'"/search";r=4' in limit[1]


async def test_h11_each_quota_that_counted_is_a_member_of_both_fields(clock: ManualClock) -> None:
    """H11, contract 17."""
    quotas, _ = pair(clock)
    (policy, limit), _ = await quotas.take("a")

    assert policy == (b"ratelimit-policy", b'"/search";q=2;w=60, "default";q=10;w=60')
    assert limit == (b"ratelimit", b'"/search";r=1;t=60, "default";r=9;t=60')


async def test_h11_the_wait_is_the_longest(clock: ManualClock) -> None:
    """Contract 17: who waits so long passes both."""
    narrow = Throttle(Quota(requests=1, seconds=10, name="/search"), clock)
    quotas = Quotas(narrow, Throttle(Quota(requests=1, seconds=60), clock))
    await quotas.take("a")
    (_, limit), wait = await quotas.take("a")
    await clock.advance(wait)
    _, after = await quotas.take("a")

    assert 60 <= wait <= 61
    assert limit[1].count(b"r=0") == 2
    assert after == 0


@given(st.lists(st.tuples(st.floats(0.0, 4.0), st.booleans()), max_size=60))
async def test_t17_no_window_holds_more_than_either_limit(steps: list[tuple[float, bool]]) -> None:
    """T17: wherever the window begins; half of the requests go to another route."""
    clock = ManualClock()
    quotas, common = pair(clock, narrow=2, wide=4)
    own: list[float] = []
    every: list[float] = []
    for pause, here in steps:
        await clock.advance(pause)
        passed = (await quotas.take("a"))[1] == 0 if here else common.take("a").allowed
        if passed:
            every.append(clock.now())
            own += [clock.now()] if here else []

    for moments, limit in ((own, 2), (every, 4)):
        assert all(sum(begin <= one < begin + 60.0 for one in moments) <= limit for begin in moments)


async def test_a_place_that_is_gone_meanwhile_is_told_by_who_lacks_it(clock: ManualClock) -> None:
    """Where several processes share a quota, only the server knows."""
    tally = FakeLimitCounter(clock)
    ours, theirs = (
        SharedThrottle(Quota(requests=1, seconds=60, name="/search"), one, clock)
        for one in (tally, tally.partner())
    )
    await ours.start()
    await theirs.start()
    await theirs.ask("a")
    (policy, _), wait = await Quotas(ours, Throttle(Quota(requests=9, seconds=60), clock)).take("a")
    await ours.aclose()
    await theirs.aclose()

    assert policy[1] == b'"/search";q=1;w=60'
    assert wait >= 60


@pytest.mark.parametrize("away", [False, True])
async def test_a_refusal_is_known_without_a_question(clock: ManualClock, away: bool) -> None:
    """O8: a process knows its own count, and what the server last said."""
    tally = FakeLimitCounter(clock)
    throttle: Limiter = SharedThrottle(Quota(requests=1, seconds=60), tally, clock)
    if away:
        tally.fail()
    await throttle.start()
    before = throttle.refusal("a")
    _ = throttle.take("a") or await throttle.ask("a")
    asked = tally.asked
    refused = throttle.refusal("a")
    questions = tally.asked - asked
    await throttle.aclose()

    assert before is None
    assert refused is not None
    assert (refused.allowed, questions) == (False, 0)


def limited(*rates: str) -> Gateway:
    app = Gateway("shop", settings=Settings(rate_limit="10/60", rate_limits=rates))

    @app.get("/search")
    async def search() -> str:
        return "found"

    @app.get("/orders/{number}")
    async def order(number: int) -> int:
        return number

    @app.get("/alive", live=True)
    async def alive() -> str:
        return "yes"

    return app


async def test_t17_limits_of_routes_are_counted_apart() -> None:
    """Contract 16 and 17: each by the template of its path, with and without a final slash."""
    async with Stage(limited("/search/=2/60", "/orders/{number}=3/60")) as stage:
        searches = [await stage.get(path) for path in ("/search", "/search/", "/search")]
        orders = [await stage.get(f"/orders/{number}") for number in range(4)]
        other = await stage.get("/nowhere")

    assert [one.status for one in searches] == [200, 200, 429]
    assert [one.status for one in orders] == [200, 200, 200, 429]
    assert searches[2].header("ratelimit-policy") == '"/search";q=2;w=60'
    assert int(searches[2].header("retry-after")) >= 60
    assert other.header("ratelimit") == '"default";r=4;t=60'


async def test_a_client_that_waits_as_told_is_admitted() -> None:
    """Contract 17: Retry-After is exact."""
    async with Stage(limited("/search=2/60")) as stage:
        for _ in range(2):
            await stage.get("/search")
        refused = await stage.get("/search")
        await stage.advance(int(refused.header("retry-after")))

        assert (await stage.get("/search")).status == 200


@pytest.mark.parametrize(
    ("rates", "wrong"),
    [
        (("/serach=2/60",), r"'/serach' is no route here; did you mean '/search'\?"),
        (("/alive=2/60",), "'/alive' is answered however often"),
    ],
)
async def test_a_limit_of_no_route_ends_the_start(rates: tuple[str, ...], wrong: str) -> None:
    """G2: it would never act."""
    with pytest.raises(ConfigError, match=wrong):
        async with Stage(limited(*rates)):
            pass


async def test_a_limit_of_no_route_is_told_by_the_name_of_its_setting() -> None:
    """G2: whoever sets SHOP_RATE_LIMITS knows no rate_limits."""
    app = Gateway("shop")

    @app.get("/search")
    async def search() -> str:
        return ""

    with pytest.raises(ConfigError, match=r"^SHOP_RATE_LIMITS: '/serach' is no route here"):
        async with Stage(app, environment={"SHOP_RATE_LIMITS": "/serach=2/60"}):
            pass


@pytest.mark.parametrize(
    "rates",
    [("/search",), ("/search=",), ("search=1/60",), ("/search=0/60",), ("/a=1/60", "/a/=2/60"), ('/"=1/60',)],
)
def test_limits_that_cannot_be_are_refused(rates: tuple[str, ...]) -> None:
    """G2: with the setting's name and what would be right."""
    with pytest.raises(ConfigError, match="rate_limits"):
        Settings(rate_limits=rates)


async def status(client: Client, *headers: tuple[bytes, bytes]) -> HttpResponse:
    return await client.ask("/search", headers=headers)


async def test_t17_a_known_subject_is_a_client_wherever_they_come_from() -> None:
    """Contract 14: who is known by a good key or token has a quota of their own; who is not counts by address."""
    async with Stage(limited("/search=2/60")) as stage:
        web = stage.running.web
        routes = [
            replace(one, subject=lambda scope: dict(scope["headers"]).get(b"x-known", b"").decode())
            for one in web.routes
        ]
        stores = stage.running.stores
        known = GatewayApp(
            routes, env=stage.running.env, name="shop", throttle=stores.throttle, limits=stores.limits
        )
        client = Client(known)
        ann = [(await status(client, (b"x-known", b"ann"))).status for _ in range(3)]
        bob = (await status(client, (b"x-known", b"bob"))).status
        nobody = [(await status(client)).status for _ in range(3)]

    assert (ann, bob, nobody) == ([200, 200, 429], 200, [200, 200, 429])


def test_several_quotas_count_at_once_or_not_at_all(clock: ManualClock) -> None:
    """The door cannot wait: where one refuses, or may have to ask others, nothing is counted."""
    quotas, common = pair(clock, narrow=1)
    shared = SharedThrottle(Quota(requests=9, seconds=60), FakeLimitCounter(clock), clock)
    told = quotas.pass_at_once("a")

    assert told is not None
    assert told.endswith(b'\r\nratelimit: "/search";r=0;t=60, "default";r=9;t=60\r\n')
    assert quotas.pass_at_once("a") is None
    assert Quotas(shared, common).pass_at_once("a") is None
    assert common.take("a").remaining == 8


@pytest.mark.parametrize("shared", [False, True])
def test_one_quota_counts_at_once_or_not_at_all(clock: ManualClock, shared: bool) -> None:
    """A refusal is told by whoever has the words for it, whoever counts."""
    quota = Quota(requests=1, seconds=60)
    limiter = SharedThrottle(quota, FakeLimitCounter(clock), clock) if shared else Throttle(quota, clock)
    passes = passing(limiter)

    assert passes("a") == b'ratelimit-policy: "default";q=1;w=60\r\nratelimit: "default";r=0;t=60\r\n'
    assert passes("a") is None
    assert passes("b") is not None
