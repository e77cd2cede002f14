"""What of a text met a question."""

import pytest

from stagedoor.search.shown import marked, meant


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
        ("Star Wars", "king", None),
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
