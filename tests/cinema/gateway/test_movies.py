"""The films of a third party: joined, kept, in pages."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cinema.gateway.app import build
from cinema.services.ghibli.facts import read_facts
from cinema.settings import Settings
from stagedoor import Gateway, Service
from stagedoor.testing import Stage

CASTLE = "2baf70d1-42bb-4437-b551-e5fed5a87abe"
TOTORO = "58611129-2dbc-4a81-a72f-77ddfc1b1b49"
FACTS = read_facts("https://ghibli.example")


class Films:
    """The gateway with a scripted film API."""

    def __init__(self, stage: Stage, ghibli: Service) -> None:
        self.stage = stage
        self.api = stage[ghibli]

    def have(self, films: Sequence[Any] = FACTS["films"], people: Sequence[Any] = FACTS["people"]) -> None:
        """Let the film API answer so from now on."""
        self.api.when("/films/").says(films)
        self.api.when("/people/").says(people)

    async def movies(self, target: str = "/movies/") -> Any:
        """Return the data of an answer."""
        return (await self.stage.get(target)).read(dict)["api_data"]

    @property
    def asked(self) -> int:
        """Return how often the film API was asked."""
        return len(self.api.asked)


def ghibli_of(app: Gateway) -> Service:
    (found,) = [one for one in app.services if one.name == "ghibli"]
    return found


@pytest.fixture
async def films() -> AsyncIterator[Films]:
    """Stage the gateway."""
    app = build(Settings(_env_file=None))
    async with Stage(app) as stage:
        yield Films(stage, ghibli_of(app))


async def test_people_are_joined_by_what_they_say_of_films(films: Films) -> None:
    """Contract 7: what films say of people is wrong for most of them."""
    films.have()
    count = {one["title"]: len(one["people"]) for one in await films.movies()}

    assert len(count) == 22
    assert [count[title] for title in ("Castle in the Sky", "My Neighbor Totoro")] == [14, 10]
    assert [count[title] for title in ("Kiki's Delivery Service", "Princess Mononoke")] == [6, 10]
    assert list(count.values()).count(0) == 11
    assert sum(count.values()) == 59


async def test_a_movie_has_exactly_these_keys_in_this_order(films: Films) -> None:
    """Contract 7: all strings but people, who are unmodified."""
    films.have()
    castle, *_ = await films.movies()
    keys = ["id", "title", "director", "producer", "release_date", "url", "people"]

    assert list(castle) == keys
    assert castle["people"][0] == next(one for one in FACTS["people"] if one["name"] == "Pazu")


async def test_list_and_single_movie_share_one_snapshot(films: Films) -> None:
    """Contract 7: two calls, one timestamp."""
    films.have()
    answers = [
        (await films.stage.get(path)).read(dict) for path in ("/movies", f"/movies/{CASTLE}/", "/movies/")
    ]

    assert len({one["timestamp"] for one in answers}) == 1
    assert answers[1]["api_data"] == answers[0]["api_data"][0]
    assert films.asked == 2


async def test_the_film_api_is_asked_for_what_is_shown(films: Films) -> None:
    """Contract 7: these fields, up to 250 of each."""
    films.have()
    await films.movies()

    assert sorted(one.path.replace("%2C", ",") for one in films.api.asked) == [
        "/films/?fields=id,title,director,producer,release_date,url&limit=250",
        "/people/?fields=id,name,films,url&limit=250",
    ]
