"""What nodes answer, read: hits and totals, and whether a page by coarse keys is the page that was asked for.

Within a page documents are put into their exact order here. What coarse keys may have got wrong is which documents are
on it: where the last of one page and the first of the next have equal numbers that do not say all of their values,
they may have changed places, and the page has to be asked for by the values themselves. That is rare.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import orjson

from stagedoor._requests import HttpResponse
from stagedoor.errors import UpstreamGarbled, UpstreamRejected, UpstreamUnavailable
from stagedoor.search.documents import as_declared
from stagedoor.search.elastic.compile import Quick, Step
from stagedoor.search.order import in_facet_order, in_order, narrowed
from stagedoor.search.query import Document, Query, Result
from stagedoor.search.schema import Index

__all__ = ["Found", "found_in", "lacks_some", "page_of", "parts_of", "result_of", "sure"]


class Found:
    """The hits of one search: declared documents, their sort values, the total if it was counted, whose they are.

    Where a match has so many points at `least`, a hit with fewer is none.
    """

    __slots__ = ("documents", "facets", "keys", "total", "version")

    def __init__(self, answer: Any, index: Index, least: int) -> None:  # noqa: ANN401 - JSON
        hits = [hit for hit in answer["hits"]["hits"] if not least or hit["sort"][0] >= least]
        self.documents = [as_declared(hit["_source"], index) for hit in hits]
        self.keys = [hit.get("sort", ()) for hit in hits]
        self.total: int = answer["hits"]["total"]["value"] if "total" in answer["hits"] else 0
        self.facets = tuple(
            (name, in_facet_order([(one["key"], one["doc_count"]) for one in found["buckets"]]))
            for name, found in answer.get("aggregations", {}).items()
        )
        self.version: str = hits[0].get("_index", "") if hits else ""


def found_in(operation: str, answer: Any, index: Index, least: int = 0) -> Found:  # noqa: ANN401 - JSON
    """Return the hits of a whole answer; raises `UpstreamUnavailable` for a part of one, `UpstreamGarbled` for none."""
    try:
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise UpstreamUnavailable(operation, "a part of the index did not answer", retryable=True)
        return Found(answer, index, least)
    except (AttributeError, KeyError, TypeError) as error:
        raise UpstreamGarbled(operation, "the answer is not that of a search") from error


def parts_of(operation: str, answer: Any, count: int) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the answers to so many searches sent together; raises what any of them would have raised alone."""
    try:
        parts = list(answer["responses"])
        statuses = [int(part.get("status", 200)) for part in parts]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UpstreamGarbled(operation, "the answer is not that of several searches") from error
    if len(parts) != count:
        raise UpstreamGarbled(operation, f"{len(parts)} answers to {count} searches")
    for part, status in zip(parts, statuses, strict=True):
        if status >= 500 or status == 429:
            raise UpstreamUnavailable(operation, f"a search was answered {status}", retryable=status != 500)
        if status >= 400:
            said = HttpResponse(status=status, body=orjson.dumps(part))
            raise UpstreamRejected(operation, f"a search was answered {status}", response=said)
    return parts


def lacks_some(asked: Quick, found: Found, total: int) -> bool:
    """Tell whether there are documents that a sum does not find, and they belong to the page: behind all the others."""
    seen: int = asked.page["from"] + len(found.documents)
    return bool(asked.least) and len(found.documents) < asked.page["size"] and seen < total


def sure(asked: Quick, query: Query, found: Found) -> bool:
    """Tell whether the hits of the page are those of the page by exact values."""
    first, last = asked.lead, asked.lead + query.limit  # of the page, and behind it
    borders: Iterable[tuple[int, int]] = ((first - 1, first), (last - 1, last))
    if query.by_relevance:  # whose order within the page is the node's
        borders = pairwise(range(len(found.documents)))
    return all(
        _differ(asked.steps, found, one, other)
        for one, other in borders
        if one >= 0 and other < len(found.documents)
    )


def _differ(steps: Sequence[Step], found: Found, one: int, other: int) -> bool:
    """Tell whether the numbers of two neighbours decide which of them is first."""
    mine, theirs = found.keys[one], found.keys[other]
    place = 0
    for step in steps:
        end = place + len(step.keys)
        if mine[place:end] != theirs[place:end]:
            return True
        if not step.covers(found.documents[one]) or not step.covers(found.documents[other]):
            return False
        place = end
    return False


def page_of(asked: Quick, query: Query, found: Found, index: Index) -> list[Document]:
    """Return the documents of the page in exact order."""
    documents = found.documents[asked.lead : asked.lead + query.limit]
    return documents if query.by_relevance else in_order(documents, query.sort_keys(), index)


def result_of(counted: Found, documents: list[Document], query: Query, index: Index) -> Result:
    """Return a page; a total that was counted a moment earlier is at least what the page proves."""
    seen = query.offset + len(documents) if documents else 0
    shown = narrowed(documents, query.fields, index)
    return Result(total=max(counted.total, seen), documents=shown, facets=counted.facets)
