"""How documents meet a text, as `ranking` has it, in the words of Elasticsearch and OpenSearch.

What is the best of several sums a node finds by scoring every document that meets any of them. What is one sum it finds
by leaving out who cannot be on the page (Lucene's MAXSCORE), in a fifth of the time. So the texts that cost most, those
of many words, are asked for as one sum where that is the same: a title met whole meets every word exactly, and has its
points beside. Who meets what the other keyboard layout makes of a text, and no more, is not found by that sum, and
would come behind all whom it finds; who has its stop words alone is found, and has less than `LEAST` points.

That a word is spelled as it was typed is worth a point beside those for the word. It is asked for as one way more to
meet it, for a sum of twice as many terms takes twice as long: by those who spell it so, and by those who spell it
otherwise, which together are all that have it.
"""

from collections.abc import Sequence
from typing import Any, Final

from stagedoor.search.elastic.fields import OWN
from stagedoor.search.folding import fold
from stagedoor.search.places import EXACT, WORDS
from stagedoor.search.ranking import Condition, Has, Near, Ranking, Starts, Word, Worth, members

__all__ = ["Body", "best_of", "constant", "either", "is_sum", "met", "sum_of"]

Body = dict[str, Any]

_MANY: Final = 4  # significant words


def met(ranking: Ranking) -> Body:
    """Return who meets a text, in whatever way, without scores."""
    return either([_condition(one) for one in members(ranking)])


def best_of(ranking: Ranking) -> Body:
    """Return how documents score: the best of all ways in which a text as a whole may be met."""
    plain, spelled, more = _sorted_out(ranking)
    best = []
    if ranking.whole:
        whole = _best([_worth(worth) for worth in ranking.whole])
        best.append(_beside(whole, [*plain.values(), *spelled]))
    if ranking.words:
        words = [_best(_ways(word, plain)) for word in ranking.words]
        best.append({"bool": {"must": words}} if ranking.every else either([*words, *map(_worth, spelled)]))
    if ranking.layout:
        best.append(either([_best([_worth(way) for way in word]) for word in ranking.layout]))
    return _beside(_best(best), more)


def is_sum(ranking: Ranking) -> bool:
    """Tell whether `sum_of` scores as `best_of` does all whom it finds: what is near a whole title is no sum."""
    near = any(isinstance(one, Near) for worth in ranking.whole for one in worth.conditions)
    return len(ranking.words) >= _MANY and not (ranking.every or near)


def sum_of(ranking: Ranking) -> Body:
    """Return how documents score that meet a text otherwise than in the other keyboard layout."""
    plain, spelled, more = _sorted_out(ranking)
    every = ranking.words[0][0].points
    least = every * len(ranking.words)
    whole = [worth for worth in ranking.whole if worth.points > least]
    conditions = tuple(one for worth in whole for one in worth.conditions)
    words = [
        _best(_ways((Worth(every, (*word[0].conditions, *conditions)), *word[1:]), plain))
        for word in ranking.words
    ]
    beside = (
        [_best([_worth(Worth(worth.points - least, worth.conditions)) for worth in whole])] if whole else []
    )
    return either([*words, *beside, *map(_worth, (*spelled, *more))])


def _sorted_out(ranking: Ranking) -> tuple[dict[str, Worth], list[Worth], list[Worth]]:
    """Return what more is worth: words spelled as they are compared, by word; spelled otherwise; and the rest.

    Who meets one of the former two meets that word, and exactly.
    """
    plain: dict[str, Worth] = {}
    spelled, more = [], []
    for worth in ranking.more:
        word = worth.conditions[0].word
        if ranking.every or not word.startswith("="):
            more.append(worth)
        elif fold(word) == word:
            plain[word[1:]] = worth
        else:
            spelled.append(worth)
    return plain, spelled, more


def _ways(word: Word, plain: dict[str, Worth]) -> list[Body]:
    """Return the ways in which a word is met: first as it was typed, if that is how it is compared."""
    first, *others = word
    folded = first.conditions[0].word
    spelled = plain.get(folded)
    if spelled is None:
        return [_worth(way) for way in word]
    held = {(one.part.removesuffix(EXACT) + WORDS, folded) for one in spelled.conditions}
    otherwise = (Has(one.part, "!" + folded) for one in spelled.conditions)
    left = (one for one in first.conditions if (one.part, one.word) not in held)
    best = Worth(first.points + spelled.points, spelled.conditions)
    return [_worth(way) for way in (best, Worth(first.points, (*otherwise, *left)), *others)]


def _beside(query: Body, more: Sequence[Worth]) -> Body:
    return {"bool": {"must": [query], "should": [_worth(worth) for worth in more]}} if more else query


def _best(queries: list[Body]) -> Body:
    return queries[0] if len(queries) == 1 else {"dis_max": {"queries": queries}}


def _worth(worth: Worth) -> Body:
    conditions = [_condition(one) for one in worth.conditions]
    return constant(conditions[0] if len(conditions) == 1 else either(conditions), worth.points)


def _condition(condition: Condition) -> Body:
    field = f"{OWN}.{condition.part}"
    if isinstance(condition, Has):
        return {"term": {field: condition.word}}
    if isinstance(condition, Starts):
        return {"prefix": {field: {"value": condition.word, "rewrite": "constant_score"}}}
    near = {"value": condition.word, "fuzziness": condition.errors, "rewrite": "constant_score"}
    return {"fuzzy": {field: near | {"prefix_length": condition.errors - 1}}}


def either(should: list[Body]) -> Body:
    """Return who meets any of these."""
    return {"bool": {"should": should, "minimum_should_match": 1}}


def constant(query: Body, score: float) -> Body:
    """Return who meets this, with a score that is always the same."""
    return {"constant_score": {"filter": query, "boost": score}}
