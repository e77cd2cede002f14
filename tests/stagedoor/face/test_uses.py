"""Which services a part's code names: by globals, closures, helpers, methods, partials, defaults, modules."""

import functools
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor import Gateway, Service
from stagedoor._face.uses import awaits, used_by
from stagedoor.errors import ConfigError

app = Gateway("shop")
things = app.service("things")
others = app.service("others")


class Thing(BaseModel):
    name: str


class Page(BaseModel):
    thing: Thing


@app.source(safe=True)
async def ledger() -> int:
    return 7


async def by_global() -> Thing:
    return await things.get(Thing, "/")


async def helper() -> Thing:
    return await things.get(Thing, "/")


async def by_helper() -> Thing:
    return await helper()


async def by_source() -> int:
    return await ledger()


async def by_inner() -> Thing:
    async def inner() -> Thing:
        return await things.get(Thing, "/")

    return await inner()


async def by_lambda() -> Thing:
    ask: Callable[[], Awaitable[Thing]] = lambda: things.get(Thing, "/")  # noqa: E731 - what is tried
    return await ask()


async def by_comprehension() -> list[Thing]:
    return [await one.get(Thing, "/") for one in (things, others)]


async def by_default(service: Service = things) -> Thing:
    return await service.get(Thing, "/")


async def by_keyword(*, service: Service = things) -> Thing:
    return await service.get(Thing, "/")


def closed_over(service: Service) -> Callable[[], Awaitable[Thing]]:
    async def by_closure() -> Thing:
        return await service.get(Thing, "/")

    return by_closure


class Repository:
    def __init__(self, service: Service) -> None:
        self.service = service

    async def find(self) -> Thing:
        return await self.service.get(Thing, "/")


class Static:
    shared = things

    @staticmethod
    async def find() -> Thing:
        return await Static.shared.get(Thing, "/")

    @classmethod
    async def found(cls) -> Thing:
        return await cls.shared.get(Thing, "/")


repository = Repository(things)
table = {"a": things}
module = types.ModuleType("upstreams")
module.things = things  # type: ignore[attr-defined]
partial = functools.partial(by_default, others)


async def by_object() -> Thing:
    return await repository.find()


async def by_static() -> Thing:
    return await Static.find()


async def by_class() -> Thing:
    return await Static.found()


async def by_table() -> Thing:
    return await table["a"].get(Thing, "/")


async def by_module() -> Thing:
    return await module.things.get(Thing, "/")  # type: ignore[no-any-return]


async def by_partial() -> Thing:
    return await partial()


def timed(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def call(*given: Any, **named: Any) -> Any:
        return await function(*given, **named)

    return call


@timed
async def by_decorator() -> Thing:
    return await things.get(Thing, "/")


async def first_of_two() -> Thing:
    return await second_of_two(1)


async def second_of_two(depth: int) -> Thing:
    return await (first_of_two() if depth else things.get(Thing, "/"))


async def by_text() -> Thing:
    return await globals()["things"].get(Thing, "/")  # type: ignore[no-any-return]


async def none() -> Thing:
    return Thing(name="a")


@pytest.mark.parametrize(
    "function",
    [
        by_global,
        by_helper,
        by_inner,
        by_lambda,
        by_default,
        by_keyword,
        closed_over(things),
        by_object,
        by_static,
        by_class,
        by_table,
        by_module,
        by_decorator,
        first_of_two,
    ],
)
def test_a_service_is_found_where_the_code_names_it(function: Callable[..., object]) -> None:
    """So that `check` knows its cost, and what it forwards."""
    assert used_by(function) == [things]


def test_several_are_found_each_once() -> None:
    """In a comprehension; behind a partial both the given one and the default."""
    assert set(used_by(by_comprehension)) == {others, things}
    assert set(used_by(by_partial)) == {others, things}


def test_a_source_is_found_like_a_service() -> None:
    """By its own name."""
    assert [one.name for one in used_by(by_source)] == ["ledger"]


@pytest.mark.parametrize("function", [none, by_text])
def test_what_no_code_names_is_not_found(function: Callable[..., object]) -> None:
    """By text at run time: nobody can see that."""
    assert used_by(function) == []


def test_whether_a_part_awaits_is_told() -> None:
    """One that awaits nothing needs no service."""
    assert [awaits(one) for one in (none, by_text, by_decorator)] == [False, True, True]


def paged(part: Any, **options: Any) -> Gateway:
    own = Gateway("own")
    own.include(app)
    page = own.aggregate("/page", Page)
    part.__name__ = "thing"
    page.part(**options)(part)
    own.proxy("/things", things)
    own.proxy("/others", others)
    return own


async def unseen() -> Thing:
    return await globals()["things"].get(Thing, "/")  # type: ignore[no-any-return]


def test_a_part_that_awaits_and_shows_no_service_is_a_finding() -> None:
    """Cured by `uses`: the services, or none."""
    [doubt] = paged(unseen).inspected().doubts

    assert "test_uses.py:" in doubt
    assert "page.thing awaits something, and its code shows no service or source: say uses={...}" in doubt
    assert paged(unseen, uses={things}).inspected().doubts == ()
    assert paged(unseen, uses=set()).inspected().doubts == ()


def test_uses_counts_as_if_the_code_said_it() -> None:
    """Forwarded fields, and cost, are those of what is named."""
    own = Gateway("own")
    mine = own.service("mine", forward={"authorization"})
    page = own.aggregate("/page", Page)

    async def thing() -> Thing:
        return await globals()["mine"].get(Thing, "/")  # type: ignore[no-any-return]

    page.part(uses={mine})(thing)

    with pytest.raises(ConfigError, match="'mine' forwards 'authorization'"):
        own.inspected()


def test_uses_names_services_and_sources_only() -> None:
    """Where it is written."""
    page = Gateway("own").aggregate("/page", Page)

    with pytest.raises(ConfigError, match=r"test_uses\.py:\d+: uses={...} names services and sources, not "):
        page.part(uses={helper})
