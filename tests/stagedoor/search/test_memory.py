"""Texts compared in memory."""

from typing import Literal, TypeAlias
from unicodedata import normalize

import pytest

from stagedoor.search.analysis import words_of
from stagedoor.search.memory import rank
from stagedoor.search.query import Match

Form: TypeAlias = Literal["NFC", "NFD"]
TITLES = ("Йога", "Чайка", "Ёлки", "Étoile", "Việt Nam", "한글")


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_text_is_found_however_its_accents_are_encoded(title: str, stored: Form, asked: Form) -> None:
    """Case 26: canonically equivalent texts are one text (Unicode 3.13, D70; UAX 15); macOS writes names decomposed."""
    wanted = len(words_of(normalize("NFC", title)))

    exact, _, _ = rank(
        (Match((("title", 1.0),), normalize(asked, title)),), {"title": normalize(stored, title)}
    )

    assert exact == wanted


def test_signs_that_are_one_by_definition_are_one() -> None:
    """Case 26: singletons, such as the sign of the angstrom."""
    exact, _, _ = rank((Match((("title", 1.0),), "\u212bngstr\u00f6m"),), {"title": "\u00c5ngstr\u00f6m"})

    assert exact == 1
