"""A search over HTTP: what the transport's failures and odd answers become."""

import base64
from typing import Any

import orjson
import pytest

from stagedoor._call import Env
from stagedoor._requests import HttpRequest, HttpResponse
from stagedoor._upstream import Upstream
from stagedoor.errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from stagedoor.search import Delete, Index, Keyword, Match, Order, Put, Query, Result, Term, Text, WriterError
from stagedoor.search.elastic import ElasticEngine, ElasticWriter
from stagedoor.search.elastic.fields import id_key
from stagedoor.search.keys import text_keys
from stagedoor.testing import Events, ManualClock, ScriptedTransport, call_of

INDEX = Index("persons", (Keyword(name="id"), Text(name="full_name", sortable=True, also=("name",))))
Node = ScriptedTransport[HttpRequest, HttpResponse]


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


# --- physical fields ----------------------------------------------------------------------------------------

NO_KEYS = {
    "error": {"root_cause": [{"reason": "No mapping found for [own6.full_name_0] in order to sort on"}]}
}
LONG = "The same twenty-four bytes, "


def ranked(*found: tuple[str, str], total: int = 9, version: str = "persons-000001") -> HttpResponse:
    """Answer with ids and names, with the numbers that they are sorted by."""
    documents = [{"id": one, "full_name": name} for one, name in found]
    keys = [[*text_keys(document["full_name"], 3), id_key(document["id"])] for document in documents]
    held = [
        {"_index": version, "_source": document, "sort": key}
        for document, key in zip(documents, keys, strict=True)
    ]
    return hits(hits={"total": {"value": total}, "hits": held})


def by_name(offset: int = 0, limit: int = 2) -> Query:
    return Query(index="persons", order=(Order("full_name"),), offset=offset, limit=limit)


def bodies(node: Node) -> list[Any]:
    return [orjson.loads(call.payload.body) for call in node.calls]  # type: ignore[arg-type]


async def test_a_page_is_what_lies_between_its_neighbours() -> None:
    """The hit before and the one behind only show that the page ends where numbers decide."""
    node = Node(ManualClock()).then(ranked(("1", "Ann"), ("2", "Bob"), ("3", "Cid"), ("4", "Dan")))
    found = await ask(node, by_name(offset=5))

    assert [document["id"] for document in found.documents] == ["2", "3"]
    assert len(node.calls) == 1


async def test_documents_of_equal_numbers_are_ordered_by_their_values_within_a_page() -> None:
    """The first 24 bytes are all that a node compares; the rest is here."""
    node = Node(ManualClock()).then(ranked(("1", LONG + "b"), ("2", LONG + "a"), ("3", "Z")))
    found = await ask(node, by_name())

    assert [document["id"] for document in found.documents] == ["2", "1"]


@pytest.mark.parametrize("other", [LONG + "a", LONG + "b"])
async def test_a_page_that_ends_among_equal_numbers_is_asked_for_by_values(other: str) -> None:
    """Any of a run of such names may belong to the page, even if the two at its end are equal."""
    node = Node(ManualClock()).then(
        ranked(("0", "A"), ("1", LONG + "b"), ("2", other)), ranked(("0", "A"), ("2", LONG + "a"))
    )
    found = await ask(node, by_name())

    assert [document["id"] for document in found.documents] == ["0", "2"]
    assert [next(iter(key)) for key in bodies(node)[1]["sort"]] == ["own6.full_name_0", "full_name.raw", "id"]


async def test_equal_short_names_are_told_apart_by_the_keys_of_their_ids() -> None:
    """Namesakes are common, and need no second question."""
    node = Node(ManualClock()).then(ranked(("1", "Ann"), ("2", "Ann"), ("3", "Ann")))
    await ask(node, by_name())

    assert len(node.calls) == 1


async def test_an_index_of_others_is_asked_plainly_from_the_first_refusal_on() -> None:
    """It cannot be sorted by what it does not have; its answers are as right, only dearer."""
    foreign = ranked(("1", "Ann"), version="persons-of-others")
    node = Node(ManualClock()).fails(rejected(400, NO_KEYS)).then(foreign, foreign)
    engine = ElasticEngine(node, [INDEX])
    for _ in range(2):
        found = await engine.send(call_of(by_name(), operation="search.persons"))
        assert found.total == 9

    assert [next(iter(body["sort"][0])) for body in bodies(node)] == [
        "own6.full_name_0",
        "full_name.raw",
        "full_name.raw",
    ]


@pytest.mark.parametrize("reloaded", [True, False])
async def test_an_index_of_ours_is_noticed_when_the_name_is_switched_to_it(*, reloaded: bool) -> None:
    """The answer names the version it is from; a reload forgets what was found out."""
    foreign, ours = ranked(("1", "Ann"), version="persons-of-others"), ranked(("1", "Ann"))
    node = (
        Node(ManualClock()).fails(rejected(400, NO_KEYS)).then(foreign, *([] if reloaded else [ours]), ours)
    )
    engine = ElasticEngine(node, [INDEX])
    await engine.send(call_of(by_name(), operation="search.persons"))
    await (engine.reload() if reloaded else engine.send(call_of(by_name(), operation="search.persons")))
    await engine.send(call_of(by_name(), operation="search.persons"))

    assert next(iter(bodies(node)[-1]["sort"][0])) == "own6.full_name_0"


# --- two searches at once -----------------------------------------------------------------------------------

MANY = Query(index="persons", clause=Match((("full_name", 1.0),), "ann bob cid dan"), limit=1)


def both(*parts: Any) -> HttpResponse:
    return said({"responses": [*parts]})


def part(*ids: str, total: int | None = None, score: float = 134.0) -> Any:
    held = [{"_source": {"id": one, "full_name": "Ann"}, "sort": [score, id_key(one)]} for one in ids]
    counted = {} if total is None else {"total": {"value": total}}
    return {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": held, **counted}, "status": 200}


async def test_a_page_and_its_total_are_asked_for_at_once() -> None:
    """One request, two searches; a total that was counted a moment before is at least what is on the page."""
    node = Node(ManualClock()).then(both(part("1", "2"), part(total=0)))
    found = await ask(node, MANY)
    (call,) = node.calls
    assert isinstance(call.payload.body, bytes)

    assert (found.total, [document["id"] for document in found.documents]) == (1, ["1"])
    assert call.payload.target == b"/persons/_msearch"
    assert call.payload.body.count(b"\n") == 4


@pytest.mark.parametrize(
    ("found", "total", "asked"),
    [(("1", "2"), 9, 1), (("1",), 1, 1), (("1",), 9, 2), ((), 9, 2), ((), 0, 1)],
    ids=["a full page", "all", "some are missing", "none of them", "none at all"],
)
async def test_a_page_that_lacks_some_who_match_is_asked_for_otherwise(
    found: tuple[str, ...], total: int, asked: int
) -> None:
    """18: many words are asked for as one sum, which does not find who meets them in the other keyboard layout."""
    node = Node(ManualClock()).then(both(part(*found), part(total=total)))
    answer = await ask(node.then(both(part("3"), part(total=total))), MANY)

    assert len(node.calls) == asked
    assert [document["id"] for document in answer.documents] == (["3"] if asked == 2 else [*found][:1])


async def test_who_has_stop_words_alone_is_no_match() -> None:
    """A sum finds such documents, too, behind all others: a stop word alone never makes a match."""
    node = Node(ManualClock()).then(both(part("1", "2", score=61.0), part(total=0)))

    assert await ask(node, MANY) == Result(total=0, documents=())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (both(part("1"), {"error": {}, "status": 404}), UpstreamUnavailable),
        (both(part("1"), {"error": {}, "status": 400}), UpstreamRejected),
        (both({"error": {}, "status": 503}, part(total=1)), UpstreamUnavailable),
        (both({"error": {}, "status": 429}, part(total=1)), UpstreamUnavailable),
        (both({**part("1"), "timed_out": True}, part(total=1)), UpstreamUnavailable),
        (both(part("1")), UpstreamGarbled),
        (both(part("1"), None), UpstreamGarbled),
        (said({}), UpstreamGarbled),
    ],
)
async def test_an_error_of_either_search_is_an_error(
    answer: HttpResponse, expected: type[UpstreamError]
) -> None:
    """Half an answer would be cached as if it were whole."""
    with pytest.raises(expected):
        await ask(Node(ManualClock()).then(answer), MANY)


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


async def test_a_document_of_another_shape_is_refused_alone() -> None:
    """It has no keys to be sorted by; the others of its batch are written."""
    node = Node(ManualClock()).then(said({"items": [{"index": {"_id": "2", "status": 201}}]}))
    refused = await writer(node).write(
        "persons-000001", [Put({"id": "1", "full_name": 7}), Put({"id": "2", "full_name": "Ann"})]
    )

    assert [one.id for one in refused] == ["1"]


@pytest.mark.parametrize("merging", [said({}), UpstreamTimeout("x")])
async def test_a_fresh_version_is_merged_once_if_there_is_time(merging: Any) -> None:
    """One segment is cheapest to ask; a node that takes long over it goes on by itself. Later commits only refresh."""
    node = Node(ManualClock()).then(said({}), said({}))
    node = node.fails(merging) if isinstance(merging, UpstreamTimeout) else node.then(merging)
    one = writer(node.then(said({}), said({}), said({})))
    version = await one.create(INDEX)
    await one.commit(version)
    await one.commit(version)

    assert [call.payload.target.decode().rpartition("/")[2] for call in node.calls[2:]] == [
        "_forcemerge?max_num_segments=1",
        "_settings",
        "_refresh",
        "_refresh",
    ]


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
