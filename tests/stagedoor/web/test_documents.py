"""OpenAPI documents and the pages that show them."""

import itertools
import re
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import _problems as problems
from stagedoor._call import Env
from stagedoor._web import openapi
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.docs import DocumentSet, documentation_routes
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, Route
from stagedoor.search.filters import FilterSet, PageNumberFilter
from stagedoor.search.values import TextValue, parameter_of
from stagedoor.testing import Client

SETS = (
    DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc"),
    DocumentSet(openapi="/v1/openapi.json", prefix="/v1", swagger=("/v1/docs",)),
)


class Film(BaseModel):
    """A film."""

    title: str


async def film(_: Request) -> WebAnswer:
    return json({"title": "Alien"})


def route(path: str) -> Route:
    documentation = Documentation(
        summary="One film", model=Film, problems=(404, 422), headers={"ETag": "Its tag"}
    )
    parameters = (parameter_of(TextValue(example="alien", max_length=128), "id", "Its id", place="path"),)
    return Route(path=path, handle=film, parameters=parameters, documentation=documentation)


@pytest.fixture
def client(env: Env) -> Client:
    shown = [route("/films/{id}"), route("/v1/films/{id}")]
    numbers = itertools.count()
    pages = documentation_routes(
        SETS,
        routes=lambda: shown,
        title="Films & more",
        version="1",
        description="",
        nonce=lambda: f"n{next(numbers)}",
    )
    return Client(GatewayApp([*shown, *pages], env=env, name="test"))


async def document(client: Client, path: str) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads((await client.ask(path)).body)
    return said


async def test_g9_a_route_documents_itself(client: Client) -> None:
    """G9: parameters with bounds and example, the body's model, every problem, the headers."""
    operation = (await document(client, "/openapi.json"))["paths"]["/films/{id}"]["get"]

    assert operation["parameters"][0]["schema"]["maxLength"] == 128
    assert operation["parameters"][0]["example"] == "alien"
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Film")
    assert set(operation["responses"]) == {"200", "304", "404", "412", "422"}
    assert "ETag" in operation["responses"]["200"]["headers"]


async def test_only_a_route_with_an_entity_tag_has_an_answer_without_body() -> None:
    """G9: 304 for who holds the tag, with the same fields; a route without one never sends it."""
    plain = replace(route("/plain"), documentation=Documentation(summary="Plain", headers={"X-Total": "All"}))
    paths = openapi.document([route("/tagged"), plain], title="", version="1")["paths"]

    tagged = paths["/tagged"]["get"]["responses"]
    assert "content" not in tagged["304"]
    assert tagged["304"]["headers"] == tagged["200"]["headers"]
    assert set(paths["/plain"]["get"]["responses"]) == {"200"}


async def test_h10_problems_are_shown_as_clients_read_them(client: Client) -> None:
    """The type with the gateway's name, the path of the examples, and Retry-After where there always is one."""
    answers = (await document(client, "/openapi.json"))["paths"]["/v1/films/{id}"]["get"]["responses"]
    shown = answers["404"]["content"]["application/problem+json"]["examples"]["not-found"]["value"]

    assert (shown["type"], shown["instance"]) == ("urn:problem-type:gateway:not-found", "/v1/films/alien")
    assert answers["404"]["description"] == "Not found: there is nothing here"
    assert "Retry-After" not in answers["404"]["headers"]


def test_problems_of_one_status_share_an_answer() -> None:
    """503 has several reasons; a document has one answer a status, and shows each of them."""
    said = Documentation(
        summary="Film", problems=(problems.upstream_unavailable(), problems.overloaded(), 422)
    )
    whole = openapi.document([replace(route("/films/{id}"), documentation=said)], title="", version="")
    answers = whole["paths"]["/films/{id}"]["get"]["responses"]

    assert list(answers) == ["200", "422", "503"]
    examples = answers["503"]["content"]["application/problem+json"]["examples"]
    assert list(examples) == ["upstream-unavailable", "overloaded"]
    assert answers["503"]["headers"]["Retry-After"]["schema"]["type"] == "integer"


def test_operations_have_names_of_their_own() -> None:
    """OpenAPI 4.8.10.1: generated clients lost one of two methods of one name."""
    paths = openapi.document(
        [route(path) for path in ("/films/id", "/films/{id}", "/films-id")], title="", version=""
    )["paths"]

    names = [one["get"]["operationId"] for one in paths.values()]
    assert names == ["get_films_id", "get_films_id_2", "get_films_id_3"]


class Problem(BaseModel):
    """Something of a user's that has the name of ours."""

    mine: int = 1


def test_a_model_of_the_name_of_ours_is_told_as_it_is() -> None:
    """G9: it was told of as an error."""
    theirs = replace(
        route("/sums"), documentation=Documentation(summary="Sum", model=Problem, problems=(404,))
    )
    whole = openapi.document([theirs], title="", version="")

    said = whole["paths"]["/sums"]["get"]["responses"]
    success = said["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    refusal = said["404"]["content"]["application/problem+json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(whole["components"]["schemas"][success]["properties"]) == {"mine"}
    assert "status" in whole["components"]["schemas"][refusal]["properties"]


class Pages(FilterSet):
    """One way to page."""

    pages = PageNumberFilter()


class SmallPages(FilterSet):
    """The same way, with other bounds."""

    pages = PageNumberFilter(size=5, max_size=10)


def test_schemas_with_a_title_are_shared_and_never_mixed_up() -> None:
    """Equal ones are one component; different ones of the same title get a number."""
    lists = {"/a": Pages, "/b": SmallPages, "/c": Pages}
    routes = [
        Route(
            path=path, handle=film, parameters=filters.parameters(), documentation=Documentation(summary="x")
        )
        for path, filters in lists.items()
    ]
    whole = openapi.document(routes, title="", version="")

    names = [
        one["get"]["parameters"][0]["schema"]["$ref"].rpartition("/")[2] for one in whole["paths"].values()
    ]
    assert names == ["PageNumberAndSize", "PageNumberAndSize2", "PageNumberAndSize"]
    assert [whole["components"]["schemas"][name]["properties"]["page_size"]["maximum"] for name in names] == [
        100,
        10,
        100,
    ]


async def test_a_document_shows_only_the_paths_under_its_prefix(client: Client) -> None:
    """One product, several dialects."""
    assert list((await document(client, "/v1/openapi.json"))["paths"]) == ["/v1/films/{id}"]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/v1/docs"])
async def test_pages_need_no_other_host_and_run_no_foreign_script(client: Client, path: str) -> None:
    """Every address is a path of ours; each page has a nonce of its own, named in its policy."""
    first, again = await client.ask(path), await client.ask(path)

    assert b"http" not in first.body.replace(b"http-equiv", b"")
    nonce = re.search(rb'nonce="(\w+)"', first.body)
    assert nonce is not None
    assert b"'nonce-" + nonce.group(1) + b"'" in (first.header(b"content-security-policy") or b"")
    assert nonce.group(0) not in again.body
    assert b"Films &amp; more" in first.body


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"])
async def test_the_scripts_come_from_an_installed_package(client: Client, name: str) -> None:
    """Nothing foreign is committed, nothing is fetched; a second request is answered 304."""
    first = await client.ask(f"/docs/assets/{name}")
    again = await client.ask(
        f"/docs/assets/{name}", headers=((b"if-none-match", first.header(b"etag") or b""),)
    )

    assert len(first.body) > 10_000
    assert (again.status, again.body) == (304, b"")


async def test_redoc_shows_no_logo_of_another_host(client: Client) -> None:
    """A picture that the page's own policy forbids would be an error in the console of everybody."""
    script = await client.ask("/docs/assets/redoc.standalone.js")

    assert b"cdn.redoc.ly" not in script.body
