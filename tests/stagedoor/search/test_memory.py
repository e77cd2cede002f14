"""Texts compared in memory."""

from typing import Literal, TypeAlias
from unicodedata import normalize

import pytest

from stagedoor.search.leaves import Keyword, Text
from stagedoor.search.places import filler
from stagedoor.search.query import Match
from stagedoor.search.ranking import Has, ranking_of
from stagedoor.search.schema import Index
from stagedoor.search.words import read

Form: TypeAlias = Literal["NFC", "NFD"]
TITLES = ("Йога", "Чайка", "Ёлки", "Étoile", "Việt Nam", "한글")
FILMS = Index("films", (Keyword(name="id"), Text(name="title")))


def exact(asked: str, title: str) -> int:
    """Return how many of the words that are asked for a title has as they are."""
    filled = filler(FILMS)({"title": title})
    ranking = ranking_of(Match((("title", 1.0),), asked), FILMS)
    assert ranking is not None
    return sum(
        any(
            isinstance(one, Has) and one.word in filled[one.part].split()
            for worth in word
            for one in worth.conditions
        )
        for word in ranking.words
    )


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_text_is_found_however_its_accents_are_encoded(title: str, stored: Form, asked: Form) -> None:
    """Case 26: canonically equivalent texts are one text (Unicode 3.13, D70; UAX 15); macOS writes names decomposed."""
    assert exact(normalize(asked, title), normalize(stored, title)) == len(
        read(normalize("NFC", title)).words
    )


def test_signs_that_are_one_by_definition_are_one() -> None:
    """Case 26: singletons, such as the sign of the angstrom."""
    assert exact("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m") == 1
