"""What a service's refusal means to a client: on screens, in handlers, with and without forwarded credentials."""

from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import Answer, Cache, Gateway, NotFound, Problem
from stagedoor.errors import ConfigError
from stagedoor.testing import Reply, Stage


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


def shop(forward: set[str]) -> Gateway:
    app = Gateway("shop")
    things = app.service("things", forward=forward)
    page = app.aggregate("/page", Page, vary=forward)

    @page.part
    async def thing() -> Thing:
        return await things.get(Thing, "/")

    @app.get("/thing", vary=forward)
    async def one() -> Thing:
        return await things.get(Thing, "/")

    @app.post("/thing")
    async def made() -> Thing:
        return await things.post(Thing, "/", json={})

    return app


async def ask(
    target: str, status: int, *, forward: frozenset[str] = frozenset(), method: str = "get", **script: Any
) -> Reply:
    app = shop(set(forward))
    async with Stage(app) as stage:
        stage[app.services[0]].says(script.get("body", {}), status=status, headers=script.get("headers"))
        answer: Reply = await getattr(stage, method)(target, authorization="Bearer a")
        return answer


CREDENTIALS = frozenset({"authorization"})
PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize("target", ["/page", "/thing"])
@pytest.mark.parametrize(("status", "forwarded", "alone"), [(401, 401, 502), (403, 403, 502)])
async def test_a_refusal_of_credentials_passes_where_they_were_forwarded(
    target: str, status: int, forwarded: int, alone: int
) -> None:
    """The client can mend what it sent; else it is between us and the service."""
    passed = await ask(target, status, forward=CREDENTIALS)
    hidden = await ask(target, status)

    assert (passed.status, hidden.status) == (forwarded, alone)


async def test_a_401_carries_the_services_challenge() -> None:
    """RFC 9110 11.6.1 demands one."""
    told = await ask("/thing", 401, forward=CREDENTIALS, headers={"www-authenticate": 'Basic realm="x"'})
    silent = await ask("/thing", 401, forward=CREDENTIALS)

    assert told.header("www-authenticate") == 'Basic realm="x"'
    assert silent.header("www-authenticate") == "Bearer"


@pytest.mark.parametrize(
    ("status", "handler"),
    [(400, 400), (404, 404), (409, 409), (410, 404), (422, 422), (429, 503), (451, 451)],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_handler_passes_refusals_on(status: int, handler: int, method: str) -> None:
    """CONTRACTS 1.4: a 4xx but 429 passes with its status and the `detail` of its problem body."""
    body = {"detail": "said so", "secret": "s"}
    answer = await ask("/thing", status, method=method, body=body, headers=PROBLEM)
    said = answer.read(dict[str, Any])

    assert (answer.status, "secret" in said) == (handler, False)
    assert (said["detail"] == "said so") == (status != 429)
    assert said["type"].startswith("urn:problem-type:shop:")
    assert said["status"] == handler


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"detail":7}', b'["detail"]', orjson.dumps({"detail": "x" * 5_000}), b""]
)
async def test_a_detail_that_is_none_is_the_usual_one(body: bytes) -> None:
    """H10: nothing but a text, and not a long one."""
    said = (await ask("/thing", 409, body=body, headers=PROBLEM)).read(dict[str, Any])

    assert 0 < len(said["detail"]) <= 1_000
    assert "html" not in said["detail"]


async def test_a_screen_says_nothing_of_what_a_service_said() -> None:
    """H10, T21: the detail belongs to a conversation the client did not have."""
    answer = await ask("/page", 404, body={"detail": "internal id 7"}, headers=PROBLEM)

    assert answer.status == 404
    assert "internal" not in answer.body.decode()


@pytest.mark.parametrize("target", ["/page", "/thing"])
@pytest.mark.parametrize(
    ("status", "seen"), [(500, 503), (502, 503), (503, 503), (504, 503), (302, 502), (204, 502)]
)
async def test_an_answer_that_is_no_value_is_the_services_fault(target: str, status: int, seen: int) -> None:
    """H6: a failure is 503, a redirect or nothing in place of a value 502; never a 500."""
    answer = await ask(target, status)

    assert answer.status == seen
    assert ("retry-after" in answer._headers) == (seen == 503)  # noqa: SLF001


@pytest.mark.parametrize(
    ("error", "status", "kind", "detail"),
    [
        (NotFound(), 404, "urn:problem-type:shop:not-found", "there is nothing here"),
        (NotFound("no cart"), 404, "urn:problem-type:shop:not-found", "no cart"),
        (Problem(409, "cart is closed"), 409, "urn:problem-type:shop:conflict", "cart is closed"),
        (Problem(418), 418, "urn:problem-type:shop:im-a-teapot", "i'm a teapot"),
        (Problem(499, "gone"), 499, "urn:problem-type:shop:error", "gone"),
        (Problem(402, type="/pay", price=3), 402, "/pay", "payment required"),
        (Problem(414, "x"), 414, "urn:problem-type:shop:uri-too-long", "x"),
        (Problem(416, "x"), 416, "urn:problem-type:shop:range-not-satisfiable", "x"),
        (Problem(429, "x"), 429, "urn:problem-type:shop:rate-limited", "x"),
        (Problem(401), 401, "urn:problem-type:shop:unauthorized", "valid credentials are needed"),
    ],
)
@pytest.mark.parametrize("target", ["/page", "/thing", "/kept"])
async def test_a_problem_is_the_answer_wherever_it_is_raised(
    error: Problem, status: int, kind: str, detail: str, target: str
) -> None:
    """Screens, handlers, kept handlers: one body, no-store."""
    app = Gateway("shop")
    page = app.aggregate("/page", Page, cache=Cache(max_age=60))

    @page.part
    async def thing() -> Thing:
        raise error

    @app.get("/thing")
    async def one() -> Thing:
        raise error

    @app.get("/kept", cache=Cache(max_age=60))
    async def kept() -> Thing:
        raise error

    async with Stage(app) as stage:
        answer = await stage.get(target)
        said = answer.read(dict[str, Any])

        assert (answer.status, said["type"], said["detail"]) == (status, kind, detail)
        assert answer.header("cache-control") == "no-store"
        assert (said.get("price"), answer.header("www-authenticate")) == (
            error.members.get("price"),
            "Bearer" if status == 401 else "",
        )


async def test_members_cannot_lie_about_the_problem_itself() -> None:
    """RFC 9457 3.1: status, title and request id are ours."""
    app = Gateway("shop")

    @app.get("/thing")
    async def one() -> Thing:
        raise Problem(409, "x", title="lie", instance="lie", request_id="lie")

    async with Stage(app) as stage:
        said = (await stage.get("/thing")).read(dict[str, Any])

        assert "lie" not in said.values()


@pytest.mark.parametrize("status", [200, 399, 600, 0, "404"])
def test_a_problem_has_the_status_of_an_error(status: Any) -> None:
    """Said where it is raised."""
    with pytest.raises(ValueError, match="the status of a problem is between 400 and 599"):
        Problem(status)


async def test_a_segment_that_cannot_be_one_is_422() -> None:
    """The caller sent it; the service was not asked."""
    app = Gateway("shop")
    things = app.service("things")

    @app.get("/things/{name}")
    async def one(name: str) -> Thing:
        return await things.get(Thing, "/things/{}", name)

    async with Stage(app) as stage:
        seen = [(await stage.get(f"/things/{name}")).status for name in ("%2E%2E", "%2e", "..")]

        assert (seen, stage[things].asked) == ([422, 422, 422], ())


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_content_takes_no_value(status: int) -> None:
    """RFC 9110 15.3.5, 15.3.6, 15.4.5: what follows such a head is taken for the next answer."""
    with pytest.raises(ValueError, match="has no content: its value is None"):
        Answer("x", status=status)
    assert Answer(None, status=status).status == status


async def test_a_route_without_content_returns_none() -> None:
    """It sent a body under 204; said at start, with place and remedy."""
    app = Gateway("shop")

    @app.post("/things", status=204)
    async def things() -> str:
        return "x"

    with pytest.raises(ConfigError, match=r"POST /things: status=204 has no content: it returns None"):
        async with Stage(app):
            pass


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Upgrade"])
def test_an_answer_says_nothing_of_the_connection(name: str) -> None:
    """A second Content-Length ends the connection at best, and splits answers at worst (RFC 9112 6.3)."""
    with pytest.raises(ValueError, match="belongs to the connection: leave it out"):
        Answer("x", headers={name: "100"})
