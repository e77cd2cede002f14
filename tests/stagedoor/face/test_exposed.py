"""What pages of listed origins may read, and what documents say that services may refuse."""

import orjson
import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Settings
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage

ORIGIN = "https://app.example.com"


class Page(BaseModel):
    name: str = ""


def paged(app: Gateway, forward: frozenset[str] = frozenset()) -> Gateway:
    service = app.service("things", forward=forward)
    screen = app.aggregate("/page", Page, vary=forward)

    @screen.part
    async def name() -> str:
        return await service.get(str, "/name")

    @app.get("/thing", vary=forward)
    async def thing() -> str:
        return await service.get(str, "/name")

    return app


async def exposed_by(app: Gateway) -> list[str]:
    async with Stage(app) as stage:
        stage[app.services[0]].says("a")
        answer = await stage.get("/page", origin=ORIGIN)
    return answer.header("access-control-expose-headers").split(", ")


async def test_a_page_of_a_listed_origin_may_read_the_verdicts() -> None:
    """A partial answer says so in `Stagedoor-Parts`: a page that cannot read it takes it for a whole one."""
    names = await exposed_by(paged(Gateway("shop", settings=Settings(cors_origins=[ORIGIN]))))

    assert {"Stagedoor-Parts", "Cache-Status", "Server-Timing", "X-Request-ID", "ETag"} <= set(names)


async def test_a_gateway_may_say_what_pages_read() -> None:
    """Its own list stands in place of the kit's."""
    settings = Settings(cors_origins=[ORIGIN])

    assert await exposed_by(paged(Gateway("shop", settings=settings, exposed=["ETag"]))) == ["ETag"]
    with pytest.raises(ConfigError, match="is no name of a header field"):
        Gateway("shop", exposed=["a b"])


@pytest.mark.parametrize("forward", [frozenset({"authorization"}), frozenset()])
async def test_who_forwards_credentials_documents_that_they_may_be_refused(forward: frozenset[str]) -> None:
    """401 and 403 of such a service are the caller's; a client generated from the document has to know."""
    async with Stage(paged(Gateway("shop"), forward)) as stage:
        document = orjson.loads((await stage.get("/openapi.json")).body)

    for path in ("/page", "/thing"):
        assert ({"401", "403"} <= set(document["paths"][path]["get"]["responses"])) is bool(forward)
