"""Every engine against the plain statement in memory, over generated queries: the same members, totals and pages."""

import random
from collections.abc import Iterator

import pytest

from stagedoor.search import All, AnyOf, Begins, Between, Clause, Match, Not, Order, Query, Result, Term
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import call_of
from tests.contracts.search.asked import text
from tests.contracts.search.conftest import House
from tests.contracts.search.films import GENRES, PEOPLE, TEXT_FIELDS, films
from tests.kinds import kinds

LIBRARY = films(400, seed=1)
QUERIES = kinds(200, 600)[-1]  # without a text
TEXTS = kinds(150, 400)[-1]
SEED = 4
KNOWN: dict[int, Result] = {}


def clauses(rng: random.Random) -> Iterator[Clause]:
    """Yield clauses without a text, each kind with some probability."""
    if rng.random() < 0.3:
        yield Term("genre_ids", rng.choice(GENRES)[0])
    if rng.random() < 0.2:
        yield AnyOf(rng.choice(["actors.id", "directors.id"]), tuple(one for one, _ in rng.sample(PEOPLE, 6)))
    if rng.random() < 0.3:
        low, high = (rng.choice([None, 0, 1.5, 5, 6.7, 8.65, 9.99, 10, -3.3]) for _ in range(2))
        yield Between("imdb_rating", low, high)
    if rng.random() < 0.2:
        yield Term("imdb_rating", rng.choice([0, 6.7, 8.6, 4]))
    if rng.random() < 0.2:
        some = tuple(film["id"] for film in rng.sample(LIBRARY, rng.choice([0, 1, 200])))
        yield AnyOf("id", some) if rng.random() < 0.5 else Not(AnyOf("id", some))
    if rng.random() < 0.1:
        yield Not(All((Term("genres", "War"), Between("imdb_rating", 5))))


def order(rng: random.Random) -> tuple[Order, ...]:
    keys = [Order(field, rng.random() < 0.5) for field in ("imdb_rating", "title", "id")]
    rng.shuffle(keys)
    return tuple(keys[: rng.randrange(4)])


def generated(index: str, *, texts: bool) -> Iterator[tuple[int, Query]]:
    """Yield numbered queries, the same ones for the same seed; the number is what a failure prints."""
    for number in range(TEXTS if texts else QUERIES):
        rng = random.Random(SEED * 1_000_000 + number)
        parts = list(clauses(rng))
        if texts and number % 8 == 7:
            words = text(rng)
            parts.append(Begins((("title", 1.0),), words[: rng.randint(1, len(words))][:20]))
        elif texts:
            parts.append(
                Match(rng.choice([TEXT_FIELDS, (("title", 1.0),), (("description", 1.0),)]), text(rng))
            )
        offset, limit = rng.choice([0, 0, 3, 40, 399, 500, 9_000]), rng.choice([1, 5, 50, 100])
        if texts:
            offset, limit = 0, 400
        clause = All(tuple(parts))
        yield number, Query(index=index, clause=clause, order=order(rng), offset=offset, limit=limit)


@pytest.fixture
async def oracle(library: House) -> MemorySearch:
    memory = MemorySearch([library.index])
    await House("memory", library.index, memory, memory).fill(LIBRARY)
    return memory


async def known(oracle: MemorySearch, number: int, query: Query) -> Result:
    """Return what a query with a text means: found out once for all engines."""
    if number not in KNOWN:
        KNOWN[number] = await oracle.send(call_of(query))
    return KNOWN[number]


async def test_filters_sorts_totals_and_windows_are_equal(library: House, oracle: MemorySearch) -> None:
    """Nothing but texts is a matter of opinion: answers are equal, document by document."""
    for number, query in generated(library.index.name, texts=False):
        expected = await oracle.send(call_of(query))

        assert (number, await library.ask(query)) == (number, expected), query


async def test_texts_find_the_same_in_the_same_order(library: House, oracle: MemorySearch) -> None:
    """Relevance is made of whole numbers and of words analysed once: every engine agrees, to the last place."""
    in_all = 0
    for number, query in generated(library.index.name, texts=True):
        expected = await known(oracle, number, query)
        found = await library.ask(query)
        in_all += expected.total

        assert found.total == expected.total, (number, query)
        assert ids(found) == ids(expected), (number, query)

    assert in_all > kinds(1_500, 6_000)[-1]


def ids(result: Result) -> list[str]:
    """Return the documents of a page, in order."""
    return [document["id"] for document in result.documents]
