"""Keys and tags that would mix up answers, or name nothing: each ends at start, with what would be right."""

from typing import Annotated, Any

import pytest

from stagedoor import Cache, Gateway, Header, Stream
from stagedoor._face.overlaps import may_equal
from stagedoor._face.templates import key_tag
from stagedoor.errors import ConfigError
from stagedoor.testing import Stage
from tests.stagedoor.face.mistakes import NAMED_BY_THE_CALL, Mistakes, used

at_start = Mistakes()
NAMED_BY_THE_CALL |= {
    "nameless_tag",
    "nameless_key",
    "numbered_key",
    "key_with_a_format",
    "keys_that_run_together",
}


@at_start(r"Cache\(key=\.\.\.\) is for screens and handlers of values")
def key_of_a_stream(app: Gateway) -> None:
    service = used(app)

    @app.get("/p/{uid}", cache=Cache(max_age=60, key="p:{uid}"))
    async def picture(uid: str) -> Stream:
        found: Stream = await service.open("/p/{}", uid)
        return found


@at_start(r"Cache\(key='p:me'\) is that of another answer")
def key_that_another_can_have(app: Gateway) -> None:
    @app.get("/p/{uid}", cache=Cache(max_age=60, key="p:{uid}"))
    async def person(uid: str) -> str:
        return uid

    @app.get("/me", cache=Cache(max_age=60, key="p:me"))
    async def me() -> str:
        return "me"


@at_start(
    r"Cache\(key=\.\.\.\): nothing tells {uid} and {day} of 'p:{uid}-{day}' apart: put ':' between them"
)
def keys_that_run_together(app: Gateway) -> None:
    Cache(max_age=60, key="p:{uid}-{day}")


@at_start(r"Cache\(tags=\.\.\.\): a place of 'home:{}' is no name alone: name an input, as in 'home:{uid}'")
def nameless_tag(app: Gateway) -> None:
    Cache(max_age=60, tags=["home:{}"])


@at_start(r"Cache\(key=\.\.\.\): a place of 'home:{}' is no name alone: name an input, as in 'home:{uid}'")
def nameless_key(app: Gateway) -> None:
    Cache(max_age=60, key="home:{}")


@at_start(r"a place of 'home:\{0\}' is no name alone")
def numbered_key(app: Gateway) -> None:
    Cache(max_age=60, key="home:{0}")


@at_start(r"a place of 'home:{uid:>3}' is no name alone")
def key_with_a_format(app: Gateway) -> None:
    Cache(max_age=60, key="home:{uid:>3}")


@at_start(r"purges: a place of 'home:{}' is no name alone: name an input, as in 'home:{uid}'")
def nameless_purge(app: Gateway) -> None:
    @app.put("/home/{uid}", purges=["home:{}"])
    async def home(uid: str) -> None:
        """Write."""


@at_start(r"purges: a place of 'home:{}' is no name alone: name an input, as in 'home:{uid}'")
def nameless_purge_of_a_proxy(app: Gateway) -> None:
    app.proxy("/home/{uid}", used(app), methods={"PUT"}, purges=["home:{}"])


@pytest.mark.parametrize("name", at_start.names)
def test_a_key_that_mixes_up_answers_is_told_at_start(name: str) -> None:
    """One person's answer went to another; a nameless place was a 500 after the write."""
    said = at_start.told(name)

    assert len(said.splitlines()) == 1, said


async def test_a_key_need_not_name_what_every_answer_varies_by() -> None:
    """Fields that are inputs are part of who asks, which stays part of each key (T4)."""
    app = Gateway("shop")

    @app.get("/p", cache=Cache(max_age=60, key="p"))
    async def person(lang: Annotated[str, Header("Accept-Language")] = "") -> str:
        return lang

    async with Stage(app) as stage:
        said = [(await stage.get("/p", accept_language=one)).read(str) for one in ("en", "de")]

    assert said == ["en", "de"]


async def test_a_call_with_a_key_of_its_own_is_a_mistake() -> None:
    """It was ignored: a call is kept by all that it sends."""
    app = Gateway("shop")
    service = used(app)

    @app.get("/p")
    async def person() -> Any:
        return await service.get(str, "/p", cache=Cache(max_age=1, key="p"))

    async with Stage(app) as stage:
        stage[service].says("a")
        with pytest.raises(TypeError, match="things: Cache"):
            await stage.get("/p")


async def test_nothing_is_another_key_than_the_word_none() -> None:
    """An input that is not given is None, whose text somebody may send."""
    app = Gateway("shop")

    @app.get("/p", cache=Cache(max_age=60, key="p:{word}"))
    async def said(word: str | None = None) -> str:
        return repr(word)

    async with Stage(app) as stage:
        answers = [(await stage.get(target)).read(str) for target in ("/p", "/p?word=None", "/p?word=")]

    assert answers == ["None", "'None'", "''"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("home:{}", "home:{}", True),
        ("home:{}", "home:1", True),
        ("home:{}:a", "home:{}:b", False),
        ("x{}", "{}y", True),
        ("home:{}", "home:1:2", False),
        ("home", "homes", False),
        ("home:{}", "home:", True),
    ],
)
def test_two_shapes_are_held_against_each_other(one: str, other: str, equal: bool) -> None:
    """Values are escaped, so that a place never holds what stands between places."""
    assert may_equal(one, other) is may_equal(other, one) is equal


def test_places_of_a_key_are_told_apart_by_what_no_value_holds() -> None:
    """`p:{a}:{b}` is good; `p:{a}{b}` says the same for 1 and 23 as for 12 and 3."""
    assert key_tag("p:{a}:{b}/{c}", "here").names == ("a", "b", "c")
    with pytest.raises(ConfigError, match="put ':' between"):
        key_tag("p:{a}{b}", "here")
