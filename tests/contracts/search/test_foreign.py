"""Indices that others have filled by the contract's mapping, without what the kit adds for itself."""

import json
import urllib.request
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stagedoor.search import Match, Query
from stagedoor.search.elastic.fields import OWN
from stagedoor.search.elastic.mapping import body_of
from stagedoor.search.memory import MemorySearch
from stagedoor.testing import call_of
from tests.contracts.search.conftest import NODES, House, opened
from tests.contracts.search.films import films, index_named
from tests.contracts.search.test_differential import generated, ids

FILMS = films(120, seed=1)


def send(method: str, url: str, body: bytes) -> None:
    asked = urllib.request.Request(url, body, {"content-type": "application/x-ndjson"}, method=method)
    if method == "PUT":
        asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked) as answer:
        assert not json.load(answer).get("errors")


def plain_mapping(house: House) -> dict[str, Any]:
    """Return the contract's mapping alone."""
    body = body_of(house.index)
    mappings = body["mappings"]
    del mappings["_source"], mappings["_meta"], mappings["properties"][OWN]
    return body


@pytest.fixture(params=NODES)
async def foreign(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Give an engine over an index that was filled without the kit's writer."""
    kind, url = request.param, request.getfixturevalue(request.param).url
    index = index_named(f"films{uuid.uuid4().hex}")
    async with opened(kind, index, url) as house:
        version = f"{index.name}-of-others"
        body = {**plain_mapping(house), "aliases": {index.name: {}}}
        send("PUT", f"{url}/{version}", json.dumps(body).encode())
        lines = "".join(f'{{"index":{{"_id":"{film["id"]}"}}}}\n{json.dumps(film)}\n' for film in FILMS)
        send("POST", f"{url}/{version}/_bulk?refresh=true", lines.encode())
        yield house


async def test_an_index_of_others_gives_the_same_answers(foreign: House) -> None:
    """It cannot be sorted by keys that it does not have: real nodes say so in words that the engine knows."""
    oracle = MemorySearch([foreign.index])
    await House("memory", foreign.index, oracle, oracle).fill(FILMS)
    for number, query in [*generated(foreign.index.name, texts=False)][:60]:
        assert await foreign.ask(query) == await oracle.send(call_of(query)), number
    for word in ("star", "kings", "Дом", "dreamre"):  # by its analyzer alone, which forgives less
        asked = Query(index=foreign.index.name, clause=Match((("title", 1.0),), word), limit=100)
        found = ids(await foreign.ask(asked))
        assert found
        assert set(found) <= set(ids(await oracle.send(call_of(asked))))


async def test_a_switch_to_an_index_of_ours_is_noticed(foreign: House) -> None:
    """Answers name the version they are from; the next question is the quick one again, and right."""
    query = next(query for _, query in generated(foreign.index.name, texts=False) if not query.offset)
    before = await foreign.ask(query)
    await foreign.fill(FILMS[:60])
    oracle = MemorySearch([foreign.index])
    await House("memory", foreign.index, oracle, oracle).fill(FILMS[:60])
    expected = await oracle.send(call_of(query))

    assert [await foreign.ask(query) for _ in range(3)] == [expected] * 3
    assert before != expected
