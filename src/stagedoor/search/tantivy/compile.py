"""Clauses in Tantivy's words."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TypeAlias, assert_never

import tantivy
from tantivy import FieldType, Occur, Query

from stagedoor._value import value
from stagedoor.search.chunks import encoded
from stagedoor.search.compared import bounds_of, comparable, values_in
from stagedoor.search.folding import fold
from stagedoor.search.keys import rank
from stagedoor.search.leaves import Keyword
from stagedoor.search.phrases import in_order, wanted
from stagedoor.search.places import EXACT, WORDS, thrice
from stagedoor.search.query import (
    ID,
    All,
    AnyOf,
    Begins,
    Between,
    Clause,
    Either,
    Exists,
    Match,
    Not,
    Phrase,
    Same,
    Scalar,
    Term,
    Words,
)
from stagedoor.search.ranking import Condition, Has, Near, Starts, Word, Worth, members, ranking_of
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.fields import THERE, whole_key
from stagedoor.search.tantivy.keywords import Terms

__all__ = ["Layout", "any_term", "compiled", "everything"]

everything = Query.all_query
Found: TypeAlias = Callable[[Same, Query], Iterable[str]]  # ids of documents, of candidates


@value()
class Layout:
    """How one version of an index is laid out: what it declares, its physical fields, and what draws its keywords."""

    index: Index
    schema: tantivy.Schema
    terms: Terms


def _unknown(clause: Same, _: Query) -> Iterable[str]:
    raise ValueError(f"{clause.path!r} is asked object by object, which only a reader can")


def compiled(clause: Clause, layout: Layout, *, ranked: bool = False, found: Found = _unknown) -> Query:
    """Return a clause that fits the index as a query; its scores say something only if `ranked`, which costs."""
    must, must_not, scored = _sorted_out(clause, layout, ranked=ranked, found=found)
    parts = [(Occur.Must, Query.const_score_query(query, 0.0)) for query in must]
    parts += [(Occur.MustNot, query) for query in must_not]
    parts += [(Occur.Must, query) for query in scored]
    if len(parts) == 1 and not must_not:
        return must[0] if must else scored[0]
    if not (must or scored):
        parts.append((Occur.Must, everything()))
    return Query.boolean_query(parts)


def _sorted_out(
    clause: Clause, layout: Layout, *, ranked: bool, found: Found
) -> tuple[list[Query], list[Query], list[Query]]:
    """Return what filters, what excludes and what also ranks, from a conjunction of any depth."""
    match clause:
        case All():
            inner = [_sorted_out(part, layout, ranked=ranked, found=found) for part in clause.clauses]
            must, must_not, scored = ([*chain.from_iterable(part[i] for part in inner)] for i in range(3))
            return must, must_not, scored
        case Not():
            return [], [compiled(clause.clause, layout, found=found)], []
        case Match() | Begins():
            return [], [], [_match(clause, layout, ranked=ranked)]
        case Either():
            return [_either(compiled(part, layout, found=found) for part in clause.clauses)], [], []
        case Same():
            return [_same(clause, layout, found)], [], []
        case _:
            return [_value(clause, layout)], [], []


def _value(clause: Term | AnyOf | Between | Exists | Phrase, layout: Layout) -> Query:
    match clause:
        case Term() | AnyOf():
            return _any_of(clause.field, values_in(clause), layout)
        case Between():
            return _between(clause, layout)
        case Exists():
            return Query.term_query(layout.schema, THERE, clause.field, "basic")
        case Phrase():
            return _phrase(in_order(clause.field), wanted(clause.text), layout.schema)
    assert_never(clause)


def _phrase(field: str, words: Sequence[str], schema: tantivy.Schema) -> Query:
    if len(words) > 1:
        return Query.phrase_query(schema, field, [*words])
    return _either(Query.term_query(schema, field, word, "position") for word in words)


def _any_of(field: str, values: tuple[Scalar, ...], layout: Layout) -> Query:
    index, schema = layout.index, layout.schema
    leaf = index.paths[field]
    if index.is_number(field):
        return _either(Query.term_query(schema, field, rank(comparable(leaf, value))) for value in values)
    if index.is_whole(field):
        keys = [comparable(leaf, value) for value in values]
        return _either(Query.term_query(schema, field, whole_key(one)) for one in keys if one is not None)
    texts = [value for value in values if isinstance(value, str)]
    if index.is_facet(field):
        return _either(Query.term_query(schema, field + "%", text, "basic") for text in texts)
    return any_term(field, texts, layout)


def any_term(field: str, values: Iterable[str], layout: Layout) -> Query:
    """Return the documents with any of these keywords: as single terms, which is four times as fast as a term set."""
    terms = map(layout.terms.one, values)
    return _either(Query.term_query(layout.schema, field, term) for term in terms)


def _between(clause: Between, layout: Layout) -> Query:
    index, schema = layout.index, layout.schema
    bounds = bounds_of(index, clause.field, clause.low, clause.high)
    if bounds is None:
        return Query.empty_query()
    form = whole_key if index.is_whole(clause.field) else rank
    low, high = (None if bound is None else form(bound) for bound in bounds)
    if low is None and high is None:
        return Query.exists_query(clause.field)
    return Query.range_query(schema, clause.field, FieldType.Unsigned, low, high)


def _same(clause: Same, layout: Layout, found: Found) -> Query:
    """Return the documents that `found` sees to have such an object, of those that may have one."""
    inner = layout.index.objects[clause.path].paths
    may = [
        _any_of(f"{clause.path}.{one.field}", values_in(one), layout)
        for one in clause.clauses
        if not isinstance(one, Between) and isinstance(inner[one.field], Keyword)
    ]
    candidates = Query.boolean_query([(Occur.Must, one) for one in may]) if may else everything()
    return any_term(ID, found(clause, candidates), layout)


def _match(clause: Words, layout: Layout, *, ranked: bool) -> Query:
    index, schema = layout.index, layout.schema
    ranking = ranking_of(clause, index)
    if ranking is None:
        return Query.empty_query()
    if not (ranked or ranking.every):
        return _either(_condition(one, schema) for one in members(ranking))
    best = [_worth(worth, schema) for worth in ranking.whole]
    best += [_sum(words, schema, every=ranking.every) for words in (ranking.words, ranking.layout) if words]
    query = _best(best)
    if not ranking.more:
        return query
    more = [(Occur.Should, _worth(worth, schema)) for worth in ranking.more]
    return Query.boolean_query([(Occur.Must, query), *more])


def _sum(words: Sequence[Word], schema: tantivy.Schema, *, every: bool) -> Query:
    parts = [_best([_worth(worth, schema) for worth in word]) for word in words]
    return Query.boolean_query([(Occur.Must, one) for one in parts]) if every else _either(parts)


def _best(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries)


def _worth(worth: Worth, schema: tantivy.Schema) -> Query:
    conditions = _either(_condition(one, schema) for one in worth.conditions)
    return Query.const_score_query(conditions, float(worth.points))


def _condition(condition: Condition, schema: tantivy.Schema) -> Query:
    match condition:
        case Has():
            return _has(condition.part, condition.word, schema)
        case Starts():
            return Query.fuzzy_term_query(schema, condition.part, condition.word, 0, prefix=True)
        case Near(errors=1):
            return Query.fuzzy_term_query(schema, condition.part, condition.word, 1)
        case Near():
            return Query.fuzzy_term_query(schema, thrice(condition.part), encoded(condition.word), 2)
    assert_never(condition)


def _has(name: str, word: str, schema: tantivy.Schema) -> Query:
    """Return who has a word; one that is spelled as it is compared is told of by nothing but its place (`places`)."""
    if not word.startswith("=") or fold(word) != word:
        return Query.term_query(schema, name, word, "basic")
    held = Query.term_query(schema, name.removesuffix(EXACT) + WORDS, word[1:], "basic")
    otherwise = Query.term_query(schema, name, "!" + word[1:], "basic")
    return Query.boolean_query([(Occur.Must, held), (Occur.MustNot, otherwise)])


def _either(queries: Iterable[Query]) -> Query:
    parts = [(Occur.Should, query) for query in queries]
    if len(parts) == 1:
        return parts[0][1]
    return Query.boolean_query(parts) if parts else Query.empty_query()
