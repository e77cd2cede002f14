"""Clauses in Tantivy's words."""

from collections.abc import Iterable
from itertools import chain
from typing import Final, assert_never

import tantivy
from tantivy import FieldType, Occur, Query

from stagedoor.search.analysis import forgiven, words_of
from stagedoor.search.keys import rank
from stagedoor.search.query import All, AnyOf, Between, Clause, Match, Not, Scalar, Term
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.fields import EVERY, encoded
from stagedoor.search.tantivy.keywords import key

__all__ = ["any_term", "compiled", "everything"]

# What a document scores: the number of exact words decides, then that of near ones (at most 16), then BM25.
EXACT: Final = 100.0
NEAR: Final = 5.0
FINE: Final = 0.1  # BM25 of one word is below 100 even at a weight of 3 and 10^6 documents

everything = Query.all_query


def compiled(clause: Clause, index: Index, schema: tantivy.Schema, *, ranked: bool = False) -> Query:
    """Return a clause that fits the index as a query; its scores say something only if `ranked`, which costs."""
    must, must_not, scored = _sorted_out(clause, index, schema, ranked=ranked)
    parts = [(Occur.Must, Query.const_score_query(query, 0.0)) for query in must]
    parts += [(Occur.MustNot, query) for query in must_not]
    parts += [(Occur.Must, query) for query in scored]
    if len(parts) == 1 and not must_not:
        return must[0] if must else scored[0]
    if not (must or scored):
        parts.append((Occur.Must, everything()))
    return Query.boolean_query(parts)


def _sorted_out(
    clause: Clause, index: Index, schema: tantivy.Schema, *, ranked: bool
) -> tuple[list[Query], list[Query], list[Query]]:
    """Return what filters, what excludes and what also ranks, from a conjunction of any depth."""
    match clause:
        case All():
            inner = [_sorted_out(part, index, schema, ranked=ranked) for part in clause.clauses]
            must, must_not, scored = ([*chain.from_iterable(part[i] for part in inner)] for i in range(3))
            return must, must_not, scored
        case Not():
            return [], [compiled(clause.clause, index, schema)], []
        case Match():
            return [], [], [_match(clause, index, schema, ranked=ranked)]
        case Term():
            return [_any_of(clause.field, (clause.value,), index, schema)], [], []
        case AnyOf():
            return [_any_of(clause.field, clause.values, index, schema)], [], []
        case Between():
            return [_between(clause, schema)], [], []
    assert_never(clause)


def _any_of(field: str, values: tuple[Scalar, ...], index: Index, schema: tantivy.Schema) -> Query:
    if index.is_number(field):
        return _either(Query.term_query(schema, field, rank(float(value))) for value in values)
    return any_term(field, [value for value in values if isinstance(value, str)], schema)


def any_term(field: str, values: Iterable[str], schema: tantivy.Schema) -> Query:
    """Return the documents with any of these keywords: as single terms, which is four times as fast as a term set."""
    return _either(Query.term_query(schema, field, key(value), "basic") for value in values)


def _between(clause: Between, schema: tantivy.Schema) -> Query:
    low, high = (None if bound is None else rank(bound) for bound in (clause.low, clause.high))
    if low is None and high is None:
        return Query.exists_query(clause.field)
    if low is not None and high is not None and low > high:
        return Query.empty_query()
    return Query.range_query(schema, clause.field, FieldType.Unsigned, low, high)


def _match(clause: Match, index: Index, schema: tantivy.Schema, *, ranked: bool) -> Query:
    words = forgiven(words_of(clause.text))
    anywhere = _anywhere([field for field, _ in clause.fields], index)
    parts = (_word(word, errors, clause, anywhere, schema, ranked=ranked) for word, errors in words.items())
    return _either(chain.from_iterable(parts))


def _anywhere(fields: list[str], index: Index) -> list[str]:
    """Return the fields that have the words of all these: the one for every text, if every text is asked for."""
    return [EVERY] if len(fields) > 1 and set(index.joined) == set(fields) else fields


def _word(
    word: str, errors: int, clause: Match, anywhere: list[str], schema: tantivy.Schema, *, ranked: bool
) -> Iterable[Query]:
    """Return what one word adds to the score of the documents that have it, or one near it, in any field.

    Unless documents are ranked, only which they are counts: what is near a word includes the word.
    """
    term = encoded(word)
    near = [Query.fuzzy_term_query(schema, field, term, errors) for field in anywhere if errors]
    if not ranked and near:
        yield from near
        return
    exact = [Query.term_query(schema, field, term, "basic") for field in anywhere]
    if not ranked:
        yield from exact
        return
    yield Query.const_score_query(_either(exact), EXACT)
    for field, weight in clause.fields:
        yield Query.boost_query(Query.term_query(schema, field, term, "freq"), FINE * weight)
    if near:
        yield Query.const_score_query(_either(near), NEAR)


def _either(queries: Iterable[Query]) -> Query:
    parts = [(Occur.Should, query) for query in queries]
    if len(parts) == 1:
        return parts[0][1]
    return Query.boolean_query(parts) if parts else Query.empty_query()
