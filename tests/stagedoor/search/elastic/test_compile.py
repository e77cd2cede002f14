"""What Elasticsearch and OpenSearch are asked, word for word."""

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
from stagedoor.search.elastic.compile import body_of

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
    return body_of(Query(index="movies", clause=clause), INDEX)["query"]


@pytest.mark.parametrize(
    ("clause", "query"),
    [
        (All(), {"match_all": {}}),
        (Term("id", "a"), {"bool": {"must": [{"term": {"id": "a"}}]}}),
        (AnyOf("id", ("a", "b")), {"bool": {"must": [{"terms": {"id": ["a", "b"]}}]}}),
        (Not(AnyOf("id", ("a",))), {"bool": {"must_not": [{"terms": {"id": ["a"]}}]}}),
        (
            Between("imdb_rating", 7, 9),
            {"bool": {"must": [{"range": {"imdb_rating": {"gte": 7.0, "lte": 9.0}}}]}},
        ),
        (Between("imdb_rating", None, 9), {"bool": {"must": [{"range": {"imdb_rating": {"lte": 9.0}}}]}}),
        (Between("imdb_rating"), {"bool": {"must": [{"exists": {"field": "imdb_rating"}}]}}),
        (Between("imdb_rating", 9, 7), {"bool": {"must": [{"match_none": {}}]}}),
        (
            Term("actors.id", "p"),
            {
                "bool": {
                    "must": [
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
                        {"bool": {"must": [{"term": {"id": "a"}}], "must_not": [{"term": {"id": "b"}}]}},
                    ]
                }
            },
        ),
    ],
)
def test_clauses_are_said_as_the_contract_says(clause: Clause, query: Any) -> None:
    """The table of the contract: terms in `must` and `must_not`, ranges with only the bounds that are set."""
    assert asked(clause) == query


def test_a_text_forgives_typing_errors_and_puts_exact_words_first() -> None:
    """The first letter is fixed, no near word is left out, and each significant word is asked for once."""
    (said,) = asked(Match((("title", 3.0),), "The Stars, star: X"))["bool"]["must"]
    exact, other, fine, near = said["bool"]["should"]

    assert exact["constant_score"]["boost"] == other["constant_score"]["boost"] > 16 * 6
    assert fine["multi_match"]["query"] == "Stars X"
    assert fine["multi_match"]["fields"] == ["title^3"]
    assert near["multi_match"] == {
        "query": "Stars",
        "fields": ["title"],
        "type": "most_fields",
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
    forgiving = [one["multi_match"]["query"] for one in clauses if "fuzziness" in one.get("multi_match", {})]

    assert sum("constant_score" in one for one in clauses) == exact
    assert sum(len(text.split()) for text in forgiving) == near


def test_order_is_total_and_by_raw_values() -> None:
    """`sort` is what was asked for, texts by their raw form, always followed by `id`; totals are exact."""
    body = body_of(
        Query(
            index="movies", order=(Order("title", descending=True), Order("imdb_rating")), offset=20, limit=5
        ),
        INDEX,
    )

    assert [list(key) for key in body["sort"]] == [["title.raw"], ["imdb_rating"], ["id"]]
    assert body["sort"][0]["title.raw"]["order"] == "desc"
    assert all(next(iter(key.values()))["missing"] == "_last" for key in body["sort"])
    assert (body["from"], body["size"], body["track_total_hits"]) == (20, 5, True)


def test_relevance_comes_before_id() -> None:
    """With a text and no order the score decides, and ties go by id."""
    body = body_of(Query(index="movies", clause=Match((("title", 1.0),), "star")), INDEX)

    assert body["sort"] == [{"_score": {"order": "desc"}}, ID]


def test_only_what_is_wanted_is_sent() -> None:
    """Fields that are only asked for stay where they are; a query may narrow further."""
    assert body_of(Query(index="movies"), INDEX)["_source"] == {"excludes": ["names"]}
    assert body_of(Query(index="movies", fields=("id",)), INDEX)["_source"] == ["id"]
