"""Pages that everybody shares: made once, kept byte for byte, told apart by their question alone."""

import asyncio
from typing import Any

import orjson
import pytest

from stagedoor._cache.memory import MemoryStore
from stagedoor._call import Env
from stagedoor._parameters import InputFault, Invalid
from stagedoor._requests import Headers
from stagedoor._web.cached import KeptCodec, Page, cached_route, page_of, pages
from stagedoor._web.gateway import GatewayApp
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation
from stagedoor.errors import UpstreamRejected, UpstreamTimeout
from stagedoor.policies import Cached, SingleFlight
from stagedoor.testing import Client, ManualClock, settle


class Shelf:
    """Makes pages, counts them, and fails as it is told."""

    def __init__(self) -> None:
        self.made = 0
        self.failure: Exception | None = None

    def ask(self, request: Request) -> "Question":
        if request.query == b"wrong":
            raise Invalid(InputFault(("query", "wrong"), "must not be", "value"))
        return Question(self, request.query.decode())


class Question:
    def __init__(self, shelf: Shelf, asked: str) -> None:
        self.shelf = shelf
        self.asked = asked
        self.key = asked.lower().encode()

    async def page(self) -> Page:
        await asyncio.sleep(0)
        if self.shelf.failure is not None:
            raise self.shelf.failure
        self.shelf.made += 1
        return page_of({"number": self.shelf.made}, fields=((b"x-total-count", b"1"),), tags=("books",))

    def fields(self, _: Page, /) -> Headers:
        return ((b"link", self.asked.encode()),)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def client_of(shelf: Shelf, env: Env, window: str = "") -> Client:
    cached: Cached[Any, Page] = Cached(
        store=MemoryStore(env=env),
        codec=KeptCodec(Page),
        lifetime=60.0,
        stale_while_revalidate=600.0 if window == "stale_while_revalidate" else 0.0,
        stale_if_error=600.0 if window == "stale_if_error" else 0.0,
        tags=lambda page: page.tags,
    )
    upstream = pages("shelf", cached, SingleFlight(), env=env)
    route = cached_route(
        "/books", shelf.ask, upstream, parameters=(), documentation=Documentation(summary="Books")
    )
    return Client(GatewayApp([route], env=env, name="test"))


@pytest.fixture
def client(shelf: Shelf, env: Env) -> Client:
    return client_of(shelf, env)


async def test_equal_questions_share_a_page_but_not_what_they_said(client: Client, shelf: Shelf) -> None:
    """The body is byte for byte the first one's; links have each client's own spelling."""
    first, again = await client.ask("/books?A"), await client.ask("/books?a")

    assert (shelf.made, again.body) == (1, first.body)
    assert [one.header(b"link") for one in (first, again)] == [b"A", b"a"]
    assert again.header(b"x-total-count") == b"1"


async def test_hc15_a_page_says_what_remains_of_its_life(client: Client, clock: ManualClock) -> None:
    """HC15: stored, then a hit with the seconds that are left, as in max-age."""
    first = await client.ask("/books")
    await clock.advance(25.0)
    again = await client.ask("/books")

    told = [(one.header(b"cache-status"), one.header(b"cache-control")) for one in (first, again)]
    assert told == [
        (b"stagedoor; fwd=miss; stored", b"public, max-age=60"),
        (b"stagedoor; hit; ttl=35", b"public, max-age=35"),
    ]


async def test_k4_many_at_once_are_one_production(client: Client, shelf: Shelf) -> None:
    """K4: every one of them gets the page."""
    answers = await asyncio.gather(*(client.ask("/books") for _ in range(50)))

    assert {one.body for one in answers} == {b'{"number":1}'}
    assert shelf.made == 1


async def test_who_holds_the_page_is_sent_no_body(client: Client) -> None:
    """RFC 9110 15.4.5: with the fields that 200 would have, but for those of a body."""
    first = await client.ask("/books?a")
    etag = first.header(b"etag") or b""

    again = await client.ask("/books?a", headers=((b"if-none-match", etag),))

    assert (again.status, again.body, again.header(b"etag")) == (304, b"", etag)
    assert (again.header(b"link"), again.header(b"content-type")) == (b"a", None)


@pytest.mark.parametrize("last", [b'"other"', b""])
async def test_several_lines_of_entity_tags_are_one_list(client: Client, last: bytes) -> None:
    """RFC 9110 5.3: a proxy may send each tag in a line of its own."""
    etag = (await client.ask("/books")).header(b"etag") or b""
    lines = ((b"if-none-match", b'W/"x"'), (b"if-none-match", etag), (b"if-none-match", last))

    assert (await client.ask("/books", headers=lines)).status == 304
    assert (await client.ask("/books", headers=lines[::2])).status == 200


async def test_a_question_that_is_wrong_makes_no_page(client: Client, shelf: Shelf) -> None:
    """422 before anything is produced."""
    assert (await client.ask("/books?wrong")).status == 422
    assert shelf.made == 0


@pytest.mark.parametrize(
    ("failure", "status"),
    [(UpstreamTimeout("shelf.page", "late"), 504), (UpstreamRejected("shelf.page", "no"), 502)],
)
async def test_hc14_failures_are_not_kept(
    client: Client, shelf: Shelf, failure: Exception, status: int
) -> None:
    """HC14: the next one who asks is answered."""
    shelf.failure = failure
    assert (await client.ask("/books")).status == status
    shelf.failure = None

    assert (await client.ask("/books")).status == 200


@pytest.mark.parametrize("window", ["stale_while_revalidate", "stale_if_error"])
async def test_k7_a_page_that_is_no_more_does_not_come_back(
    shelf: Shelf, env: Env, clock: ManualClock, window: str
) -> None:
    """K9, K7: refused once on renewal, it stands in for no failure after that."""
    client = client_of(shelf, env, window)
    before = await client.ask("/books")
    await clock.advance(70.0)
    shelf.failure = UpstreamRejected("shelf.page", "gone")
    await client.ask("/books")
    await settle()
    shelf.failure = UpstreamTimeout("shelf.page", "late")

    assert (before.status, (await client.ask("/books")).status) == (200, 504)


async def test_without_a_cache_a_page_says_so(shelf: Shelf, env: Env) -> None:
    """Nobody else may keep what we do not."""
    upstream = pages("shelf", env=env)
    route = cached_route(
        "/books", shelf.ask, upstream, parameters=(), documentation=Documentation(summary="Books")
    )

    answered = await Client(GatewayApp([route], env=env, name="test")).ask("/books")

    assert answered.header(b"cache-control") == b"no-store"
    assert answered.header(b"cache-status") == b"stagedoor; fwd=bypass"
    assert route.cached is None


@pytest.mark.parametrize("body", [b"", b"\n", b'{"a": "line\\nbreak"}\n\n', bytes(range(256))])
def test_k8_a_page_comes_back_as_it_was(body: bytes) -> None:
    """K8: with bytes of every kind, line breaks among them, in its body and its fields."""
    page = Page(body, b'"tag"', ((b"x-total-count", b"12"), (b"x-odd", b"\xff\xe9")), ("film:1", "films"))

    assert KeptCodec(Page).decode(KeptCodec(Page).encode(page)) == page


@pytest.mark.parametrize("broken", [b"", b"[]\n", b"{", b'["x",[],[]', b"\xff\n{}"])
def test_k8_what_is_no_page_cannot_be_read(broken: bytes) -> None:
    """K8: the cache takes the error for a miss."""
    with pytest.raises((ValueError, orjson.JSONDecodeError)):
        KeptCodec(Page).decode(broken)
