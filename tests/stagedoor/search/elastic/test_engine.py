"""A search over HTTP: what the transport's failures and odd answers become."""

import base64
from typing import Any

import orjson
import pytest

from stagedoor.call import Env
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.search import Delete, Index, Keyword, Put, Query, Term, Text, WriterError
from stagedoor.search.elastic import ElasticEngine, ElasticWriter
from stagedoor.testing import Events, ManualClock, Script, call_of
from stagedoor.upstream import Upstream

INDEX = Index("persons", (Keyword(name="id"), Text(name="full_name", sortable=True, also=("name",))))
Node = Script[HttpRequest, HttpResponse]


def said(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, body=orjson.dumps(body))


def hits(*documents: dict[str, Any], total: int = 1, **more: Any) -> HttpResponse:
    found = [{"_source": document} for document in documents]
    answer = {
        "timed_out": False,
        "_shards": {"failed": 0},
        "hits": {"total": {"value": total}, "hits": found},
    }
    return said(answer | more)


def rejected(status: int, body: Any = None) -> UpstreamRejected:
    return UpstreamRejected("search.persons", f"answered {status}", response=said(body, status))


async def ask(node: Node, query: Query | None = None) -> Any:
    return await ElasticEngine(node, [INDEX], user="ann", password="säcret").send(
        call_of(query or Query(index="persons"), operation="search.persons")
    )


async def test_one_request_is_sent_with_credentials() -> None:
    """POST, safe to repeat, under the call's own name and deadline, with basic authentication (RFC 7617)."""
    node = Node(ManualClock()).then(hits(total=7))
    found = await ask(node)
    (call,) = node.calls

    assert found.total == 7
    assert (call.payload.method, call.payload.target, call.idempotent) == ("POST", b"/persons/_search", True)
    assert dict(call.payload.headers)[b"authorization"] == b"Basic " + base64.b64encode("ann:säcret".encode())
    assert call.operation == "search.persons"


async def test_documents_of_others_are_read_tolerantly() -> None:
    """A person's name under `name`, other fields besides, a field left out."""
    node = Node(ManualClock()).then(hits({"id": "1", "name": "George", "age": 80}, {"id": "2"}))
    found = await ask(node)

    assert found.documents == ({"id": "1", "full_name": "George"}, {"id": "2", "full_name": None})


async def test_a_missing_index_is_unavailable() -> None:
    """Nothing there is an outage of the catalogue, not an empty list."""
    with pytest.raises(UpstreamUnavailable):
        await ask(Node(ManualClock()).fails(rejected(404)))


@pytest.mark.parametrize("error", [UpstreamTimeout("x"), UpstreamUnavailable("x"), rejected(400)])
async def test_failures_of_the_transport_pass(error: UpstreamError) -> None:
    """Time-outs and statuses are the transport's business; nothing is renamed."""
    with pytest.raises(type(error)):
        await ask(Node(ManualClock()).fails(error))


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=200, body=b"<html>"),
        said([]),
        said({}),
        hits(hits={"total": 3, "hits": []}),
        said(None),
    ],
)
async def test_an_answer_that_is_none_is_garbled(answer: HttpResponse) -> None:
    """A proxy's page or another program's JSON is never taken for results."""
    with pytest.raises(UpstreamGarbled):
        await ask(Node(ManualClock()).then(answer))


@pytest.mark.parametrize("more", [{"timed_out": True}, {"_shards": {"failed": 1}}])
async def test_a_partial_answer_is_no_answer(more: dict[str, Any]) -> None:
    """Half of the results would be cached as if they were all."""
    with pytest.raises(UpstreamUnavailable) as caught:
        await ask(Node(ManualClock()).then(hits(**more)))
    assert caught.value.retryable


async def test_a_query_that_does_not_fit_is_not_sent() -> None:
    """The same check as on every engine, before a byte goes out."""
    node = Node(ManualClock()).then(hits())

    with pytest.raises(UpstreamRejected):
        await ask(node, Query(index="persons", clause=Term("age", 3)))
    assert node.calls == []


# --- writing ------------------------------------------------------------------------------------------------


def writer(node: Node) -> ElasticWriter:
    env = Env(ManualClock(), lambda: 0.5, Events())
    return ElasticWriter(Upstream("nodes", node, env=env), [INDEX])


async def test_each_item_of_a_bulk_answer_is_checked() -> None:
    """200 for the whole says nothing about the parts; a missing document is deleted already."""
    items = [
        {"index": {"_id": "1", "status": 201}},
        {"index": {"_id": "2", "status": 429, "error": {"type": "rejected", "reason": "busy"}}},
        {"index": {"_id": "3", "status": 400, "error": {"type": "strict", "reason": "no"}}},
        {"delete": {"_id": "4", "status": 404}},
    ]
    node = Node(ManualClock()).then(said({"errors": True, "items": items}))
    refused = await writer(node).write("persons-000001", [*(Put({"id": one}) for one in "123"), Delete("4")])

    assert [(one.id, one.retryable) for one in refused] == [("2", True), ("3", False)]
    body = node.calls[0].payload.body
    assert isinstance(body, bytes)
    assert body.count(b"\n") == 7


async def test_a_document_without_id_is_not_sent() -> None:
    """The engine would invent an id for it, another one each time."""
    node = Node(ManualClock()).then(said({}))
    refused = await writer(node).write("persons-000001", [Put({"full_name": "George"})])

    assert [one.reason for one in refused] == ["it has no id"]
    assert node.calls == []


async def test_a_switch_is_one_request() -> None:
    """Removing the old version's name and adding it to the new one happen together, or not at all."""
    node = Node(ManualClock()).then(said({"persons-000001": {}}), said({"acknowledged": True}))
    await writer(node).switch("persons", "persons-000002")
    body = node.calls[1].payload.body
    assert isinstance(body, bytes)

    assert orjson.loads(body) == {
        "actions": [
            {"remove": {"index": "persons-000001", "alias": "persons"}},
            {"add": {"index": "persons-000002", "alias": "persons"}},
        ]
    }


async def test_an_index_that_others_filled_is_not_ours_to_write() -> None:
    """It can be read; to write it, it is built anew under our declaration."""
    mapping: dict[str, Any] = {"persons-old": {"mappings": {"properties": {}}}}
    node = Node(ManualClock()).then(said({"persons-old": {}}), said(mapping))

    assert await writer(node).current("persons") is None


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (UpstreamUnavailable("x"), True),
        (UpstreamTimeout("x"), True),
        (rejected(400, {"error": {"type": "bad", "reason": "no"}}), False),
        (rejected(400, "what"), False),
        (UpstreamRejected("x", "the request cannot be written"), False),
    ],
)
async def test_a_writer_says_whether_asking_again_may_help(error: UpstreamError, *, retryable: bool) -> None:
    """Whoever fills the index backs off from the one, and reports the other."""
    with pytest.raises(WriterError) as caught:
        await writer(Node(ManualClock()).fails(error)).commit("persons-000001")

    assert caught.value.retryable is retryable
