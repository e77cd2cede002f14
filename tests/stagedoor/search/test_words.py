"""Texts divided into words, and the forms in which they meet."""

import pytest

from stagedoor.search.folding import clean, fold, latin, other_layout
from stagedoor.search.leaves import Keyword, Text
from stagedoor.search.query import Match
from stagedoor.search.ranking import Near, members, ranking_of
from stagedoor.search.schema import Index
from stagedoor.search.words import LONGEST, read, read_first
from tests.growth import QUADRATIC, growth


@pytest.mark.parametrize(
    ("text", "words", "joined"),
    [
        ("The Lord of the Rings", ["the", "lord", "of", "the", "rings"], []),
        ("Spider-Man: Far", ["spider", "man", "far"], ["spiderman"]),
        ("WALL\u00b7E", ["wall", "e"], ["walle"]),
        ("E.T. the Extra-Terrestrial", ["et", "the", "extra", "terrestrial"], ["extraterrestrial"]),
        ("S.W.A.T.", ["swat"], []),
        ("M*A*S*H", ["mash"], []),
        ("J. J. Abrams", ["j", "j", "abrams"], ["jj"]),
        ("G.I.Joe", ["gi", "joe"], ["gijoe"]),
        ("Schindler\u2019s O'Brien", ["schindlers", "obrien"], []),
        ("Am\u00e9lie Ame\u0301lie", ["amelie", "amelie"], []),
        ("Stra\u00dfe \u0130stanbul \u0141\u00f3d\u017a", ["strasse", "istanbul", "lodz"], []),
        ("\ufb01lm \uff21 \u212bngstr\u00f6m", ["film", "a", "angstrom"], []),
        ("\u0401л\u043a\u0430 \u0438 Йога", ["ел\u043a\u0430", "\u0438", "иога"], []),
        ("\u6771\u4eac\u7269\u8a9e", ["\u6771", "\u4eac", "\u7269", "\u8a9e"], []),
        ("\ud55c\uae00", ["\ud55c\uae00"], []),
        ("8\u00bd", ["8", "1", "2"], ["12"]),
        ("$", [], []),
    ],
)
def test_a_text_has_the_words_that_people_type(text: str, words: list[str], joined: list[str]) -> None:
    """18: accents, ligatures, apostrophes, hyphens and dots between initials do not matter."""
    found = read(text)

    assert [one.folded for one in found.words] == words
    assert [one.run.folded for one in found.joins] == joined


def test_a_text_without_words_is_its_signs() -> None:
    """18: a title may be nothing but signs."""
    assert (read("! ? !").signs, read("it").signs) == ("!?!", "")


@pytest.mark.parametrize(
    ("word", "number"),
    [("twelve", "12"), ("XII", ""), ("ii", "2"), ("X", "10"), ("I", ""), ("12", "12"), ("двенадцать", "12")],
)
def test_numbers_are_one_however_they_are_written(word: str, number: str) -> None:
    """18: words to twenty, digits, and Roman II to X; one I is a person."""
    (found,) = read(word).words

    assert found.number == number


@pytest.mark.parametrize(
    ("word", "number"),
    [("2nd", "2"), ("Thirteenth", "13"), ("34th", "34"), ("forty", "40"), ("twentyone", "21"), ("th", "")],
)
def test_numbers_are_one_in_order_and_in_words_beyond_twenty(word: str, number: str) -> None:
    """18: "Beethoven's 2nd" is what is meant by "beethoven 2"."""
    (found,) = read(word).words

    assert found.number == number


@pytest.mark.parametrize(
    ("long", "short"),
    [("Doctor", "Dr."), ("mister", "Mr"), ("versus", "vs."), ("Volume", "vol"), ("Saint", "St")],
)
def test_what_is_written_short_is_one_with_what_is_not(long: str, short: str) -> None:
    """18: people type the one and the other, whatever a title has."""
    ((one,), (other,)) = (read(text).words for text in (long, short))

    assert one.number == other.number != ""


def test_a_sign_for_and_is_the_word() -> None:
    """18: where it stands by itself; inside of a word it divides what are initials."""
    words = [[one.folded for one in read(text).words] for text in ("In & Out", "In and Out", "Q&A")]

    assert words == [["in", "and", "out"], ["in", "and", "out"], ["qa"]]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("щука", "shchuka"), ("хоббит", "khobbit"), ("Ёлки", "elki"), ("їжак", "izhak"), ("star", "star")],
)
def test_cyrillic_has_a_second_form_in_latin_letters(word: str, expected: str) -> None:
    """18: transliteration, of words as they are folded."""
    assert latin(fold(clean(word))) == expected


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("ьфекшч", "matrix"), ("vfnhbwf", "матрица"), ("Pdtplyst", "Звездные"), ("star ёж", ""), ("12", "")],
)
def test_a_text_is_read_in_the_other_layout(typed: str, meant: str) -> None:
    """18: the keys were right, the layout was not; a text of both scripts was typed as it was meant."""
    assert other_layout(typed) == meant


def test_stop_words_have_no_stem() -> None:
    """18: they never make a match by themselves."""
    stops = [one.folded for one in read("It was the night, и она не \u0441 ним").words if not one.stem]

    assert stops == ["it", "was", "the", "и", "она", "не", "\u0441", "ним"]


def test_t9_words_after_the_sixteenth_and_signs_after_the_240th_are_ignored() -> None:
    """T9: however long a text is; what joins words beyond them is none either."""
    assert len(read_first("wo-" * 200).words) == 16
    assert read_first("wo-xo " * 20).joins[-1].stop <= 16
    assert len(read_first("\u6771" * 200).words) == 16
    assert len(read("щ" * 1_000).words[0].latin) == LONGEST


@pytest.mark.parametrize("piece", ["'", "a'", "a.", "\u00bd.", "_", "\u0301", "a\u0301", "\u6771"])
def test_t10_hostile_text_costs_linear_time(piece: str) -> None:
    """T10: 50 kB of what a pattern likes least."""
    assert growth(lambda length: read_first(piece * (length // len(piece))), 12_500) < QUADRATIC


def test_two_errors_are_forgiven_to_forms_of_six_letters() -> None:
    """T9: a Latin form may be shorter than the word that was typed, and near to far too much with two errors."""
    index = Index("films", (Keyword(name="id"), Text(name="title")))
    ranking = ranking_of(Match((("title", 1.0),), "\u043f\u0438\u0441\u044c\u043c\u043e"), index)
    assert ranking is not None
    near = {(one.word, one.errors) for one in members(ranking) if isinstance(one, Near)}

    assert ("\u043f\u0438\u0441\u044c\u043c\u043e", 2) in near
    assert ("pismo", 1) in near
    assert ("pismo", 2) not in near
