"""Keywords as terms."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.tantivy.keywords import all_in_json, base64, in_json, key, uuid_in

_UUID = "0cc1b111-5a20-85ef-857a-9972e2fe3f5b"
_keywords = (
    st.text(max_size=40) | st.uuids().map(str) | st.just(_UUID.upper()) | st.just(_UUID.replace("-", ""))
)


@given(_keywords, _keywords)
@example(_UUID, _UUID.upper())
@example(_UUID, _UUID.replace("-", ""))
@example("", "\0")
def test_different_keywords_are_different_terms(one: str, other: str) -> None:
    """A filter by a keyword must not find another, however it is written."""
    assert (key(one) == key(other)) == (one == other)


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
    assert all_in_json(keywords) == [base64(key(keyword)) for keyword in keywords]


@given(st.uuids())
def test_a_uuid_is_known_by_its_term(one: uuid.UUID) -> None:
    """Ids are sorted by it."""
    assert uuid_in(key(str(one))) == one.bytes
    assert uuid_in(key(str(one) + "0")) is None


@pytest.mark.parametrize("keyword", [5, None, ["a"]])
def test_what_is_no_text_is_no_keyword(keyword: str) -> None:
    """Such a document is refused, with its reason, before it is handed over."""
    with pytest.raises(TypeError):
        key(keyword)
    with pytest.raises(TypeError):
        all_in_json([keyword])


@given(st.lists(st.lists(_keywords, max_size=4), max_size=4))
def test_what_is_remembered_is_what_would_be_made(lists: list[list[str]]) -> None:
    """Genres come again and again; keywords of which there are many different ones are not remembered."""
    terms = in_json()

    assert [terms(one) for one in lists * 2] == [all_in_json(one) for one in lists * 2]
