"""CONTRACTS 5: the profile, case by case, over ASGI with a clock that stands still."""

import asyncio
import json
from typing import Any

import orjson
import pytest

from stagedoor._call import Call
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.testing import ManualClock
from tests.cinema.gateway.services import USER, House, answer, known, order, product, unknown


def parts(said: dict[str, Any]) -> dict[str, str]:
    return {
        name: ";".join(filter(None, (part["status"], part.get("reason"))))
        for name, part in said["metadata"]["parts"].items()
    }


async def test_a_profile_has_the_shape_of_the_contract(clock: ManualClock) -> None:
    """Keys, metadata and headers as promised; products once each, asked for in one call."""
    house = House(clock).well()

    answered = await house.profile()

    said = orjson.loads(answered.body)
    assert list(said) == ["user", "orders", "products", "metadata"]
    assert list(said["products"]) == ["prod1", "prod2"]
    assert said["metadata"] == {
        "user_id": "user123",
        "orders_count": 2,
        "products_count": 2,
        "aggregated_at": "2026-01-05T10:00:00+00:00",
        "aggregation_time_ms": 0.0,
        "cache_ttl": 30,
        "cached": False,
        "services_used": 3,
        "response_time_ms": 0.0,
        "parts": {name: {"status": "fresh", "ms": 0.0} for name in ("user", "orders", "products")},
    }
    assert answered.header(b"stagedoor-parts") == b"user=fresh, orders=fresh, products=fresh"
    assert answered.header(b"cache-control") == b"private, max-age=30"
    assert len(house.products.calls) == 1


async def test_p6_what_a_service_adds_is_passed_on_as_it_came(clock: ManualClock) -> None:
    """P6: extra fields, null, integers and big numbers arrive as they left."""
    house = House(clock)
    user = {**USER, "vip": None, "score": 10**17, "tags": ["a", {"b": 1.5}]}
    house.users.then(answer(user))
    house.orders.then(answer([]))

    assert (await house.data())["user"] == user


async def test_a_kept_profile_stays_as_first_measured(clock: ManualClock) -> None:
    """cached, the parts and the response time are new; aggregated_at and its duration are not."""
    house = House(clock).well()
    first = await house.data()
    await clock.advance(12.5)

    answered = await house.profile()

    second = orjson.loads(answered.body)
    assert second["metadata"]["cached"] is True
    assert second["metadata"]["aggregated_at"] == first["metadata"]["aggregated_at"]
    assert set(parts(second).values()) == {"cached"}
    assert second["user"] == first["user"]
    assert answered.header(b"cache-control") == b"private, max-age=17"
    assert answered.header(b"cache-status") == b"stagedoor; hit; ttl=17"


async def test_no_profile_outlives_its_thirty_seconds(clock: ManualClock) -> None:
    """There is no stale window by default."""
    house = House(clock).well()
    await house.data()
    await clock.advance(30.0)

    assert (await house.data())["metadata"]["cached"] is False


async def test_a_lifetime_of_zero_keeps_nothing(clock: ManualClock) -> None:
    """GATEWAY_PROFILE_TTL_S=0 switches the cache off: every answer is fresh, and says that it may not be kept."""
    house = House(clock, gateway_profile_ttl_s=0).well()
    await house.profile()

    answered = await house.profile()

    assert orjson.loads(answered.body)["metadata"]["cached"] is False
    assert answered.header(b"cache-control") == b"no-store"


async def test_k7_a_stale_profile_only_if_a_window_is_configured(clock: ManualClock) -> None:
    """K7: GATEWAY_PROFILE_STALE_S: past its lifetime it stands in while the user service is away, and says so."""
    house = House(clock, gateway_profile_stale_s=60).well()
    await house.profile()
    await clock.advance(40.0)
    house.users.fails(UpstreamUnavailable, retryable=False)

    said = await house.data()

    assert set(parts(said).values()) == {"stale"}
    assert said["metadata"]["cached"] is True


@pytest.mark.parametrize("foreign", [False, True])
async def test_p8_an_unknown_user_is_404_and_not_kept(clock: ManualClock, foreign: bool) -> None:
    """P8: both ways the user service says so; the next request asks again."""
    house = House(clock)
    if foreign:
        house.users.then(answer({"error": "no such user"}), answer(USER))
    else:
        house.users.does(unknown).then(answer(USER))
    house.orders.then(answer([]))

    first, second = await house.profile(), await house.profile()

    assert (first.status, orjson.loads(first.body)["detail"]) == (404, "user not found")
    assert first.header(b"cache-control") == b"no-store"
    assert second.status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 410, 422, 451])
async def test_another_no_of_the_user_service_is_garbled(clock: ManualClock, status: int) -> None:
    """Contract 1.4 and 5: 404 alone says that there is no such user."""

    def no(call: Call[HttpRequest]) -> HttpResponse:
        raise UpstreamRejected(call.operation, response=HttpResponse(status=status))

    house = House(clock)
    house.users.does(no)
    house.orders.then(answer([]))

    assert (await house.profile()).status == 502


@pytest.mark.parametrize(
    ("error", "status"), [(UpstreamUnavailable, 503), (UpstreamTimeout, 504), (UpstreamGarbled, 502)]
)
async def test_p2_without_the_user_there_is_no_profile(
    clock: ManualClock, error: type[UpstreamError], status: int
) -> None:
    """P2: its failure decides the status, and the other calls are cancelled."""
    house = House(clock)
    house.users.fails(error, retryable=False)
    house.orders.hangs()

    answered = await clock.run(house.profile())

    assert answered.status == status
    assert house.orders.active == 0


async def test_orders_that_fail_take_the_products_with_them(clock: ManualClock) -> None:
    """200 with an empty list and an empty table, and the reasons."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.fails(UpstreamUnavailable, retryable=False)

    answered = await house.profile()

    said = orjson.loads(answered.body)
    assert (said["orders"], said["products"]) == ([], {})
    assert parts(said) == {
        "user": "fresh",
        "orders": "fallback;unavailable",
        "products": "missing;depends_on_orders",
    }
    assert said["metadata"]["parts"]["products"]["ms"] is None
    assert (said["metadata"]["cache_ttl"], said["metadata"]["services_used"]) == (0, 1)
    assert answered.header(b"cache-control") == b"no-store"


async def test_products_that_fail_are_an_empty_table(clock: ManualClock) -> None:
    """The orders are complete."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.then(answer([order(1, "prod1")]))
    house.products.fails(UpstreamGarbled, retryable=False)

    said = await house.data()

    assert len(said["orders"]) == 1
    assert (said["products"], parts(said)["products"]) == ({}, "fallback;garbled")


async def test_a_user_without_orders_has_a_complete_profile(clock: ManualClock) -> None:
    """No call for products, and nothing is missing."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.then(answer([]))

    said = await house.data()

    assert (said["orders"], said["products"]) == ([], {})
    assert said["metadata"]["parts"]["products"] == {"status": "fresh", "ms": None}
    assert said["metadata"]["cache_ttl"] == 30
    assert house.products.calls == []


async def test_p7_a_product_nobody_knows_is_simply_absent(clock: ManualClock) -> None:
    """P7: one unknown id is missing alone, and the answer is complete."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.then(answer([order(1, "gone", "prod1")]))
    house.products.then(answer([product("prod1")]))

    said = await house.data()

    assert list(said["products"]) == ["prod1"]
    assert parts(said)["products"] == "fresh"


async def test_a_partial_answer_is_never_kept(clock: ManualClock) -> None:
    """Once the service is back the next request is whole."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.fails(UpstreamUnavailable, retryable=False).then(answer([order(1, "prod1")]))
    house.products.does(known)

    partial, whole = await house.data(), await house.data()

    assert parts(partial)["orders"] == "fallback;unavailable"
    assert set(parts(whole).values()) == {"fresh"}


async def test_p1_late_orders_do_not_hold_up_the_answer(clock: ManualClock) -> None:
    """P1: the partial answer leaves inside the deadline of 180 ms, with the reason."""
    house = House(clock)
    house.users.then(answer(USER))
    house.orders.hangs()
    started = clock.now()

    said = orjson.loads((await clock.run(house.profile())).body)

    assert parts(said)["orders"] == "fallback;timeout"
    assert clock.now() - started <= 0.170


@pytest.mark.parametrize(
    "garbled",
    [
        answer({"username": "no id"}),
        answer([USER]),
        answer(USER, kind=b"text/html"),
        HttpResponse(status=200, headers=((b"content-type", b"application/json"),), body=b'{"id":'),
        HttpResponse(status=200, headers=((b"content-type", b"application/json"),), body=b'{"id":NaN}'),
    ],
)
async def test_what_is_no_user_is_502(clock: ManualClock, garbled: HttpResponse) -> None:
    """Wrong content type, invalid JSON, a missing required field: their answer makes no sense, and it is not kept."""
    house = House(clock)
    house.users.then(garbled)
    house.orders.then(answer([]))

    assert (await house.profile()).status == 502


async def test_t8_an_id_goes_upstream_as_exactly_one_segment(clock: ManualClock) -> None:
    """T8: slashes, dots, spaces and letters of any script stay inside the segment."""
    house = House(clock).well()

    await house.profile("a%2F..%2Fb%20%D0%B8?x=1")

    assert house.users.calls[0].payload.target == b"/users/a%2F..%2Fb%20%D0%B8"


@pytest.mark.parametrize("user_id", [".", "%2e%2e", "%00", "x" * 129, "%0d%0aX:%20y", "%ff"])
async def test_a_bad_id_is_422_and_costs_nothing_behind_the_gateway(clock: ManualClock, user_id: str) -> None:
    """The parameter is named; no service is asked."""
    house = House(clock).well()

    answered = await house.profile(user_id)

    assert answered.status == 422
    assert orjson.loads(answered.body)["errors"][0]["loc"] == ["path", "user_id"]
    assert house.users.calls == []


async def test_k4_a_thousand_first_requests_make_one_fan_out(clock: ManualClock) -> None:
    """K4: each service is asked exactly once."""
    house = House(clock)
    house.users.after(0.01, answer(USER))
    house.orders.after(0.01, answer([order(1, "prod1")]))
    house.products.does(known, 0.01)

    asking = [asyncio.create_task(house.profile()) for _ in range(1000)]
    await clock.advance(0.03)
    answers = await asyncio.gather(*asking)

    assert {one.status for one in answers} == {200}
    assert [len(one.calls) for one in (house.users, house.orders, house.products)] == [1, 1, 1]


async def test_t5_credentials_reach_no_service_and_make_no_difference(clock: ManualClock) -> None:
    """T4, T5: the route is public: one answer for everybody."""
    house = House(clock).well()
    await house.client.ask("/api/profile/user123", headers=((b"authorization", b"Bearer a"),))

    again = await house.client.ask("/api/profile/user123", headers=((b"cookie", b"b=1"),))

    assert orjson.loads(again.body)["metadata"]["cached"] is True


async def test_r4_all_services_failing_meet_little_more_than_the_load(clock: ManualClock) -> None:
    """R4, A9: 1,000 failing requests are at most 1,200 calls, breaker and budget together."""
    house = House(clock)
    for script in (house.users, house.orders, house.products):
        script.fails(UpstreamUnavailable)
    for number in range(1000):
        await clock.run(house.profile(f"user{number}"))

    assert len(house.users.calls) <= 1200
    assert len(house.orders.calls) <= 1200


@pytest.mark.parametrize(
    "number",
    [
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1" * 1_000,
    ],
    ids=lambda number: f"{number[:24]}-{len(number)}",
)
async def test_p6_an_integer_leaves_as_it_arrived(clock: ManualClock, number: str) -> None:
    """P6, case 28: up to 1,000 digits, exactly."""
    said = await with_account(clock, number)

    assert said == int(number)
    assert isinstance(said, int)


@pytest.mark.parametrize(
    "number", ["12345678901234567890.12", "0.12345678901234567890", "10.00", "-0.0", "1e300"]
)
async def test_p6_a_fraction_is_the_nearest_double(clock: ManualClock, number: str) -> None:
    """P6, case 28: whoever needs more sends a string."""
    assert await with_account(clock, number) == float(number)


async def with_account(clock: ManualClock, number: str) -> Any:
    """Let users say a number as it stands; return what a client reads."""
    house = House(clock)
    body = orjson.dumps(USER)[:-1] + b',"account":%b}' % number.encode()
    house.users.then(HttpResponse(status=200, headers=((b"content-type", b"application/json"),), body=body))
    house.orders.then(answer([]))
    return json.loads((await house.profile()).body)["user"]["account"]
