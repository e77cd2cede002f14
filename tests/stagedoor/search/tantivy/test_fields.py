"""Documents in their physical form."""

import orjson
import pytest

from stagedoor.search.leaves import Higher, Keyword, Number, Shorter, Text
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.fields import EARLY, PRIOR, SOURCE, builder
from stagedoor.search.tantivy.keywords import SECRET_BYTES, Terms

_INDEX = Index(
    "texts",
    (Keyword(name="id"), Text(name="text"), Text(name="texts", many=True), Number(name="number")),
    ties=(Shorter("text"), Higher("number")),
)
_TERMS = Terms(bytes(SECRET_BYTES))
_build = builder(_INDEX, _TERMS)


def test_words_stand_beside_themselves_with_their_first_letter_three_times() -> None:
    """No two errors get from one first letter to another: so it stays where two are forgiven, from four letters on."""
    physical = orjson.loads(
        _build({"id": "1", "text": "The dog's Day", "texts": ["a bear", "see"], "number": None})
    )

    assert physical["text~words"] == "dogs day"
    assert physical["text~words3"] == "dddogs"
    assert physical["texts~words3"] == "bbbear"


def test_what_comes_first_among_equals_weighs_more() -> None:
    """Shorter before longer, higher before lower, and nothing last: what weighs never says otherwise."""
    held = [("ab", 9.0), ("ab", 2.0), ("ab", None), ("abc", 10.0), ("x" * 300, 9.0), ("x" * 301, 9.0)]
    made = [
        orjson.loads(_build({"id": "1", "text": text, "texts": [], "number": number}))
        for text, number in held
    ]
    priors, weights = [one[PRIOR] for one in made], [one[EARLY] for one in made]

    assert priors == sorted(priors)
    assert len(set(priors)) == len(held)
    assert weights == sorted(weights, reverse=True)


def test_a_title_has_no_word_that_only_says_again_what_another_says() -> None:
    """14: each term of a title is somebody's alone, and costs what a word costs: as many nodes as it has letters."""
    index = Index("titles", (Keyword(name="id"), Text(name="title", title=True, sortable=True)))
    long, short, sixteen = (
        orjson.loads(builder(index, _TERMS)({"id": "1", "title": title}))
        for title in ("The Dog Days of Summer", "Dog", "Dogs and Old Men")
    )

    assert "^thedogdaysof" in long["title~exact"].split()
    assert "^thedogdaysofsummer" not in long["title~exact"].split()  # which is `whole`
    assert "^dog" not in short["title~exact"].split()
    assert [one.get("title@") for one in (long, short, sixteen)] == [
        "The Dog Days of Summer",
        None,  # its first sixteen bytes are all of it
        "Dogs and Old Men",
    ]


def test_how_a_word_is_spelled_is_told_only_where_it_is_compared_otherwise() -> None:
    """18: nearly every word is compared as it is spelled, and costs no second one for that."""
    plain, accented, both = (
        orjson.loads(_build({"id": "1", "text": text, "texts": [], "number": None}))["text~exact"].split()
        for text in ("Dogs and 7 Amelies", "Am\u00e9lie", "Am\u00e9lie, Amelie")
    )

    assert plain == ["dog", "-and", "#7", "ame"]
    assert {"=am\u00e9lie", "!amelie"} <= {*accented}
    assert "!amelie" not in both


def test_a_facet_is_found_by_what_counts_it() -> None:
    """18: its values are indexed once."""
    index = Index("kinds", (Keyword(name="id"), Keyword(name="kinds", many=True, facet=True)))
    physical = orjson.loads(builder(index, _TERMS)({"id": "1", "kinds": ["b", "a", "b"]}))

    assert physical["kinds%"] == ["b", "a"]
    assert "kinds" not in physical


def test_a_keyword_that_is_not_asked_for_is_only_kept() -> None:
    """18: as with objects that are only kept."""
    index = Index("films", (Keyword(name="id"), Keyword(name="genres", many=True, asked=False)))
    physical = orjson.loads(builder(index, _TERMS)({"id": "1", "genres": ["Drama"]}))

    assert index.paths.keys() == {"id"}
    assert "genres" not in physical
    assert physical[SOURCE]


@pytest.mark.parametrize("value", [[1], 1, [None], [["a"]]])
def test_a_facet_of_something_else_than_texts_is_refused(value: object) -> None:
    """E1: the writer would lose what it has not committed if the engine found out."""
    index = Index("kinds", (Keyword(name="id"), Keyword(name="kinds", many=True, facet=True)))

    with pytest.raises(TypeError):
        builder(index, _TERMS)({"id": "1", "kinds": value})
