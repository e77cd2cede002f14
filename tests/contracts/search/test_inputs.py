"""Whatever is sent as filters becomes a query that every engine takes, or a refusal that names the parameter."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema.gateway.catalogue.resources import LISTS
from cinema.indices import GENRES, MOVIES, PERSONS
from stagedoor._parameters import BeyondWindow, Invalid
from stagedoor.search.filters import FilterSet
from tests.cinema.gateway.catalogue import films
from tests.contracts.search.conftest import KINDS, House, opened, place_of
from tests.contracts.search.inputs import queries

SETS = [row.filters for row in LISTS]
HELD = {MOVIES: films.FILMS, GENRES: films.GENRES, PERSONS: films.PERSONS}


class Houses:
    """The three indices of the catalogue on one engine, for tests that are not coroutines themselves."""

    def __init__(self, runner: asyncio.Runner, houses: dict[str, House]) -> None:
        self._runner = runner
        self._houses = houses

    def ask(self, filters: FilterSet) -> int:
        """Return how many things the engine finds."""
        query = filters.to_query()
        house = self._houses[query.index]
        return self._runner.run(house.ask(replace(query, index=house.index.name))).total


@pytest.fixture(params=KINDS, scope="module")
def houses(request: pytest.FixtureRequest) -> Iterator[Houses]:
    kind: str = request.param
    mine = {index.name: replace(index, name=f"{index.name}{uuid.uuid4().hex}") for index in HELD}
    with asyncio.Runner() as runner:
        contexts = [opened(kind, index, place_of(kind, index, request)) for index in mine.values()]
        opened_houses = [runner.run(context.__aenter__()) for context in contexts]
        for house, documents in zip(opened_houses, HELD.values(), strict=True):
            runner.run(house.fill(documents))
        yield Houses(runner, dict(zip(mine, opened_houses, strict=True)))
        for context in contexts:
            runner.run(context.__aexit__(None, None, None))


def outcome(filters: type[FilterSet], query: bytes) -> FilterSet | set[str]:
    """Return the set that a query string means, or the parameters that its refusal names."""
    try:
        return filters.parse(query)
    except Invalid as invalid:
        return {fault.loc[1] for fault in invalid.faults}
    except BeyondWindow as beyond:
        return {name for name in filters.known if name in str(beyond)}


@pytest.mark.timeout(400)
@given(st.sampled_from(SETS).flatmap(lambda one: st.tuples(st.just(one), queries(one))))
def test_t9_any_input_is_a_query_to_every_engine_or_names_its_parameter(
    houses: Houses, asked: tuple[type[FilterSet], bytes]
) -> None:
    """Issue 4, T9: any text, numbers as text, NUL, huge digits, repetition, 10 kB: nothing wrong reaches an engine."""
    filters, query = asked
    found = outcome(filters, query)

    if isinstance(found, FilterSet):
        assert houses.ask(found) >= 0
    else:
        assert found
        assert found <= filters.known
