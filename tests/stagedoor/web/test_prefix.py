"""Paths that are longer for clients than for the gateway."""

import time
from ipaddress import ip_network

import orjson
import pytest

from stagedoor._addresses import trust
from stagedoor._call import Env
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.docs import DocumentSet, documentation_routes
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.prefix import below, forwarded_prefix
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.testing import Client

PREFIX = (b"x-forwarded-prefix", b"/shop/v%201")


def serving(env: Env, *proxies: str) -> Client:
    """Serve a list and its documents, and believe these proxies."""

    async def listed(_: Request) -> WebAnswer:
        link = b'</films?page=2>; rel="next", <https://a.example/x>; rel="help", <//b.example>; rel="self"'
        return json([], headers=((b"link", link), (b"location", b"/films/1")))

    routes = [Route(path="/films", handle=listed, public=True)]
    documents = documentation_routes(
        [DocumentSet(openapi="/openapi.json", swagger=("/docs",))],
        routes=list,
        title="films",
        version="1",
        description="",
        nonce=lambda: "n",
        namespace="test",
    )
    trusted = trust(map(ip_network, proxies))
    return Client(
        GatewayApp([*routes, *documents], env=env, name="test", trusted=trusted), address="127.0.0.1"
    )


async def test_t22_what_leads_on_begins_with_the_prefix_of_a_trusted_proxy(env: Env) -> None:
    """T22: the client asks the proxy again, below that path; what leads elsewhere is left alone."""
    answer = await serving(env, "127.0.0.1").ask("/films", headers=(PREFIX,))

    assert answer.header(b"link") == (
        b'</shop/v%201/films?page=2>; rel="next", <https://a.example/x>; rel="help", <//b.example>; rel="self"'
    )
    assert answer.header(b"location") == b"/shop/v%201/films/1"


async def test_h10_a_problem_happened_where_the_client_asked(env: Env) -> None:
    """H10: `instance` is a reference to the client's own path."""
    answer = await serving(env, "127.0.0.1").ask("/nowhere", headers=(PREFIX,))

    assert orjson.loads(answer.body)["instance"] == "/shop/v%201/nowhere"


async def test_documents_name_the_prefix(env: Env) -> None:
    """G9: what is tried out on the page goes the way that the page came; few of them are kept."""
    client = serving(env, "127.0.0.1")
    for number in range(20):
        await client.ask("/openapi.json", headers=((b"x-forwarded-prefix", b"/%d" % number),))
    document = await client.ask("/openapi.json", headers=(PREFIX,))
    page = await client.ask("/docs", headers=(PREFIX,))

    assert orjson.loads(document.body)["servers"] == [{"url": "/shop/v%201"}]
    assert b'url: "/shop/v%201/openapi.json"' in page.body


async def test_t5_nobody_else_names_a_prefix(env: Env) -> None:
    """T5: whoever may write the field could send others elsewhere."""
    answer = await serving(env, "10.0.0.1").ask("/films", headers=(PREFIX,))

    assert (answer.header(b"link") or b"").startswith(b"</films?page=2>")


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        (b"/shop", "/shop"),
        (b"/shop/", "/shop"),
        (b"/a, /b/", "/a/b"),
        (b"/v%201", "/v 1"),
        (b"", ""),
        (b"/", ""),
        (b"shop", ""),
        (b"//evil.example", ""),
        (b"/a/../b", ""),
        (b"/a/%2e%2e/b", ""),
        (b"/%2fevil.example", ""),
        (b"/%2F, /evil.example", ""),
        (b"/a/%2f", ""),
        (b"/a?b", ""),
        (b"/a>b", ""),
        (b'/"', ""),
        (b"/a\xff", ""),
        (b"/" + b"a" * 600, ""),
    ],
)
def test_t2_only_a_path_is_a_prefix(said: bytes, prefix: str) -> None:
    """T2: it is written into fields and pages."""
    assert forwarded_prefix(said) == prefix


def test_t18_links_without_an_end_are_looked_at_once() -> None:
    """T18: from each beginning the whole field was looked at, four seconds for 64 KB of a service's."""
    link, start = b"</" * 32_000, time.process_time()

    assert below("/shop", [(b"link", link)]) == [(b"link", link)]
    assert time.process_time() - start < 1.0


def test_other_fields_are_left_alone() -> None:
    """A body's type is no path."""
    assert below("/shop", [(b"content-type", b"/"), (b"location", b"//b.example/")]) == [
        (b"content-type", b"/"),
        (b"location", b"//b.example/"),
    ]
