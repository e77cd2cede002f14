"""What Elasticsearch and OpenSearch are asked, word for word."""

import re
from typing import Any

import pytest

from stagedoor.search import (
    All,
    AnyOf,
    Between,
    Clause,
    Index,
    Keyword,
    Match,
    Nested,
    Not,
    Number,
    Order,
    Query,
    Term,
    Text,
)
from stagedoor.search.elastic.compile import plain, quick

INDEX = Index(
    "movies",
    (
        Keyword(name="id"),
        Text(name="title", sortable=True),
        Number(name="imdb_rating"),
        Text(name="names", many=True, kept=False),
        Nested(name="actors", fields=(Keyword(name="id"),), asked=True),
    ),
)
ID = {"id": {"order": "asc", "missing": "_last", "unmapped_type": "keyword"}}


def asked(clause: Clause) -> Any:
    return plain(Query(index="movies", clause=clause), INDEX)["query"]


@pytest.mark.parametrize(
    ("clause", "query"),
    [
        (All(), {"match_all": {}}),
        (Term("id", "a"), {"bool": {"filter": [{"term": {"id": "a"}}]}}),
        (AnyOf("id", ("a", "b")), {"bool": {"filter": [{"terms": {"id": ["a", "b"]}}]}}),
        (Not(AnyOf("id", ("a",))), {"bool": {"must_not": [{"terms": {"id": ["a"]}}]}}),
        (
            Between("imdb_rating", 7, 9),
            {"bool": {"filter": [{"range": {"imdb_rating": {"gte": 7.0, "lte": 9.0}}}]}},
        ),
        (Between("imdb_rating", None, 9), {"bool": {"filter": [{"range": {"imdb_rating": {"lte": 9.0}}}]}}),
        (Between("imdb_rating"), {"bool": {"filter": [{"exists": {"field": "imdb_rating"}}]}}),
        (Between("imdb_rating", 9, 7), {"bool": {"filter": [{"match_none": {}}]}}),
        (
            Term("actors.id", "p"),
            {
                "bool": {
                    "filter": [
                        {
                            "nested": {
                                "path": "actors",
                                "query": {"term": {"actors.id": "p"}},
                                "ignore_unmapped": True,
                            }
                        }
                    ]
                }
            },
        ),
        (
            Not(All((Term("id", "a"), Not(Term("id", "b"))))),
            {
                "bool": {
                    "must_not": [
                        {"bool": {"filter": [{"term": {"id": "a"}}], "must_not": [{"term": {"id": "b"}}]}},
                    ]
                }
            },
        ),
    ],
)
def test_clauses_are_said_as_the_contract_says(clause: Clause, query: Any) -> None:
    """The table of the contract: terms in `must` and `must_not`, ranges with only the bounds that are set."""
    assert asked(clause) == query


def test_a_zero_is_asked_for_with_either_sign() -> None:
    """18: a node tells them apart, other engines and SQL do not. Python compares them as one: so by what is sent."""
    said = str(asked(All((Between("imdb_rating", 0, -0.0), Term("imdb_rating", 0)))))

    assert "{'gte': -0.0, 'lte': 0.0}" in said
    assert "{'imdb_rating': [0, 0.0, -0.0]}" in said


def test_a_text_forgives_typing_errors_and_puts_exact_words_first() -> None:
    """The first letter is fixed, no near word is left out, and each significant word is asked for once."""
    (said,) = asked(Match((("title", 3.0),), "The Stars, star: X"))["bool"]["must"]
    exact, other, near, fine = said["bool"]["should"]

    assert exact["constant_score"]["boost"] == other["constant_score"]["boost"]
    assert exact["constant_score"]["boost"] > 16 * near["constant_score"]["boost"]
    assert fine["multi_match"]["query"] == "Stars X"
    assert fine["multi_match"]["fields"] == ["title^3"]
    assert near["constant_score"]["filter"]["multi_match"] == {
        "query": "Stars",
        "fields": ["title"],
        "fuzziness": "AUTO:3,6",
        "prefix_length": 1,
        "fuzzy_rewrite": "constant_score",
    }


@pytest.mark.parametrize(
    ("text", "exact", "near"),
    [
        (" ".join(f"wo{number}" for number in range(40)), 16, 16),
        ("\U0001f3ac" * 255, 0, 0),
        (" ".join(map(chr, range(0x1F300, 0x1F37F))), 0, 0),
        ("\u6771\u4eac" * 100, 2, 0),
        ("x" * 255, 1, 0),
        (" ".join(letter * 14 for letter in "abcdefghijklmnop"), 16, 6),
        ("the of и", 0, 0),
    ],
)
def test_t9_a_text_has_a_bounded_number_of_clauses(text: str, exact: int, near: int) -> None:
    """T9: at most 16 words, none of them a sign, and typing errors in 96 letters."""
    (said,) = asked(Match((("title", 1.0),), text))["bool"]["must"]
    clauses = said["bool"]["should"] if exact else []
    words = [one["constant_score"]["filter"]["multi_match"] for one in clauses if "constant_score" in one]

    assert sum("fuzziness" not in one for one in words) == exact
    assert sum("fuzziness" in one for one in words) == near


def test_what_is_not_ranked_asks_for_each_word_once() -> None:
    """A list by title needs to know who matches: what is near a word includes the word, and scores cost."""
    text = Match((("title", 1.0),), "stars X")
    (said,) = plain(Query(index="movies", clause=text, order=(Order("title"),)), INDEX)["query"]["bool"][
        "filter"
    ]

    assert [one["multi_match"]["query"] for one in said["bool"]["should"]] == ["X", "stars"]


def test_order_is_total_and_by_raw_values() -> None:
    """`sort` is what was asked for, texts by their raw form, always followed by `id`; totals are exact."""
    body = plain(
        Query(
            index="movies", order=(Order("title", descending=True), Order("imdb_rating")), offset=20, limit=5
        ),
        INDEX,
    )

    assert [list(key) for key in body["sort"]] == [["title.raw"], ["imdb_rating"], ["id"]]
    assert body["sort"][0]["title.raw"]["order"] == "desc"
    assert all(next(iter(key.values()))["missing"] == "_last" for key in body["sort"])
    assert (body["from"], body["size"], body["track_total_hits"]) == (20, 5, True)


# --- with physical fields -----------------------------------------------------------------------------------


def keys(*order: Order, **more: Any) -> list[str]:
    asked = quick(Query(index="movies", order=order, **more), INDEX)
    return [next(iter(key)).removeprefix("own6.") for key in asked.page["sort"]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((), ["id"]),
        ((Order("imdb_rating"),), ["imdb_rating_up"]),
        ((Order("imdb_rating", descending=True),), ["imdb_rating_down"]),
        ((Order("imdb_rating"), Order("id", descending=True)), ["imdb_rating", "id"]),
        ((Order("title"),), ["title_0", "title_1", "title_2", "id"]),
        (
            (Order("imdb_rating"), Order("title")),
            ["imdb_rating", "title_0", "title_1", "title_2", "id"],
        ),
    ],
)
def test_quick_orders_are_numbers_only(order: tuple[Order, ...], expected: list[str]) -> None:
    """A keyword as a sort key is copied for each document that was ever among the best; one number is skipped by."""
    assert keys(*order) == expected


def test_relevance_is_followed_by_the_prior_and_the_key_of_the_id() -> None:
    """Thousands of equal scores are ordered by numbers too."""
    assert keys(clause=Match((("title", 1.0),), "star")) == ["_score", "prior", "id"]


@pytest.mark.parametrize(
    ("offset", "limit", "window"),
    [(0, 10, (0, 11)), (20, 10, (19, 12)), (9_900, 100, (9_899, 102)), (5, 0, (5, 0))],
)
def test_a_page_is_seen_with_its_neighbours(offset: int, limit: int, window: tuple[int, int]) -> None:
    """One hit more on either side tells whether the page ends where the order is sure; the mapping allows for it."""
    asked = quick(Query(index="movies", offset=offset, limit=limit), INDEX)

    assert (asked.page["from"], asked.page["size"]) == window
    assert (asked.exact["from"], asked.exact["size"]) == (offset, limit)


def test_everything_is_a_term_that_all_documents_have() -> None:
    """Objects of lists are documents too, and a filter for each question keeps them out of `match_all`."""
    every = {"term": {"own6.all": "1"}}

    assert quick(Query(index="movies"), INDEX).page["query"] == {"bool": {"filter": [every]}}
    assert quick(Query(index="movies", clause=Not(Term("id", "a"))), INDEX).page["query"] == {
        "bool": {"filter": [every], "must_not": [{"term": {"id": "a"}}]}
    }


def test_texts_kept_together_are_asked_as_one_field() -> None:
    """What is near a word is looked for among the words of one field, not of each text's."""
    index = Index(
        "movies",
        (
            Keyword(name="id"),
            Text(name="title", title=True),
            *[Text(name=name, many=True, together="names", alone=False) for name in ("actors", "writers")],
        ),
    )
    text = Match((("title", 3.0), ("actors", 1.0), ("writers", 1.0)), "star")
    said = repr(quick(Query(index="movies", clause=text), index).page["query"])

    assert set(re.findall(r"own6\.\w+~\w+", said)) == {
        "own6.title~words",
        "own6.title~exact",
        "own6.title~whole",
        "own6.names~words",
        "own6.names~exact",
    }
    with pytest.raises(ValueError, match="not asked for alone"):
        quick(Query(index="movies", clause=Match((("writers", 1.0),), "star")), index)


def test_many_words_are_counted_by_a_search_of_their_own() -> None:
    """Who need not count may leave out what cannot be on the page: sixteen common words cost an eighth."""
    few = quick(Query(index="movies", clause=Match((("title", 1.0),), "one star two"), limit=3), INDEX)
    many = quick(Query(index="movies", clause=Match((("title", 1.0),), "star war king ring")), INDEX)

    assert (few.count, few.page["track_total_hits"]) == (None, True)
    assert many.page["track_total_hits"] is False
    assert many.count is not None
    assert (many.count["size"], many.count["track_total_hits"]) == (0, True)


def test_several_texts_are_counted_with_their_page() -> None:
    """Nothing can be left out where each has to be met: a count of their own would only keep another core busy."""
    texts = All((Match((("title", 1.0),), "star war king ring"), Match((("names", 1.0),), "ann bob cid dan")))
    asked = quick(Query(index="movies", clause=texts), INDEX)

    assert (asked.count, asked.page["track_total_hits"]) == (None, True)


def test_many_words_are_asked_for_as_one_sum() -> None:
    """18: a node leaves out who cannot be on the page only where all that scores is one sum."""
    query = Query(index="movies", clause=Match((("title", 1.0),), "star war king ring"))
    asked, other = quick(query, INDEX), quick(query, INDEX, summed=False)
    ((kind, words),) = asked.page["query"]["bool"]["must"][0].items()

    assert (asked.least, kind, len(words["should"])) == (100, "bool", 4)
    assert "ыефк" not in repr(asked.page)
    assert (other.least, "ыефк" in repr(other.page)) == (0, True)


@pytest.mark.parametrize("more", [{"facets": ("id",)}, {"order": (Order("title"),)}])
def test_what_is_counted_or_ordered_otherwise_is_no_sum(more: Any) -> None:
    """Facets count every match, those too that a sum does not find."""
    query = Query(index="movies", clause=Match((("title", 1.0),), "star war king ring"), **more)

    assert quick(query, INDEX).least == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [((("title", 3.0), ("names", 1.0)), [["title^3"]]), ((("title", 1.0),), [])],
    ids=["weighted", "alone"],
)
def test_of_a_long_text_only_the_number_of_words_and_heavier_fields_count(
    fields: tuple[tuple[str, float], ...], expected: list[list[str]]
) -> None:
    """Sixteen words in five fields are eighty scores for each of a hundred thousand documents."""
    text = Match(fields, " ".join(f"wo{number}" for number in range(8)))
    (said,) = plain(Query(index="movies", clause=text), INDEX)["query"]["bool"]["must"]
    fine = [one["multi_match"] for one in said["bool"]["should"] if "multi_match" in one]

    assert [one["fields"] for one in fine] == expected
