"""Keywords as terms."""

from hashlib import md5

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.tantivy.keywords import SECRET_BYTES, Terms, uuid_number

_UUID = "0cc1b111-5a20-85ef-857a-9972e2fe3f5b"
_keywords = (
    st.text(max_size=40) | st.uuids().map(str) | st.just(_UUID.upper()) | st.just(_UUID.replace("-", ""))
)
_secrets = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
_TERMS = Terms(b"of these tests, ")


@given(_keywords, _keywords)
@example(_UUID, _UUID.upper())
@example(_UUID, _UUID.replace("-", ""))
@example("", "\0")
@example("\0" * 16, "00000000-0000-0000-0000-000000000000")
def test_different_keywords_are_different_terms(one: str, other: str) -> None:
    """A filter by a keyword must not find another, however it is written."""
    assert (_TERMS.one(one) == _TERMS.one(other)) == (one == other)


@given(_secrets, st.lists(_keywords, max_size=6) | st.lists(st.uuids().map(str), max_size=6))
@example(b"\xff" * SECRET_BYTES, ["ffffffff-ffff-ffff-ffff-ffffffffffff"] * 3)
@example(b"\0" * SECRET_BYTES, ["ffffffff-ffff-ffff-ffff-ffffffffffff", "0" * 8 + _UUID[8:]])
@example(b"\x80" * SECRET_BYTES, [_UUID + "0", _UUID[1:]])
@example(b"\x80" * SECRET_BYTES, [_UUID[:-2], "00" + _UUID])
@example(b"\x80" * SECRET_BYTES, [_UUID + " " + _UUID])
@example(b"\x80" * SECRET_BYTES, [_UUID + " "])
@example(b"\x80" * SECRET_BYTES, [_UUID, ""])
@example(b"\x80" * SECRET_BYTES, [_UUID[:-1] + "\u0660"])
@example(b"\x80" * SECRET_BYTES, [])
def test_lists_are_turned_as_their_members_are(secret: bytes, keywords: list[str]) -> None:
    """UUIDs are turned all at once, which must not join what stands by itself."""
    terms = Terms(secret)

    assert [*terms.many(keywords)] == [terms.one(keyword) for keyword in keywords]
    assert all(0 <= term < 1 << 64 for term in terms.many(keywords))


def test_who_does_not_know_the_secret_cannot_make_ids_that_meet() -> None:
    """18: ids that a remainder by a known number would join stay apart, and another secret draws others."""
    near = [f"{number:032x}" for number in (1, 1 << 64, 1 << 127, (1 << 64) + 1, (1 << 128) - 1)]
    ids = [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in near]
    drawn = [[*Terms(md5(bytes([number])).digest()).many(ids)] for number in range(16)]

    assert all(len({*terms}) == len(ids) for terms in drawn)
    assert len({terms[-1] for terms in drawn}) == len(drawn)


@given(st.uuids())
def test_a_uuid_is_known_by_its_text(one: object) -> None:
    """Ids are sorted by its number."""
    number = uuid_number(str(one))

    assert number is not None
    assert f"{number:032x}" == str(one).replace("-", "")
    assert uuid_number(str(one) + "0") is None


@pytest.mark.parametrize("keyword", [5, None, ["a"]])
def test_what_is_no_text_is_no_keyword(keyword: str) -> None:
    """Such a document is refused, with its reason, before it is handed over."""
    with pytest.raises(TypeError):
        _TERMS.one(keyword)
    with pytest.raises(TypeError):
        _TERMS.many([keyword])
