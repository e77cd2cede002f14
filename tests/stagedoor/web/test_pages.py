"""Pages of documents: titles of their own, a dark mode, and no host but ours."""

import re

from stagedoor._call import Env
from stagedoor._web.docs import DocumentSet, documentation_routes
from stagedoor._web.gateway import GatewayApp
from stagedoor.testing import Client

SETS = [
    DocumentSet(openapi="/openapi.json", swagger=("/docs",), redoc="/redoc"),
    DocumentSet(openapi="/v1/openapi.json", swagger=("/v1/docs",), prefix="/v1"),
]


def serving(env: Env) -> Client:
    routes = documentation_routes(
        SETS, routes=list, title="films", version="1", description="", nonce=lambda: "n", namespace="test"
    )
    return Client(GatewayApp(routes, env=env, name="test"))


async def test_every_page_of_documents_has_a_title_of_its_own(env: Env) -> None:
    """Tabs and histories show nothing else."""
    pages = [(await serving(env).ask(path)).body.decode() for path in ("/docs", "/redoc", "/v1/docs")]

    titles = [re.findall("<title>(.*)</title>", page)[0] for page in pages]
    assert len({*titles}) == 3
    assert all("films" in title for title in titles)


async def test_pages_of_documents_are_dark_for_who_wants_them_so(env: Env) -> None:
    """At night."""
    for path in ("/docs", "/redoc"):
        page = (await serving(env).ask(path)).body

        assert b"prefers-color-scheme: dark" in page
        assert b"<main id=" in page


async def test_t21_redoc_asks_no_foreign_host_for_its_logo(env: Env) -> None:
    """T21: who reads our documents is told to nobody."""
    client = serving(env)
    page = (await client.ask("/redoc")).body.decode()
    script = (await client.ask(re.findall(r'src="(/[^"]*redoc[^"]*)"', page)[0])).body

    assert b"cdn.redoc.ly" not in script
    assert len(script) > 100_000
