"""What the catalogue promises under attack and outage, promise by promise; the contract's lines are next door."""

import re
from itertools import combinations_with_replacement
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from cinema.gateway.catalogue.resources import LISTS
from stagedoor._parameters import BeyondWindow, Invalid
from stagedoor._requests import Headers, HttpResponse
from stagedoor.errors import UpstreamUnavailable
from stagedoor.search.query import Query
from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import FILMS, GENRES, LUCAS, PERSONS, STAR_WARS, uid
from tests.cinema.gateway.services import House, header
from tests.cinema.services.asking import started

ANYBODY: tuple[Headers, ...] = (
    ((b"authorization", b"Bearer a"),),
    ((b"authorization", b"Bearer b"), (b"cookie", b"session=b")),
    ((b"x-api-key", b"c"), (b"x-tenant", b"c")),
)
ODD: tuple[Headers, ...] = (
    ((b"x-forwarded-host", b"evil.example"), (b"x-forwarded-proto", b"ftp"), (b"x-forwarded-prefix", b"/x")),
    ((b"x-original-url", b"/metrics"), (b"x-rewrite-url", b"/metrics")),
    ((b"x-http-method-override", b"DELETE"), (b"x-method-override", b"POST")),
    ((b"accept", b"text/html"), (b"accept-language", b"ru"), (b"accept-encoding", b"gzip")),
    ((b"range", b"bytes=0-1"), (b"if-range", b'"x"')),
)
SAID = ("etag", "x-total-count", "link")


def same(one: HttpResponse, other: HttpResponse) -> bool:
    return one.body == other.body and all(header(one, name) == header(other, name) for name in SAID)


@pytest.mark.parametrize("target", ["/api/v1/films", f"/v1/films/{STAR_WARS}", "/v1/persons?name=lucas"])
async def test_t4_credentials_make_no_difference_to_a_page(house: House, target: str) -> None:
    """T4: public: whoever asks, one question to the engine and one answer, with nobody's cookie."""
    asked = house.engine.asked
    answers = [await house.client.ask(target, headers=fields) for fields in ((), *ANYBODY)]

    assert house.engine.asked == asked + 1
    assert all(same(answers[0], one) and not header(one, "set-cookie") for one in answers)


@pytest.mark.parametrize("fields", ODD, ids=lambda fields: fields[0][0].decode())
async def test_t5_nothing_but_the_question_changes_a_page(house: House, fields: Headers) -> None:
    """T5: whoever comes first with an odd field gets what all get, and leaves that behind, a body to GET too."""
    target = "/api/v1/films?page_size=2"
    odd = await house.client.ask(target, headers=fields, body=b'{"page_size": 1}')

    plain = await house.client.ask(target)

    assert (odd.status, len(orjson.loads(odd.body))) == (200, 2)
    assert same(odd, plain)
    assert header(plain, "cache-status").startswith("stagedoor; hit")


async def test_t5_what_one_client_provoked_is_not_kept_for_others(house: House, clock: ManualClock) -> None:
    """T5: neither a refusal, nor an unknown id that is known a moment later, nor an outage that is over."""
    new = uid("film 9")
    for target in ("/api/v1/films?page_size=0", "/v1/films?pagination=9999&pagination=2", f"/v1/films/{new}"):
        assert (await house.client.ask(target)).status >= 400
    house.engine.away = True
    assert (await clock.run(house.client.ask("/v1/genres"))).status == 503
    house.engine.away = False
    await house.engine.fill(movies=[*FILMS, FILMS[0] | {"id": new}], genres=GENRES, persons=PERSONS)
    await clock.advance(2.0)

    answers = [await house.client.ask(target) for target in (f"/v1/films/{new}", "/v1/genres")]

    assert [one.status for one in answers] == [200, 200]


TEXTS = ("", "1", "7", "star", "star'", "star', 'x", "-id", "title", "name", LUCAS)


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.path)
def test_t6_only_equal_questions_share_a_key(row: Any) -> None:
    """T6: of any two parameters with texts that look alike, no two questions that differ have one key."""
    pairs = [(name, text) for name in sorted(row.filters.known) for text in TEXTS]
    asked: dict[bytes, Query] = {}
    for chosen in combinations_with_replacement(pairs, 2):
        try:
            filters = row.filters.parse(urlencode([("query", "x"), *chosen]).encode())
        except (Invalid, BeyondWindow):
            continue
        assert asked.setdefault(filters.key, filters.to_query()) == filters.to_query(), chosen

    assert len(asked) > 5


async def test_t15_neither_words_nor_secrets_reach_the_log(clock: ManualClock, tmp_path: Any) -> None:
    """T15: the route's template is told, not what was asked, by whom, or with which token."""
    house = House(clock, search_dir=tmp_path, log_level="DEBUG")
    await house.engine.fill(movies=FILMS, genres=GENRES, persons=PERSONS)
    secrets = ((b"authorization", b"Bearer canary-a"), (b"cookie", b"canary-b=1"))
    async with started(house.gateway):
        for target in (
            "/api/v1/films/search?query=canary-c%0d%0a%7B%22event%22%3A1%7D&token=canary-d",
            "/v1/films?title=canary-e%1b%5b31m&order=canary-f",
            "/v1/films/canary-g",
        ):
            await house.client.ask(target, headers=secrets)

    lines = [orjson.loads(line) for line in house.log.getvalue().splitlines()]
    routes = [line["route"] for line in lines if line["event"] == "request"]
    assert routes == ["/api/v1/films/search", "/v1/films", "/v1/films/{id}"]
    assert b"canary" not in house.log.getvalue()


async def test_t16_questions_and_ids_add_no_series(house: House) -> None:
    """T16: a route is its template, whatever is asked of it."""

    async def ask(number: int) -> int:
        for target in (
            f"/api/v1/films/search?query=word{number}",
            f"/v1/films?pagination={number}&pagination=1",
            f"/v1/films/{uid(str(number))}",
            f"/api/v1/persons/{number}/films",
        ):
            await house.client.ask(target)
        return (await house.client.ask("/metrics")).body.count(b"\n")

    first = await ask(0)

    assert {await ask(number) for number in range(1, 20)} == {first}


async def test_t21_an_outage_tells_nothing_of_the_engine(house: House, clock: ManualClock) -> None:
    """T21: no host, address, index or file, in no field of the answer."""
    said = "http://search.internal:9200/movies-000003 refused: /srv/index/meta.json, user elastic, Lucene 9.1"
    house.engine.failure = UpstreamUnavailable("search.list", said)

    answered = await clock.run(house.client.ask("/v1/films"))

    assert answered.status == 503
    told = answered.body.decode() + repr(answered.headers)
    assert not re.search("internal|9200|000003|meta|elastic|Lucene", told)


async def test_t22_links_name_no_host(house: House) -> None:
    """T22: a path and nothing before it, whatever Host and the target say; nobody can plant one."""
    answered = await house.client.ask("/v1/films", headers=((b"host", b"evil.example"),))

    targets = re.findall("<([^>]*)>", header(answered, "link"))
    assert targets
    assert all(target.startswith("/v1/films?") and "evil" not in target for target in targets)


async def test_d1_a_search_that_hangs_is_answered_inside_the_deadline(
    house: House, clock: ManualClock
) -> None:
    """D1, contract 17: 504 at 180 ms, attempts and pauses together."""
    house.engine.hangs = True
    began = clock.now()

    answered = await clock.run(house.client.ask("/v1/films"))

    assert answered.status == 504
    assert clock.now() - began <= 0.181


async def test_c8_a_dead_engine_is_asked_no_more(house: House, clock: ManualClock) -> None:
    """C8, O8: after five failures in a row the breaker answers, 503 with the wait, and the engine has its rest."""
    house.engine.away = True
    for _ in range(5):
        await clock.run(house.client.ask("/v1/films"))
    asked, began = house.engine.asked, clock.now()

    answered = await house.client.ask("/v1/genres")

    assert (answered.status, header(answered, "retry-after") >= "1") == (503, True)
    assert (house.engine.asked, clock.now()) == (asked, began)
    house.engine.away = False
    await clock.advance(2.0)
    assert (await house.client.ask("/v1/genres")).status == 200
