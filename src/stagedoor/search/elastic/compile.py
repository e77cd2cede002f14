"""Queries in the words of Elasticsearch and OpenSearch: the plain ones, and the quick ones.

`plain` is what any index of this declaration answers, whoever filled it. `quick` asks for the physical fields, sorts by
numbers, and sees one hit more on either side of the page: whoever reads the answer then knows whether the page begins
and ends where the order is sure. `exact` asks the same of the values themselves: slower, always right.

A node that need not count may leave out what cannot be on the page. One term it counts without looking; a text of many
words is counted by a search of its own (`count`), which has no scores and is remembered by the node. Of several texts
nothing can be left out. How texts are scored is told in `scores`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, assert_never

from stagedoor._value import value
from stagedoor.search.analysis import first_words, forgiven, words_as_written
from stagedoor.search.compared import as_text, bounds_of, comparable, moment, values_in
from stagedoor.search.elastic.fields import ALL, ID_KEY, OWN, PRIOR, TEXT_BYTES
from stagedoor.search.elastic.landmarks import Road
from stagedoor.search.elastic.scores import Body, best_of, constant, either, is_sum, met, sum_of
from stagedoor.search.leaves import Boolean, Date, Integer, Leaf, Nested, Number, Text
from stagedoor.search.phrases import in_order, wanted
from stagedoor.search.query import (
    ID,
    All,
    AnyOf,
    Begins,
    Between,
    Clause,
    Document,
    Either,
    Exists,
    Match,
    Not,
    Order,
    Phrase,
    Query,
    Same,
    Scalar,
    Term,
    Words,
    texts_in,
    texts_of,
)
from stagedoor.search.ranking import LEAST, Ranking, ranking_of
from stagedoor.search.schema import Index
from stagedoor.search.words import read_first

__all__ = ["Body", "Quick", "Step", "everything", "plain", "quick"]

# For an index filled by others: the number of exact words decides, then that of near ones (at most 16), then BM25.
_EXACT: Final = 100.0
_NEAR: Final = 5.0
_FINE: Final = 0.1

# 0 edits up to 2 letters, 1 for 3 to 5, 2 beyond; the first letter is sure. Rewritten so that no near word is left out.
_FUZZY: Final = {"fuzziness": "AUTO:3,6", "prefix_length": 1, "fuzzy_rewrite": "constant_score"}
_EVERY: Final = {"term": {ALL: "1"}}
_BEST_FIRST: Final = {"_score": {"order": "desc"}}
_LONG: Final = 8  # words
_KINDS: Final = {Integer: "long", Date: "date", Boolean: "boolean"}
_ISO: Final = {"format": "strict_date_optional_time"}  # before 1970 a node reads no milliseconds
_VALUES: Final = 65_000  # of a facet
_MANY_WORDS: Final = 4  # from so many on a search that counts costs less than scores for all that match


@value()
class Step:
    """One sort key as the node compares it: so many numbers, the text in them if it is one, and whether that is all.

    Where `whole`, equal numbers are equal values; of a text that holds if it is short enough.
    """

    keys: tuple[Body, ...]
    text: str = ""
    whole: bool = False

    def covers(self, document: Document) -> bool:
        """Tell whether the numbers say all there is to say of a document's value."""
        held = document.get(self.text) if self.text else None
        return self.whole and (held is None or ("\0" not in held and len(held.encode()) <= TEXT_BYTES))


@value(kw_only=True)
class Quick:
    """What to ask of an index that has the physical fields, and how to read the answer."""

    page: Body
    exact: Body
    count: Body | None  # what to ask for the total and facets, if the page does not say them
    lead: int  # hits before the page
    steps: tuple[Step, ...]
    road: Road | None  # along which the page lies, if it is one of all documents
    # Points of a match, if scores are a sum: who meets the other layout alone is not found, others are.
    least: int = 0


def plain(query: Query, index: Index) -> Body:
    """Return the body of a search that fits the index, without physical fields."""
    clauses = _Clauses(index, ranked=query.by_relevance)
    return _body(query, clauses, _plain_sort(query, index)) | _facets(query)


def quick(query: Query, index: Index, *, summed: bool = True) -> Quick:
    """Return how to ask an index that has the physical fields, with the score as a sum if that may be."""
    texts = texts_of(query.clause)
    rankings = {text: ranking_of(text, index) for text in texts_in(query.clause)}
    ranking = rankings[texts[0]] if query.by_relevance and len(texts) == 1 and not query.facets else None
    summed = summed and ranking is not None and is_sum(ranking)
    clauses = _Clauses(index, ranked=query.by_relevance, rankings=rankings, summed=summed)
    steps = _steps(query, index)
    exact = _body(query, clauses, _exact_sort(query, index, steps))
    lead = 1 if query.offset and query.limit else 0
    page: Body = {
        **exact,
        "sort": [key for step in steps for key in step.keys],
        "from": query.offset - lead,
        "size": query.limit + lead + (1 if query.limit else 0),
    }
    count = None
    if _is_counted_apart(query):
        page["track_total_hits"] = False
        count = _counted(replace(clauses, ranked=False).whole(query.clause)) | _facets(query)
    else:
        page |= _facets(query)
    road = _road(query, steps[0].keys[0])
    least = LEAST if summed else 0
    return Quick(page=page, exact=exact, count=count, lead=lead, steps=steps, road=road, least=least)


def everything() -> Body:
    """Ask how many documents there are in all."""
    return _counted({"bool": {"filter": [_EVERY]}})


def _counted(query: Body) -> Body:
    return {"query": query, "size": 0, "track_total_hits": True}


def _body(query: Query, clauses: "_Clauses", sort: list[Body]) -> Body:
    body: Body = {
        "query": clauses.whole(query.clause),
        "sort": sort,
        "from": query.offset,
        "size": query.limit,
        "track_total_hits": True,
    }
    if query.fields:  # and what the order within a page is made of
        body["_source"] = list(dict.fromkeys((*query.fields, *(key.field for key in query.sort_keys()))))
    return body


def _facets(query: Query) -> Body:
    named = {name: {"terms": {"field": name, "size": _VALUES}} for name in query.facets}
    return {"aggs": named} if named else {}


def _is_counted_apart(query: Query) -> bool:
    """Tell whether a search of its own counts, which needs no scores; with facets two texts are found in its time."""
    texts = texts_of(query.clause)
    if query.facets and query.by_relevance:
        return True
    return len(texts) == 1 and len(read_first(texts[0].text).words) >= _MANY_WORDS


# --- order ------------------------------------------------------------------------------------------------------


def _plain_sort(query: Query, index: Index) -> list[Body]:
    keys = [one for key in query.sort_keys() for one in _plain_keys(key, index)]
    return [_BEST_FIRST, *keys] if query.by_relevance else keys


def _exact_sort(query: Query, index: Index, steps: tuple[Step, ...]) -> list[Body]:
    """Return the plain order with the first number before it, of which a node knows what is too late for the page."""
    keys = _plain_sort(query, index)
    return [_BEST_FIRST, _sorted(PRIOR), *keys[1:]] if query.by_relevance else [steps[0].keys[0], *keys]


def _plain_keys(key: Order, index: Index) -> tuple[Body, ...]:
    """Return what sorts by a field; of a long, nothing is the last number there is, but as a double it is beyond it."""
    number = index.is_number(key.field)
    leaf = index.paths[key.field]
    field = key.field + ".raw" if isinstance(leaf, Text) else key.field
    kind = "float" if number else _KINDS.get(type(leaf), "keyword")
    first = _sorted(field, kind, descending=key.descending)
    return (first, _as_double(first)) if kind == "long" else (first,)


def _sorted(field: str, unmapped: str = "", *, descending: bool = False) -> Body:
    said: Body = {"order": "desc" if descending else "asc", "missing": "_last"}
    return {field: said | ({"unmapped_type": unmapped} if unmapped else {})}


def _steps(query: Query, index: Index) -> tuple[Step, ...]:
    keys = query.sort_keys()
    if query.by_relevance:
        best = [Step((key,), whole=True) for key in (_BEST_FIRST, _sorted(PRIOR))]
        return *best, *(_step(key, index) for key in keys)
    if len(keys) == 2 and index.is_number(keys[0].field) and keys[1] == Order(ID):
        towards = "down" if keys[0].descending else "up"
        return (Step((_sorted(f"{OWN}.{keys[0].field}_{towards}"),)),)
    return tuple(_step(key, index) for key in keys)


def _road(query: Query, first: Body) -> Road | None:
    """Return the road of a page of all documents, if its order begins with a physical number."""
    ((field, said),) = first.items()
    if query.clause != All() or query.facets or not query.limit or not field.startswith(OWN):
        return None
    return Road(query.index, field, said["order"] == "desc")


def _step(key: Order, index: Index) -> Step:
    if key.field == ID:
        return Step((_sorted(ID_KEY, descending=key.descending),))
    if index.is_number(key.field) or index.is_whole(key.field):
        return Step(_plain_keys(key, index), whole=True)
    numbers = range(TEXT_BYTES // 8)
    first, *others = (_sorted(f"{OWN}.{key.field}_{part}", descending=key.descending) for part in numbers)
    # Downwards nothing is the least number there is, which an empty text has; as a double it is below it.
    apart = [_as_double(first)] if key.descending else []
    return Step((first, *apart, *others), text=key.field, whole=True)


def _as_double(key: Body) -> Body:
    """Return what sorts by a long so that nothing is no long: only where it is the last number there is."""
    return {field: said | {"numeric_type": "double"} for field, said in key.items()}


# --- clauses ----------------------------------------------------------------------------------------------------


@value()
class _Clauses:
    """Clauses for one index: `ranked` if texts give scores, `summed` if these are one sum.

    With how texts rank, if it has the physical fields.
    """

    index: Index
    ranked: bool
    rankings: Mapping[Words, Ranking | None] | None = None
    summed: bool = False

    def whole(self, clause: Clause) -> Body:
        parts: dict[str, list[Body]] = {"must": [], "filter": [], "must_not": []}
        for part in clause.clauses if isinstance(clause, All) else (clause,):
            if isinstance(part, Not):
                parts["must_not"].append(self._unranked(part.clause))
            else:
                parts[self._place(part)].append(self._simple(part))
        if self.rankings is not None and not (parts["must"] or parts["filter"]):
            parts["filter"].append(_EVERY)
        used = {occur: found for occur, found in parts.items() if found}
        return {"bool": used} if used else {"match_all": {}}

    def _place(self, clause: Clause) -> str:
        return "must" if self.ranked and texts_of(clause) else "filter"

    def _unranked(self, clause: Clause) -> Body:
        return replace(self, ranked=False)._simple(clause)  # noqa: SLF001 - of itself

    def _simple(self, clause: Clause) -> Body:
        match clause:
            case All() | Not():
                return self.whole(clause)
            case Either():
                parts = [self._unranked(part) for part in clause.clauses]
                return either(parts) if parts else {"match_none": {}}
            case Match() | Begins():
                return self._match(clause)
            case _:
                return self._value(clause)

    def _value(self, clause: Term | AnyOf | Between | Exists | Phrase | Same) -> Body:
        match clause:
            case Term() | AnyOf():
                return _nested(clause.field, _any_of(clause, clause.field, self.index.paths[clause.field]))
            case Between():
                return _between(clause, self.index)
            case Exists() if _is_nested(clause.field, self.index):
                return _in_objects(clause.field, {"match_all": {}})
            case Exists():
                return {"exists": {"field": clause.field}}
            case Phrase():
                return self._phrase(clause)
            case Same():
                inside = [self._inner(clause.path, part) for part in clause.clauses]
                return _in_objects(clause.path, {"bool": {"filter": inside}})
        assert_never(clause)

    def _phrase(self, clause: Phrase) -> Body:
        words = " ".join(wanted(clause.text))
        if not words:
            return {"match_none": {}}
        own = f"{OWN}.{in_order(clause.field)}"
        return {"match_phrase": {own if self.rankings is not None else clause.field: words}}

    def _inner(self, path: str, clause: Term | AnyOf | Between) -> Body:
        inner, field = self.index.objects[path], f"{path}.{clause.field}"
        if isinstance(clause, Between):
            return _between(clause, inner, field)
        return _any_of(clause, field, inner.paths[clause.field])

    def _match(self, clause: Words) -> Body:
        if self.rankings is not None:
            return self._met(self.rankings[clause])
        return self._foreign(clause) if isinstance(clause, Match) else _typed(clause)

    def _met(self, ranking: Ranking | None) -> Body:
        """Ask for words in the parts that they are kept in; unless they are ranked, only what matches counts."""
        if ranking is None:
            return {"match_none": {}}
        if not (self.ranked or ranking.every):
            return met(ranking)
        return sum_of(ranking) if self.summed else best_of(ranking)

    def _foreign(self, clause: Match) -> Body:
        """Ask for words as they are divided here, not for the text: a node would find more, and without a bound (T9).

        Only which documents match counts unless they are ranked; what is near a word includes the word.
        """
        asked = words_as_written(clause.text)
        if not asked:
            return {"match_none": {}}
        names = [field for field, _ in clause.fields]
        errors = forgiven(asked)
        near = [_words(asked[stem], names, **_FUZZY) for stem in asked if errors[stem]]
        if not self.ranked:
            sure = [_words(asked[stem], names) for stem in asked if not errors[stem]]
            return either([*sure, *near])
        should = [constant(_words(word, names), _EXACT) for word in asked.values()]
        should += [constant(query, _NEAR) for query in near]
        if weighted := _weighted(clause, len(asked)):
            should.append(_words(" ".join(asked.values()), weighted, type="most_fields", boost=_FINE))
        return either(should)


def _typed(clause: Begins) -> Body:
    words = first_words(clause.text)
    if not words:
        return {"match_none": {}}
    return _words(" ".join(words), [name for name, _ in clause.fields], type="bool_prefix", operator="and")


def _weighted(clause: Match, words: int) -> list[str]:
    """Return the fields whose words count by frequency and weight: of a long text those that weigh more than others.

    Of eight words and more it hardly matters how rare each is, and eighty scores a document are half of the cost.
    """
    lightest = min(weight for _, weight in clause.fields) if words >= _LONG else 0.0
    return [f"{field}^{weight:g}" for field, weight in clause.fields if weight > lightest]


def _words(text: str, fields: list[str], **more: Any) -> Body:  # noqa: ANN401 - their options
    return {"multi_match": {"query": text, "fields": fields, **more}}


def _any_of(asked: Term | AnyOf, field: str, leaf: Leaf) -> Body:
    values: Sequence[Scalar] = values_in(asked)
    if isinstance(leaf, Date):  # a term of a date is the range of all that its text leaves open
        moments = [as_text(moment(str(value))) for value in values]
        when = [{"range": {field: {"gte": one, "lte": one, **_ISO}}} for one in moments]
        return either(when) if when else {"match_none": {}}
    if isinstance(leaf, Integer):
        values = [one for one in (comparable(leaf, value) for value in values) if one is not None]
    if isinstance(leaf, Number) and 0 in values:  # of which a node knows two
        return {"terms": {field: [*values, 0.0, -0.0]}}
    if isinstance(asked, Term) and values:
        return {"term": {field: values[0]}}
    return {"terms": {field: list(values)}}


def _nested(field: str, query: Body) -> Body:
    path, dot, _ = field.rpartition(".")
    return {"nested": {"path": path, "query": query, "ignore_unmapped": True}} if dot else query


def _between(clause: Between, index: Index, field: str = "") -> Body:
    bounds, field = bounds_of(index, clause.field, clause.low, clause.high), field or clause.field
    if bounds is None:
        return {"match_none": {}}
    said = {name: bound for name, bound in zip(("gte", "lte"), bounds, strict=True) if bound is not None}
    if not said:
        return {"exists": {"field": field}}
    if isinstance(index.paths[clause.field], Date):
        said = {name: as_text(bound) for name, bound in said.items()} | _ISO
    return {"range": {field: said}}


def _is_nested(field: str, index: Index) -> bool:
    """Tell whether a field holds objects, asked for or not: to a node these are documents of their own."""
    return any(isinstance(one, Nested) for one in index.fields if one.name == field)


def _in_objects(path: str, query: Body) -> Body:
    return {"nested": {"path": path, "query": query, "ignore_unmapped": True}}
