"""Pages among thousands of ties, in every order: groups that are seen whole, and groups that are not."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stagedoor.search import All, Between, Document, Index, Keyword, Match, Number, Order, Put, Query, Text
from stagedoor.search.memory import MemorySearch
from stagedoor.search.tantivy import TantivyEngine, TantivyWriter
from stagedoor.testing import call_of

INDEX = Index("films", (Keyword(name="id"), Text(name="title", sortable=True), Number(name="rating")))
FILMS = 2_400
# Short ones; some with the same 8 bytes, with the same 16, with the same 16 and no more; none; far from ASCII.
TITLES = [
    "The",
    "The Last",
    "The Last Stand",
    "The Last Stand 2: Home",
    "The Last Stand 2: Away",
    "The Last Stand 2",
    "Star \U0001f680",
    "Star \uffee",
    None,
]
ORDERS = [
    (Order("title"),),
    (Order("title", descending=True),),
    (Order("rating"),),
    (Order("rating", descending=True), Order("title")),
    (Order("title"), Order("rating", descending=True), Order("id", descending=True)),
    (Order("rating"), Order("title", descending=True)),
]


def library() -> list[Document]:
    rng = random.Random(7)
    # Of the first 16 bits there are two kinds: more ties of a score than its weight by the id can tell apart.
    ids = [f"{rng.choice([7, 9]):04x}{rng.getrandbits(48):012x}" for _ in range(FILMS)]
    few = [
        {"id": one, "title": rng.choice(TITLES), "rating": rng.choice([None, 7.0, 7.0, 6.5])} for one in ids
    ]
    return [*few[: FILMS // 2], *({**one, "title": "The"} for one in few[FILMS // 2 :])]


async def filled(folder: Path, memory: MemorySearch) -> None:
    for writer in (TantivyWriter(folder, [INDEX]), memory):
        version = await writer.create(INDEX)
        for start in range(0, FILMS, FILMS // 3):  # several segments
            changes = [Put(one) for one in library()[start : start + FILMS // 3]]
            assert await writer.write(version, changes) == ()
            await writer.commit(version)
        await writer.switch("films", version)
        if isinstance(writer, TantivyWriter):
            await writer.aclose()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MemorySearch]:
    """Fill both engines once."""
    folder, memory = tmp_path_factory.mktemp("index"), MemorySearch([INDEX])
    asyncio.run(filled(folder, memory))
    return folder, memory


@pytest.fixture
async def engines(places: tuple[Path, MemorySearch]) -> AsyncIterator[tuple[TantivyEngine, MemorySearch]]:
    engine = TantivyEngine(places[0], [INDEX])
    yield engine, places[1]
    await engine.aclose()


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_pages_among_ties_are_those_of_the_plain_statement(
    engines: tuple[TantivyEngine, MemorySearch], order: tuple[Order, ...]
) -> None:
    """Groups of more than a thousand equal titles or ratings, begun and ended anywhere inside a page."""
    rng = random.Random(11)
    for clause in (All(), Between("rating", 6, 7)):
        for _ in range(12):
            query = Query(
                index="films",
                clause=clause,
                order=order,
                offset=rng.randrange(FILMS),
                limit=rng.choice([1, 7, 100]),
            )
            found, expected = [await engine.send(call_of(query)) for engine in engines]

            assert found == expected, query


async def test_pages_by_relevance_neither_overlap_nor_skip(
    engines: tuple[TantivyEngine, MemorySearch],
) -> None:
    """1,000 films match a mistyped word equally well: a page is cut out of them as out of any order."""
    engine, _ = engines
    clause = Match((("title", 1.0),), "stamd")

    async def ids(offset: int, limit: int) -> list[str]:
        query = Query(index="films", clause=clause, offset=offset, limit=limit)
        return [str(one["id"]) for one in (await engine.send(call_of(query))).documents]

    whole = await ids(0, FILMS)
    pages = [one for offset in range(0, len(whole), 90) for one in await ids(offset, 90)]

    assert len(whole) > 300
    assert whole == sorted(whole)
    assert pages == whole
