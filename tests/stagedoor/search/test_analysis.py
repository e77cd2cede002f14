"""Text in, words to compare out."""

import time

import pytest

from stagedoor.search.analysis import analyze, analyze_all, edits, words_of
from stagedoor.search.query import first_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Lord of the Rings", ["lord", "ring"]),
        ("Running runs", ["run", "run"]),
        ("Звёздные войны", ["звездн", "войн"]),
        ("ЕЩЁ ёлки", ["елк"]),
        ("Schindler's List", ["schindler", "list"]),
        ("Schindler\u2019s List", ["schindler", "list"]),
        ("50's", ["50", "s"]),
        ("U.S.A. 3.14 1,000 foo_bar AT&T", ["u.s.a", "3.14", "1,000", "foo_bar", "t"]),
        ("\u6771\u4eac", ["\u6771", "\u4eac"]),
        ("\u0130stanbul \u00bd", ["istanbul"]),
        ("the of и в", []),
        ("", []),
    ],
)
def test_words_are_those_of_lucene(text: str, words: list[str]) -> None:
    """What the standard tokenizer, the stop words and Snowball make of it; seen on real nodes."""
    assert analyze(text) == words


def test_several_texts_are_analysed_as_one_by_one() -> None:
    """The short cut for many names changes nothing, whether a name needs the slow tokenizer or not."""
    for names in (["George Lucas", "Mark Hamill"], ["Ryan O'Neal", "J.J. Abrams", "Anna"]):
        assert analyze_all(names) == [word for name in names for word in analyze(name)]


def test_t9_words_after_the_sixteenth_are_ignored() -> None:
    """T9: cut at the end of the 16th word; scripts without spaces count each sign."""
    assert words_of(" ".join(f"w{number}" for number in range(40))) == tuple(
        f"w{number}" for number in range(16)
    )
    assert len(first_words("\u6771" * 200)) == 16
    assert first_words("short text") == "short text"


def test_a_word_given_twice_counts_once() -> None:
    """Repetition does not make a text rank."""
    assert words_of("star stars STAR wars") == ("star", "war")


def test_typing_errors_are_forgiven_by_length() -> None:
    """0 edits up to 2 letters, 1 for 3 to 5, 2 beyond."""
    assert [edits("x" * length) for length in (1, 2, 3, 5, 6, 20)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "text", ["'" * 50_000, "a'" * 25_000, "a's" * 16_000, "\u00bd." * 25_000, "_" * 50_000]
)
def test_t10_hostile_text_costs_linear_time(text: str) -> None:
    """T10: 50 kB of what a pattern likes least."""
    started = time.perf_counter()
    first_words(text)
    analyze(text)

    assert time.perf_counter() - started < 0.5
