"""What of a text met a question."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.search.shown import marked, meant

NAMASTE = "\u0928\u092e\u0938\u094d\u0924\u0947"  # ends with a vowel sign
SHALOM = "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd"  # with points
_PIECES = (
    "Star",
    "e\u0301",
    NAMASTE,
    SHALOM,
    "<em>",
    "&",
    "'",
    "\u00ad",
    "\U0001f3ac",
    "-",
    ".",
    " ",
    "\u00df",
    "9",
)
_texts = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Star Wars", "star", "<em>Star</em> Wars"),
        ("The Running Man", "runs the", "The <em>Running</em> Man"),
        ("Am\u00e9lie & Co <b>", "amelie", "<em>Am\u00e9lie</em> &amp; Co &lt;b&gt;"),
        ("Spider-Man: Far", "spiderman", "<em>Spider-Man</em>: Far"),
        ("Spider-Man: Far", "spider", "<em>Spider</em>-Man: Far"),
        ("(S.W.A.T.)", "swat", "(<em>S.W.A.T</em>.)"),
        ("Inception", "inceptoin", "<em>Inception</em>"),
        ("12 Angry Men", "twelve", "<em>12</em> Angry Men"),
        ("Schindler's List", "schindler", "<em>Schindler&#x27;s</em> List"),
        ("The Matrix", "\u044c\u0444\u0435\u043a\u0448\u0447", "The <em>Matrix</em>"),
        ("It", "it", "<em>It</em>"),
        ("$", " $ ", "<em>$</em>"),
        ("<?>", "<?>", "<em>&lt;?&gt;</em>"),
        ("$?", "$", None),
        (
            "\u0412\u043e\u0439\u043d\u0430 \u0438 \u043c\u0438\u0440",
            "voyna",
            "<em>\u0412\u043e\u0439\u043d\u0430</em> \u0438 \u043c\u0438\u0440",
        ),
        ("Casablanca", "\u041a\u0430\u0441\u0430\u0431\u043b\u0430\u043d\u043a\u0430", "<em>Casablanca</em>"),
        ("Casablanca", "\u041a\u0430\u0441\u0430\u043b\u0430\u043d\u043a\u0430", "<em>Casablanca</em>"),
        ("Star Wars", "king", None),
        (f"{NAMASTE} 2", NAMASTE, f"<em>{NAMASTE}</em> 2"),
        (f"x {SHALOM}!", "\u05e9\u05dc\u05d5\u05dd", f"x <em>{SHALOM}</em>!"),
        ("Spi\u00adder-Man", "spiderman", "<em>Spi\u00adder-Man</em>"),
    ],
)
def test_words_that_were_met_are_marked(text: str, asked: str, expected: str | None) -> None:
    """18: what a reader sees of how a text was met, safe to insert into a page."""
    assert marked(text, asked) == expected


@pytest.mark.parametrize(
    ("asked", "texts", "expected"),
    [
        ("inceptoin", ["Inception"], "inception"),
        ("inception", ["Inception"], None),
        ("the shawshenk redemtion", ["The Shawshank Redemption"], "the shawshank redemption"),
        ("star wrs", ["Star Wars"], None),
        ("running", ["The Run"], None),
        ("\u044c\u0444\u0435\u043a\u0448\u0447", ["The Matrix"], "matrix"),
        ("the of", ["The Matrix"], None),
        ("zzzzzz", ["The Matrix"], None),
    ],
)
def test_a_question_is_put_right_where_only_near_words_were_met(
    asked: str, texts: list[str], expected: str | None
) -> None:
    """18: a question that was understood, if only in part, is left alone."""
    assert meant(asked, texts) == expected


@given(_texts, _texts)
def test_what_is_marked_is_the_text_and_marks_pair(text: str, asked: str) -> None:
    """18: safe to insert, whatever the text has; nothing marked within another, nor nothing at all."""
    said = marked(text, asked, before="\ue000", after="\ue001")

    if said is not None and not set("\ue000\ue001") & set(text):
        assert unescape(said.translate({0xE000: None, 0xE001: None})) == unescape(text.replace("&", "&amp;"))
        assert re.fullmatch(r"([^\ue000\ue001]*\ue000[^\ue000\ue001]+\ue001)+[^\ue000\ue001]*", said)
