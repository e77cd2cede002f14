"""Filling a cluster that refuses: too large, too busy, names that are taken."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from stagedoor._call import Call, Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.search import Index, Keyword, Put, Text, WriterError
from stagedoor.search.elastic import ElasticWriter
from stagedoor.testing import Events, ManualClock, ScriptedTransport

INDEX = Index("persons", (Keyword(name="id"), Text(name="full_name", sortable=True)))
VERSION = "persons-000001"
Work = Call[HttpRequest]


def said(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, body=orjson.dumps(body))


def refused(status: int, kind: str = "") -> UpstreamError:
    answer = said({"error": {"type": kind, "reason": "x"}}, status)
    if status == 429 or status >= 500:
        return UpstreamUnavailable("bulk", f"answered {status}", response=answer)
    return UpstreamRejected("bulk", f"answered {status}", response=answer)


class Cluster:
    """A cluster that takes bulk requests up to a size, and fails those above in its own way."""

    def __init__(self, most: float, failure: Callable[[], UpstreamError]) -> None:
        self.most = most
        self.failure = failure
        self.up = True
        self.bulks: list[int] = []
        self.held: list[str] = []

    def __call__(self, call: Work) -> HttpResponse:
        body = call.payload.body
        assert isinstance(body, bytes)
        if not call.payload.target.endswith(b"_bulk"):
            if not self.up:
                raise UpstreamUnavailable("x")
            return said({})
        self.bulks.append(len(body))
        if len(body) > self.most or not self.up:
            raise self.failure()
        ids = [orjson.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        self.held += ids
        return said({"items": [{"index": {"_id": one, "status": 201}} for one in ids]})


def writer_to(cluster: Cluster) -> ElasticWriter:
    clock = ManualClock()
    env = Env(clock, lambda: 0.5, Events())
    return ElasticWriter(
        Upstream("nodes", ScriptedTransport[HttpRequest, HttpResponse](clock).does(cluster), env=env), [INDEX]
    )


def people(count: int, octets: int = 10_000) -> list[Put]:
    return [Put({"id": f"{place:03}", "full_name": "x" * octets}) for place in range(count)]


FAILURES: dict[str, Callable[[], UpstreamError]] = {
    "413": lambda: refused(413),
    "closed": lambda: UpstreamUnavailable("bulk", "reset"),
    "closed while answering": lambda: UpstreamGarbled("bulk", "cut"),
    "late": lambda: UpstreamTimeout("bulk"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_bulk_over_the_clusters_size_is_divided(failure: str) -> None:
    """E1: http.max_content_length; everything arrives once, and what was too large is not tried again."""
    cluster = Cluster(200_000, FAILURES[failure])
    writer = writer_to(cluster)

    assert await writer.write(VERSION, people(64)) == ()
    assert await writer.write(VERSION, people(64)) == ()

    assert sorted(cluster.held) == sorted(2 * [one.id for one in people(64)])
    assert sum(size > cluster.most for size in cluster.bulks) <= 3


async def test_a_document_that_is_too_large_alone_is_set_aside() -> None:
    """E1: with its id; those before and behind it are in."""
    cluster = Cluster(200_000, FAILURES["413"])
    changes = people(9)
    changes[4] = Put({"id": "large", "full_name": "x" * 300_000})

    (one,) = await writer_to(cluster).write(VERSION, changes)

    assert (one.id, one.retryable) == ("large", False)
    assert len(cluster.held) == 8


async def test_a_document_that_closes_the_connection_is_set_aside_the_fifth_time() -> None:
    """E1: a connection that is closed once may have any reason, and what is set aside is left out."""
    cluster = Cluster(200_000, FAILURES["closed"])
    writer, large = writer_to(cluster), [Put({"id": "large", "full_name": "x" * 300_000})]
    for _ in range(4):
        with pytest.raises(WriterError):
            await writer.write(VERSION, large)

    assert [one.id for one in await writer.write(VERSION, large)] == ["large"]


@pytest.mark.parametrize("failure", ["closed", "late"])
async def test_a_cluster_that_is_away_is_no_reason_to_divide(failure: str) -> None:
    """E1: it does not answer a small request either."""
    cluster = Cluster(1e9, FAILURES[failure])
    cluster.up = False
    writer = writer_to(cluster)
    for _ in range(9):
        with pytest.raises(WriterError):
            await writer.write(VERSION, people(20))
    cluster.up = True
    before = len(cluster.bulks)
    await writer.write(VERSION, people(20))

    assert len(cluster.bulks) == before + 1


@pytest.mark.parametrize("octets", [10, 300_000])
async def test_one_document_is_never_given_up_for_time(octets: int) -> None:
    """E1: a node whose disk hangs answers small questions."""
    writer = writer_to(Cluster(5, FAILURES["late"]))
    for _ in range(9):
        with pytest.raises(WriterError):
            await writer.write(VERSION, people(1, octets))


async def test_a_whole_bulk_that_is_refused_for_a_while_is_divided_and_written_later() -> None:
    """E1: 429, of a circuit breaker for instance; what a node takes at one time depends on the size."""
    cluster = Cluster(150_000, lambda: refused(429, "circuit_breaking_exception"))
    writer = writer_to(cluster)
    left, rounds = people(40), 0
    while left:
        rounds += 1
        again = await writer.write(VERSION, left)
        assert all(one.retryable for one in again)
        left = [change for change in left if change.id in {one.id for one in again}]

    assert rounds < 6
    assert sorted(cluster.held) == [one.id for one in people(40)]


async def test_a_document_that_makes_the_whole_bulk_wrong_is_set_aside_alone() -> None:
    """E1: an id of over 512 octets is refused with the request it is in, and the others must not go with it."""
    held: list[str] = []

    def answered(call: Work) -> HttpResponse:
        body = call.payload.body
        assert isinstance(body, bytes)
        ids = [orjson.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        if any(len(one) > 512 for one in ids):
            raise refused(400, "action_request_validation_exception")
        held.extend(ids)
        return said({"items": [{"index": {"_id": one, "status": 201}} for one in ids]})

    clock = ManualClock()
    node = ScriptedTransport[HttpRequest, HttpResponse](clock).does(answered)
    writer = ElasticWriter(Upstream("nodes", node, env=Env(clock, lambda: 0.5, Events())), [INDEX])
    changes = people(9, 10)
    changes[4] = Put({"id": "x" * 513, "full_name": "X"})

    (one,) = await writer.write(VERSION, changes)

    assert (one.id, one.retryable) == ("x" * 513, False)
    assert len(held) == 8


async def test_a_version_that_is_gone_as_a_whole_begins_anew() -> None:
    """E1: where nodes create no index by themselves, the request is refused, not each item."""
    node = ScriptedTransport[HttpRequest, HttpResponse](ManualClock()).fails(
        refused(404, "index_not_found_exception")
    )
    writer = ElasticWriter(Upstream("nodes", node, env=Env(ManualClock(), lambda: 0.5, Events())), [INDEX])
    with pytest.raises(WriterError) as caught:
        await writer.write(VERSION, people(2))

    assert (caught.value.lost, caught.value.retryable) == (True, True)


@pytest.mark.parametrize("kind", ["cluster_block_exception", "index_create_block_exception"])
async def test_a_request_that_a_full_disk_refuses_may_be_repeated(kind: str) -> None:
    """E1: creating, serving and switching are blocked as writing is."""
    node = ScriptedTransport[HttpRequest, HttpResponse](ManualClock()).fails(refused(403, kind))
    writer = ElasticWriter(Upstream("nodes", node, env=Env(ManualClock(), lambda: 0.5, Events())), [INDEX])
    with pytest.raises(WriterError) as caught:
        await writer.commit(VERSION)

    assert caught.value.retryable


# --- names --------------------------------------------------------------------------------------------------


def writer_over(*answers: Any) -> tuple[ElasticWriter, ScriptedTransport[HttpRequest, HttpResponse]]:
    node = ScriptedTransport[HttpRequest, HttpResponse](ManualClock()).then(*map(said, answers))
    return ElasticWriter(
        Upstream("nodes", node, env=Env(ManualClock(), lambda: 0.5, Events())), [INDEX]
    ), node


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ({"persons": {"aliases": {}}}, "DELETE /persons"),
        ({"persons": {"aliases": {"people": {}}}, "persons-000001": {"aliases": {}}}, "DELETE /persons"),
        ({"of-others": {"aliases": {"persons-000001": {}}}}, "DELETE /of-others/_alias/persons-000001"),
    ],
)
async def test_a_name_that_is_taken_is_found_before_anything_is_filled(found: Any, what: str) -> None:
    """E7: a cluster says so when the alias is added, which is after the fill; one line that says what to do."""
    writer, node = writer_over(found)
    with pytest.raises(WriterError, match=what) as caught:
        await writer.create(INDEX)

    assert not caught.value.retryable
    assert "\n" not in str(caught.value)
    assert len(node.calls) == 1


async def test_an_alias_of_others_is_taken_over() -> None:
    """E7: that is what an alias is for; the index of theirs stays."""
    writer, _ = writer_over({"of-others": {"aliases": {"persons": {}}}}, {})

    assert await writer.create(INDEX) == "persons-000001"


async def test_a_name_that_stands_for_two_indices_stands_for_none() -> None:
    """E7: readers would get every document twice; the next switch takes both away."""
    writer, node = writer_over(
        {"of-others": {}, "persons-000001": {}}, {"of-others": {}, "persons-000001": {}}, {}
    )
    current = await writer.current("persons")
    await writer.switch("persons", "persons-000002")
    body = node.calls[-1].payload.body
    assert isinstance(body, bytes)

    assert current is None
    assert [next(iter(action)) for action in orjson.loads(body)["actions"]] == ["remove", "remove", "add"]
