"""Documents in their physical form."""

import orjson

from stagedoor.search.schema import Higher, Index, Keyword, Number, Shorter, Text
from stagedoor.search.tantivy.fields import EARLY, PRIOR, builder

_INDEX = Index(
    "texts",
    (Keyword(name="id"), Text(name="text"), Text(name="texts", many=True), Number(name="number")),
    ties=(Shorter("text"), Higher("number")),
)
_build = builder(_INDEX)


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
        orjson.loads(builder(index)({"id": "1", "title": title}))
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
