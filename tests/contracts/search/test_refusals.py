"""What real nodes refuse, and in which words: a full disk, a closed index, an id that is too long, a name taken."""

import json
import urllib.request
import uuid
from collections.abc import AsyncIterator

import pytest

from stagedoor.search import Put, WriterError
from tests.contracts.search.conftest import NODES, House, opened
from tests.contracts.search.films import films, index_named

FILMS = films(6, seed=1)
FULL = "index.blocks.read_only_allow_delete"  # what a node sets when its disk is fuller than the flood stage


class Node:
    """A node, and a house of one index on it."""

    def __init__(self, url: str, house: House) -> None:
        self.url = url
        self.house = house

    def send(self, method: str, path: str, body: object = None) -> None:
        asked = urllib.request.Request(f"{self.url}/{path}", method=method)
        asked.add_header("content-type", "application/json")
        with urllib.request.urlopen(asked, None if body is None else json.dumps(body).encode()):
            pass


@pytest.fixture(params=NODES)
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    url = request.getfixturevalue(request.param).url
    async with opened(request.param, index_named(f"films{uuid.uuid4().hex}"), url) as house:
        yield Node(url, house)


@pytest.mark.parametrize("how", ["full", "blocked", "closed"])
async def test_e1_what_is_refused_for_a_while_is_taken_when_it_is_over(node: Node, how: str) -> None:
    """E1: each document is refused with words that say whether to wait; none of these is its own fault."""
    version = await node.house.fill(FILMS[:1])
    writer = node.house.writer
    block = FULL if how == "full" else "index.blocks.write"
    if how == "closed":
        node.send("POST", f"{version}/_close")
    else:
        node.send("PUT", f"{version}/_settings", {block: True})
    try:
        refused = [one.retryable for one in await writer.write(version, [*map(Put, FILMS)])]
    except WriterError as error:
        refused = [error.retryable]
    assert refused
    assert all(refused)
    if how == "closed":
        node.send("POST", f"{version}/_open")
    else:
        node.send("PUT", f"{version}/_settings", {block: None})

    assert await writer.write(version, [*map(Put, FILMS)]) == ()
    await writer.commit(version)
    assert await writer.count(version) == len(FILMS)


async def test_e1_an_id_that_no_node_takes_is_refused_alone(node: Node) -> None:
    """E1: nodes refuse the whole request for it."""
    version = await node.house.fill(FILMS[:1])
    long = {**FILMS[1], "id": "x" * 513}

    (one,) = await node.house.writer.write(version, [Put(FILMS[2]), Put(long), Put(FILMS[3])])

    assert (one.id, one.retryable) == ("x" * 513, False)
    await node.house.writer.commit(version)
    assert await node.house.writer.count(version) == 3


async def test_e7_a_name_that_is_an_index_is_found_before_the_fill(node: Node) -> None:
    """E7: any program that writes to the name before the first build makes such an index."""
    name = node.house.index.name
    node.send("PUT", name)
    with pytest.raises(
        WriterError, match=rf"{name} as an index.* {name}-000001: .*DELETE /{name}\)"
    ) as caught:
        await node.house.writer.create(node.house.index)

    assert not caught.value.retryable
    assert await node.house.writer.versions(name) == ()


async def test_e7_a_version_that_is_an_alias_is_found_before_the_fill(node: Node) -> None:
    """E7: the reverse."""
    name = node.house.index.name
    node.send("PUT", f"other-{name}", {"aliases": {f"{name}-000001": {}}})
    with pytest.raises(
        WriterError, match=rf"{name}-000001 as an alias of other-{name}.*DELETE /other-{name}/"
    ):
        await node.house.writer.create(node.house.index)

    assert await node.house.writer.versions(name) == ()


async def test_e7_an_alias_of_another_index_is_taken_over(node: Node) -> None:
    """E7: an alias can be moved, and the index it stood for stays."""
    name = node.house.index.name
    node.send("PUT", f"other-{name}", {"aliases": {name: {}}})
    assert await node.house.writer.current(name) is None

    version = await node.house.fill(FILMS)

    assert await node.house.writer.current(name) == version
