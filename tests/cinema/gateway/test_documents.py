"""CONTRACTS 8 and G9: the documents say what the gateway does, of every route and in each dialect."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from cinema.data.films import film_id, read_films
from cinema.gateway.catalogue import samples
from cinema.gateway.catalogue.resources import LISTS, RELATED, THINGS
from stagedoor.testing import ManualClock
from tests.cinema.gateway.catalogue.films import film
from tests.cinema.gateway.services import House

COURSE = {
    *(
        f"/api/v1/{name}{rest}"
        for name in ("films", "genres", "persons")
        for rest in ("", "/search", "/{uuid}")
    ),
    "/api/v1/films/{uuid}/similar",
    "/api/v1/persons/{uuid}/film",
    "/api/v1/persons/{uuid}/films",
    "/api/v1/suggest",
}
GATEWAY = {f"/v1/{name}{rest}" for name in ("films", "genres", "persons") for rest in ("", "/{id}")}
MEMES = {f"{path}{rest}" for path in ("/api/memes", "/memes") for rest in ("", "/{meme_id}")}
MEMES |= {"/api/memes/{meme_id}/image"}  # on the wall's own path there is a form
API_MEMES = {path for path in MEMES if path.startswith("/api")}
IMAGES = {"/api/files/{name}"}
API = {"/api/profile/{user_id}", "/api/cache/stats", "/api/system/info"}
MOVIES = {"/movies", "/movies/{id}"}
REST = {"/", "/health", "/health/live", "/health/ready", "/metrics"}
SETS = {
    "/openapi.json": COURSE | GATEWAY | API | MOVIES | REST | MEMES | IMAGES,
    "/api/openapi.json": COURSE | API | API_MEMES | IMAGES,
    "/v1/openapi.json": GATEWAY,
}

GENRES = [
    {"id": samples.GENRE, "name": "Action", "description": None},
    {"id": samples.OTHER_GENRE, "name": "Adventure", "description": None},
]
LUCAS = {"id": samples.PERSON, "name": "George Lucas"}
FILMS = [
    film(number, title, rating, ())
    | {
        "id": known,
        "genres": ["Action"],
        "genre_ids": [samples.GENRE],
        "genre": GENRES[:1],
        "person_ids": [samples.PERSON],
        "directors": [LUCAS],
        "directors_names": [LUCAS["name"]],
    }
    for number, (known, title, rating) in enumerate(
        [(samples.FILM, "Star Wars", 9.1), (samples.OTHER_FILM, "Star Wars: The Clone Wars", 4.2)]
    )
]
PERSONS = [
    {
        "id": samples.PERSON,
        "full_name": "George Lucas",
        "films": [{"id": samples.FILM, "title": "Star Wars", "imdb_rating": 9.1, "roles": ["director"]}],
    }
]


@pytest.fixture
async def house(clock: ManualClock) -> House:
    house = House(clock).well()
    await house.engine.fill(movies=FILMS, genres=GENRES, persons=PERSONS)
    return house


async def document(house: House, path: str = "/openapi.json") -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads((await house.client.ask(path)).body)
    return said


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        if "get" in methods:
            yield path, methods["get"]


def schema_of(document: Mapping[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference into the components."""
    name = said.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else said
    return found


def target(path: str, operation: Mapping[str, Any]) -> str:
    """Return the request that the examples of an operation make."""
    asked: dict[str, object] = {}
    for parameter in operation["parameters"]:
        name, example = parameter["name"], parameter["example"]
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", example)
        else:
            asked |= example if isinstance(example, dict) else {name: example}
    return f"{path}?{urlencode(asked, doseq=True)}"


@pytest.mark.parametrize("path", SETS)
async def test_a_document_holds_exactly_the_paths_of_its_dialect(house: House, path: str) -> None:
    """CONTRACTS 8: the whole product, what is under /api, what is under /v1; nothing is left out."""
    assert set((await document(house, path))["paths"]) == SETS[path]


async def test_g9_every_filter_is_documented_as_it_is_declared(house: House) -> None:
    """One declaration: a list's parameters have its filters' names, bounds and examples, in their order."""
    whole = await document(house)
    for row in LISTS:
        shown = whole["paths"][row.path]["get"]["parameters"]

        assert [one["name"] for one in shown] == [one.name for one in row.filters.parameters()]
        for one, declared in zip(shown, row.filters.parameters(), strict=True):
            assert schema_of(whole, one["schema"]) == dict(declared.schema())
            assert (one["example"], one["required"]) == (declared.example, declared.required)
            assert (one["in"], one["style"], one["explode"]) == ("query", "form", True)


async def test_the_window_stands_in_a_document_once(house: House) -> None:
    """A hundred steps of a staircase are not repeated for every list."""
    whole = await document(house)
    shared = {
        parameter["schema"]["$ref"]
        for _, operation in operations(whole)
        for parameter in operation["parameters"]
        if "$ref" in parameter["schema"]
    }

    assert shared == {f"#/components/schemas/{name}" for name in ("PageNumberAndSize", "OffsetAndLimit")}
    sizes = whole["components"]["schemas"]["PageNumberAndSize"]["properties"]
    assert {name: (one["minimum"], one["maximum"], one["default"]) for name, one in sizes.items()} == {
        "page_number": (1, 10_000, 1),
        "page_size": (1, 100, 50),
    }


async def test_everything_is_described(house: House) -> None:
    """CONTRACTS 8: every parameter with an example, every problem answer with one, every list's fields."""
    whole = await document(house)
    for path, operation in operations(whole):
        assert operation["summary"]
        assert all(one["description"] and "example" in one for one in operation["parameters"])
        for status, answer in operation["responses"].items():
            if status not in {"200", "206", "304"}:
                content = answer["content"]["application/problem+json"]
                assert content["examples"], (path, status)
    for path in [*(row.path for row in LISTS), *(row.path for row in RELATED)]:
        answers = whole["paths"][path]["get"]["responses"]
        assert {"400", "422", "429", "500", "502", "503", "504"} <= set(answers)
        assert {"X-Total-Count", "Link", "ETag", "Cache-Status"} <= set(answers["200"]["headers"])
    for path in [*(row.path for row in THINGS), *(row.path for row in RELATED)]:
        answers = whole["paths"][path]["get"]["responses"]
        assert list(answers["404"]["content"]["application/problem+json"]["examples"]) == ["not-found"]
        assert "Retry-After" in answers["503"]["headers"]


async def test_what_the_documents_show_can_be_tried_out(house: House) -> None:
    """Every data route, asked with its examples, answers 200 with something in it and the fields it promises."""
    for path, operation in operations(await document(house)):
        if path in REST | MEMES:  # the service's own test asks those
            continue
        answered = await house.client.ask(target(path, operation))

        assert answered.status == 200, (path, answered.body)
        assert answered.body not in (b"[]", b'{"results":[]}'), target(path, operation)
        for name in operation["responses"]["200"].get("headers", ()):
            assert answered.header(name.lower().encode()) is not None, (path, name)


@pytest.mark.parametrize("path", SETS)
async def test_304_is_documented_where_it_is_served_and_nowhere_else(house: House, path: str) -> None:
    """CONTRACTS 1.3: every page of the catalogue, with the fields that the documents promise and no body."""
    for each, operation in operations(await document(house, path)):
        if each in MEMES:  # the service's own test asks those
            continue
        asked = target(each, operation)
        etag = (await house.client.ask(asked)).header(b"etag")
        assert (
            ("304" in operation["responses"])
            == (etag is not None)
            == (each in COURSE | GATEWAY | IMAGES | MOVIES)
        )
        if etag is None:
            continue

        unchanged = await house.client.ask(asked, headers=((b"if-none-match", etag),))

        assert (unchanged.status, unchanged.body) == (304, b"")
        for name in operation["responses"]["304"]["headers"]:
            assert unchanged.header(name.lower().encode()) is not None, (each, name)


WRONG = {
    "/api/v1/films?page_size=101": ("/api/v1/films", "422"),
    "/v1/films?pagination=0&pagination=101": ("/v1/films", "422"),
    "/api/v1/films?page_number=10001&page_size=1": ("/api/v1/films", "400"),
    "/v1/persons?pagination=9999&pagination=2": ("/v1/persons", "400"),
    "/api/v1/genres/42": ("/api/v1/genres/{uuid}", "422"),
    "/v1/films/42": ("/v1/films/{id}", "422"),
    f"/api/v1/persons/{samples.FILM}": ("/api/v1/persons/{uuid}", "404"),
    f"/v1/genres/{samples.FILM}": ("/v1/genres/{id}", "404"),
    f"/api/v1/films/{samples.GENRE}/similar": ("/api/v1/films/{uuid}/similar", "404"),
}


@pytest.mark.parametrize("asked", WRONG)
async def test_problems_are_documented_word_for_word(house: House, asked: str) -> None:
    """The examples of problems are what clients read, but for the path and the request's id."""
    path, status = WRONG[asked]
    answer = (await document(house))["paths"][path]["get"]["responses"][status]
    examples = answer["content"]["application/problem+json"]["examples"]

    said = orjson.loads((await house.client.ask(asked)).body)

    shown = examples[said["type"].rpartition(":")[2]]["value"]
    assert said | {name: shown[name] for name in ("instance", "request_id")} == shown


def test_the_samples_are_in_the_film_set() -> None:
    """What `cinema up` seeds has the ids that the documentation shows."""
    real = read_films()

    assert {samples.FILM, samples.OTHER_FILM} <= {film_id(one.number) for one in real.films}
    assert {samples.GENRE, samples.OTHER_GENRE} <= set(real.genre_ids)
    assert {samples.PERSON, samples.OTHER_PERSON} <= set(real.person_ids)
