"""Operations: what a proxy promises is documented, and its service is held to it."""

from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field

from stagedoor import Gateway, Operation
from stagedoor._face.operation import held
from stagedoor._problems import cause_of
from stagedoor._requests import HttpResponse
from stagedoor._web.cors import Cors, is_foreign
from stagedoor._web.routes import RequestRefused
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage


class Picture(BaseModel):
    name: str


class NewPicture(BaseModel):
    name: str


def files(operation: Operation | None = None, **options: Any) -> Gateway:
    app = Gateway("shop", deadline=1.0)
    service = app.service("files")
    shown = Operation(
        summary="Show a picture",
        answers=Picture,
        also=frozenset({303}),
        inputs={"name": Annotated[str, Field(pattern="^[a-z]+$")], "size": Annotated[int, Field(ge=1)]},
        defaults={"size": 1},
        refusals=frozenset({404, 422}),
        headers={"ETag": "Names the state"},
    )
    app.proxy("/pictures/{name}", service, operation=operation or shown, **options)
    return app


async def asked(app: Gateway, **said: Any) -> Any:
    async with Stage(app) as stage:
        value = said.pop("value", None)
        stage[app.services[0]].says(value, **said)
        return await stage.get("/pictures/ann")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"value": {"name": "ann"}}, 200),
        ({"value": {"name": 1}}, 502),
        ({"value": b"<p>", "headers": {"content-type": "text/html"}}, 200),
        ({"value": b"ann", "headers": {"content-type": "text/plain"}}, 502),
        ({"status": 204}, 502),
        ({"status": 303, "headers": {"location": "/"}}, 303),
        ({"status": 302, "headers": {"location": "/"}}, 502),
        ({"status": 304}, 502),
        ({"value": {}, "status": 404}, 404),
        ({"value": b"<p>", "status": 404, "headers": {"content-type": "text/html"}}, 404),
        ({"value": {}, "status": 409}, 502),
        ({"value": {}, "status": 500}, 503),
        ({"value": {}, "status": 502}, 503),
        ({"value": {"name": "a" * 2_000_000}}, 502),
    ],
)
async def test_answers_are_held_to_what_is_promised(said: dict[str, Any], status: int) -> None:
    """Issue 13: a passage says the same of a failure as a screen does."""
    answer = await asked(files(), **said)

    assert answer.status == status
    page = said.get("headers", {}).get("content-type") == "text/html"
    assert status < 400 or page or answer.header("content-type") == "application/problem+json"
    assert status != 503 or answer.header("retry-after")


@pytest.mark.parametrize(
    ("pages", "status", "kind", "page"),
    [
        (True, 503, "text/html; charset=utf-8", True),
        (True, 504, "text/html", True),
        (True, 500, "text/html", False),
        (True, 503, "application/json", False),
        (False, 503, "text/html", False),
    ],
)
async def test_a_page_that_tells_of_an_outage_passes_where_pages_do(
    pages: bool, status: int, kind: str, page: bool
) -> None:
    """Contract 6: faults of a form come as the page; never as 500, and never a foreign page elsewhere."""
    form = Operation(summary="A form", inputs={"name": str}, status=303, pages=pages)
    answer = await asked(
        files(form), value=b"<p>", status=status, headers={"content-type": kind, "retry-after": "7"}
    )

    assert (answer.status, answer.body == b"<p>") == (status if page else 503, page)
    assert answer.header("retry-after") == "7"


async def test_a_304_that_was_asked_for_passes() -> None:
    """RFC 9110 15.4.5."""
    app = files()
    async with Stage(app) as stage:
        stage[app.services[0]].says(status=304)
        answer = await stage.get("/pictures/ann", if_none_match='"1"')

    assert answer.status == 304


async def document(app: Gateway) -> dict[str, Any]:
    async with Stage(app) as stage:
        said: dict[str, Any] = orjson.loads((await stage.get("/openapi.json")).body)
    return said


async def test_an_operation_is_documented() -> None:
    """Parameters, body, answers and refusals, as of every other route."""
    app = files()
    body = Operation(
        summary="Add a picture", status=201, answers=Picture, body=NewPicture, body_type="multipart/form-data"
    )
    app.proxy("/pictures", app.services[0], methods={"POST"}, operation=body)
    paths = (await document(app))["paths"]
    shown, added = paths["/pictures/{name}"]["get"], paths["/pictures"]["post"]

    assert [(one["name"], one["in"], one["required"]) for one in shown["parameters"]] == [
        ("name", "path", True),
        ("size", "query", False),
    ]
    refused = ["404", "422", "429", "500", "502", "503", "504"]
    assert sorted(shown["responses"]) == ["200", "303", "304", *refused]
    assert list(added["requestBody"]["content"]) == ["multipart/form-data"]
    assert "201" in added["responses"]


async def test_what_is_not_listed_is_in_no_document() -> None:
    """Forms of a page are nobody else's."""
    paths = (await document(files(Operation(summary="A form", listed=False))))["paths"]

    assert "/pictures/{name}" not in paths


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"operation": "yes"}, "operation= is an Operation"),
        ({"operation": Operation(summary="x"), "methods": {"GET", "PUT"}}, "of one method"),
        (
            {"operation": Operation(summary="x", inputs={"size": int})},
            "size: neither in the path nor among defaults",
        ),
        ({"purge_field": "no field"}, "is no name of a header field"),
    ],
)
def test_an_operation_that_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    """Where it is declared."""
    app = Gateway("shop")
    with pytest.raises(ConfigError) as caught:
        app.proxy("/pictures/{name}", app.service("files"), **options)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "foreign"),
    [
        ({}, False),
        ({b"sec-fetch-site": b"same-origin"}, False),
        ({b"sec-fetch-site": b"same-site"}, False),
        ({b"sec-fetch-site": b"none"}, False),
        ({b"sec-fetch-site": b"cross-site"}, True),
        ({b"sec-fetch-site": b" Cross-Site "}, True),
        ({b"sec-fetch-site": b"cross-site", b"origin": b"https://evil.example"}, True),
        ({b"sec-fetch-site": b"cross-site", b"origin": b"null"}, True),
        ({b"sec-fetch-site": b"cross-site", b"origin": b"https://app.example"}, False),
    ],
)
def test_t20_who_is_foreign(fields: dict[bytes, bytes], foreign: bool) -> None:
    """T20: what a browser says, and whether its origin is listed."""
    assert is_foreign(fields, Cors(["https://app.example"])) is foreign
    assert is_foreign(fields, None) is (fields.get(b"sec-fetch-site", b"").strip().lower() == b"cross-site")


async def test_f6_a_failure_of_the_service_is_the_cause_that_the_log_names() -> None:
    """F6: the line of such a request said "upstream-unavailable", and not whose fault that is."""
    failed = HttpResponse(status=503, headers=((b"retry-after", b"1"),))
    with pytest.raises(RequestRefused) as refused:
        await held(
            Operation(summary="x"), "carts.GET /cart", failed, conditional=False, bodiless=False, wall=0.0
        )

    problem, error = refused.value.problem, refused.value.__cause__
    assert cause_of(problem, error, {}) == "carts: unavailable"
