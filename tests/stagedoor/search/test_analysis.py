"""Text in, words to compare out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.search.analysis import (
    analyze,
    analyze_word,
    edits,
    first_words,
    forgiven,
    words_as_written,
)
from tests.growth import QUADRATIC, growth


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
        ("\u0e2a\u0e15\u0e32\u0e23\u0e4c \u0e27\u0e2d", ["\u0e2a\u0e15\u0e32\u0e23\u0e4c", "\u0e27\u0e2d"]),
        ("the of и в", []),
        ("", []),
    ],
)
def test_words_are_those_of_lucene(text: str, words: list[str]) -> None:
    """What the standard tokenizer, the stop words and Snowball make of it; seen on real nodes."""
    assert analyze(text) == words


@given(st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True) | st.sampled_from(("the", "running", "an", "7th")))
def test_a_word_of_ascii_is_analysed_as_any_text(word: str) -> None:
    """Nothing of it is Russian, so that half of the work is left out."""
    assert analyze_word(word) == analyze(word)


def test_t9_words_after_the_sixteenth_are_ignored() -> None:
    """T9: what divides a text counts its words; in scripts without spaces each sign is one."""
    assert tuple(words_as_written(" ".join(f"w{number}" for number in range(40)))) == tuple(
        f"w{number}" for number in range(16)
    )
    assert tuple(words_as_written("".join(chr(0x4E00 + number) for number in range(20)))) == tuple(
        "一丁丂七丄丅丆万丈三上下丌不与丏"
    )
    assert first_words("\u6771" * 200) == ["\u6771"] * 16
    assert first_words("Short text") == ["Short", "text"]


def test_t9_signs_are_no_words() -> None:
    """T9: pictures and circled letters are words to some engines, hundreds of them to a text: nobody is asked."""
    assert [*words_as_written("\U0001f3ac" * 200 + " star ©")] == ["star"]
    assert len(first_words(" ".join(map(chr, range(0x2C2, 0x300))))) == 16


def test_words_are_known_as_they_are_written() -> None:
    """An engine that analyses by itself is given each significant word once, in the form the text has it."""
    assert words_as_written("The Stars' star, Schindler's WARS") == {
        "star": "Stars",
        "schindler": "Schindler's",
        "war": "WARS",
    }


def test_a_word_given_twice_counts_once() -> None:
    """Repetition does not make a text rank."""
    assert [*words_as_written("star stars STAR wars")] == ["star", "war"]


def test_typing_errors_are_forgiven_by_length() -> None:
    """0 edits up to 2 letters, 1 for 3 to 5, 2 beyond."""
    assert [edits("x" * length) for length in (1, 2, 3, 5, 6, 20)] == [0, 0, 1, 1, 2, 2]


def test_t9_forgiveness_has_an_end() -> None:
    """T9: 96 letters of a text may be mistyped, whichever words they are in; short words take nothing of it."""
    words = ["ab", "b" * 33, "c" * 32, "d" * 32, "e" * 26, "f" * 7, "g" * 5, "h", "i" * 3]

    assert list(forgiven(words).values()) == [0, 0, 2, 2, 2, 0, 1, 0, 0]


@pytest.mark.parametrize("piece", ["'", "a'", "a's", "\u00bd.", "_"])
def test_t10_hostile_text_costs_linear_time(piece: str) -> None:
    """T10: 50 kB of what a pattern likes least."""

    def read(length: int) -> None:
        text = piece * (length // len(piece))
        first_words(text)
        analyze(text)

    assert growth(read, 12_500) < QUADRATIC
