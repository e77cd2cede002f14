"""Texts read chunk by chunk."""

from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.chunks import reading
from stagedoor.search.words import LONGEST, read

_PIECES = ("a", "Q", "&", "x-Men", "Foo-x", "5", "J.J.", "The", "Ёлки", "王", "-", "don't", "8½", "2010,")
_FULL, _BRIEF = (reading(plain=False, brief=brief) for brief in (False, True))
_texts = st.lists(st.sampled_from(_PIECES) | st.text(max_size=6), max_size=8).map(" ".join)


@given(_texts)
@example("Q & A")
@example("Foo-x y-bar")
@example("a 王 b")
def test_a_text_has_the_words_of_its_chunks(text: str) -> None:
    """Each different chunk is read once, which must find what the text has as a whole: initials, too."""
    found = _FULL.columns([text])
    words = [form for run in read(text).runs if run.stem for form in run.forms]

    assert sorted(words) == sorted(" ".join(found.words if found else ()).split())


@given(_texts, _texts)
def test_letters_of_two_texts_are_no_initials(one: str, other: str) -> None:
    """A name that ends with a letter, and one that begins with another."""
    both, each = _FULL.columns([one, other]), (_FULL.columns([one]), _FULL.columns([other]))
    exact = [" ".join(found.exact if found else ()) for found in (both, *each)]

    assert sorted(exact[0].split()) == sorted(f"{exact[1]} {exact[2]}".split())


@given(st.from_regex(r"[ -/:-@_]{0,2}[A-Za-z0-9'`]{1,8}[!-/:-@_]{0,2}", fullmatch=True))
@example("100000,")
@example("9" * LONGEST)
@example("9" * (LONGEST + 1))
@example("x" * (LONGEST + 1))
@example("21st")
@example("Fourteen")
def test_a_word_of_ascii_is_read_as_any_other(word: str) -> None:
    """Nearly all chunks are such words, which take a shorter way."""
    for how in (_FULL, _BRIEF):
        assert how.columns([word]) == how.columns([f"{word}\u200b"])
        assert how.words([word], []) == how.words([f"{word}\u200b"], [])
