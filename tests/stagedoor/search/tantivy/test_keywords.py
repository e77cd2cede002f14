"""Keywords as terms."""

import uuid
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.tantivy.keywords import key, keys_of, uuid_in

_UUID = "0cc1b111-5a20-85ef-857a-9972e2fe3f5b"
_keywords = (
    st.text(max_size=40) | st.uuids().map(str) | st.just(_UUID.upper()) | st.just(_UUID.replace("-", ""))
)


@given(_keywords, _keywords)
@example(_UUID, _UUID.upper())
@example(_UUID, _UUID.replace("-", ""))
@example("", "\0")
@example("a", "\0a")
def test_different_keywords_are_different_terms(one: str, other: str) -> None:
    """A filter by a keyword must not find another, however it is written."""
    assert (key(one) == key(other)) == (one == other)


def test_uuids_with_a_pattern_are_different_terms() -> None:
    """18: terms have half of the bits, and ids that somebody made up must not meet in them: counted ones, and pairs."""
    few = [
        *range(64),
        *(digit * 0x1111111111111111 for digit in range(1, 16)),
        *(1 << bit for bit in range(64)),
    ]
    made = {str(uuid.UUID(int=high << 64 | low)) for high, low in product(few, few)}

    assert len({key(one) for one in made}) == len(made)


@given(st.lists(_keywords, max_size=6) | st.lists(st.uuids().map(str), max_size=6))
@example([_UUID + "0", _UUID[1:]])
@example([_UUID[:-2], "00" + _UUID])
@example([_UUID + " " + _UUID])
@example([_UUID + " "])
@example([_UUID, ""])
@example([_UUID[:-1] + "\u0660"])
@example([])
def test_lists_are_turned_as_their_members_are(keywords: list[str]) -> None:
    """UUIDs are turned all at once, which must not join what stands by itself."""
    terms = keys_of(keywords)

    assert terms == [key(keyword) for keyword in keywords]
    assert all(0 <= term < 1 << 64 for term in terms)


@given(st.uuids())
def test_a_uuid_is_known_as_a_number(one: uuid.UUID) -> None:
    """Ids are sorted by it."""
    assert uuid_in(str(one)) == one.int
    assert uuid_in(str(one) + "0") is None


@pytest.mark.parametrize("keyword", [5, None, ["a"], b"a"])
def test_what_is_no_text_is_no_keyword(keyword: str) -> None:
    """Such a document is refused, with its reason, before it is handed over."""
    with pytest.raises(TypeError):
        key(keyword)
    with pytest.raises(TypeError):
        keys_of([keyword])
