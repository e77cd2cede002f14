"""Queries in the words of Elasticsearch and OpenSearch."""

from typing import Any, Final, assert_never

from stagedoor.search.analysis import forgiven, words_as_written
from stagedoor.search.query import All, AnyOf, Between, Clause, Match, Not, Order, Query, Term
from stagedoor.search.schema import Index, Text, single

__all__ = ["body_of"]

# As for the embedded engine: the number of exact words decides, then near ones (16 in at most 6 fields), then BM25.
_EXACT: Final = 100.0
_FINE: Final = 0.1

# 0 edits up to 2 letters, 1 for 3 to 5, 2 beyond; the first letter is sure. Rewritten so that no near word is left out.
_FUZZY: Final = {"fuzziness": "AUTO:3,6", "prefix_length": 1, "fuzzy_rewrite": "constant_score"}


def body_of(query: Query, index: Index) -> dict[str, Any]:
    """Return the body of a search that fits the index."""
    body: dict[str, Any] = {
        "query": _clause(query.clause, index),
        "sort": [_key(key, index) for key in query.sort_keys()],
        "from": query.offset,
        "size": query.limit,
        "track_total_hits": True,
    }
    if query.by_relevance:
        body["sort"].insert(0, {"_score": {"order": "desc"}})
    if query.fields:
        body["_source"] = list(query.fields)
    elif index.unkept:
        body["_source"] = {"excludes": sorted(index.unkept)}
    return body


def _key(key: Order, index: Index) -> dict[str, Any]:
    number = index.is_number(key.field)
    field = key.field + ".raw" if isinstance(index.paths[key.field], Text) else key.field
    return {
        field: {
            "order": "desc" if key.descending else "asc",
            "missing": "_last",
            "unmapped_type": "float" if number else "keyword",
        }
    }


def _clause(clause: Clause, index: Index) -> dict[str, Any]:
    parts: dict[str, list[dict[str, Any]]] = {"must": [], "must_not": []}
    for part in clause.clauses if isinstance(clause, All) else (clause,):
        if isinstance(part, Not):
            parts["must_not"].append(_simple(part.clause, index))
        else:
            parts["must"].append(_simple(part, index))
    used = {occur: found for occur, found in parts.items() if found}
    return {"bool": used} if used else {"match_all": {}}


def _simple(clause: Clause, index: Index) -> dict[str, Any]:
    match clause:
        case All() | Not():
            return _clause(clause, index)
        case Term():
            return _nested(clause.field, {"term": {clause.field: clause.value}})
        case AnyOf():
            return _nested(clause.field, {"terms": {clause.field: list(clause.values)}})
        case Between():
            return _between(clause)
        case Match():
            return _match(clause)
    assert_never(clause)


def _nested(field: str, query: dict[str, Any]) -> dict[str, Any]:
    path, dot, _ = field.rpartition(".")
    return {"nested": {"path": path, "query": query, "ignore_unmapped": True}} if dot else query


def _between(clause: Between) -> dict[str, Any]:
    low, high = clause.low, clause.high
    if low is None and high is None:
        return {"exists": {"field": clause.field}}
    if low is not None and high is not None and low > high:
        return {"match_none": {}}
    bounds = {name: single(bound) for name, bound in (("gte", low), ("lte", high)) if bound is not None}
    return {"range": {clause.field: bounds}}


def _match(clause: Match) -> dict[str, Any]:
    """Ask for words as they are divided here, not for the text: a node would find more, and without a bound (T9)."""
    asked = words_as_written(clause.text)
    names = [field for field, _ in clause.fields]
    weighted = [f"{field}^{weight:g}" for field, weight in clause.fields]
    near = " ".join(asked[stem] for stem, errors in forgiven(asked).items() if errors)
    should = [{"constant_score": {"filter": _words(word, names), "boost": _EXACT}} for word in asked.values()]
    should.append(_words(" ".join(asked.values()), weighted, type="most_fields", boost=_FINE))
    if near:
        should.append(_words(near, names, type="most_fields", **_FUZZY))
    return {"bool": {"should": should, "minimum_should_match": 1}} if asked else {"match_none": {}}


def _words(text: str, fields: list[str], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - their options
    return {"multi_match": {"query": text, "fields": fields, **more}}
