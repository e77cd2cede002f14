"""Entity tags: one a coding, and back to the service's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._web.etags import asked_by_own, coded_etag

TAGS = st.from_regex(rb'\A(W/)?"[!#-~]{0,6}(~(gzip|br|zstd|identity)){0,3}"\Z')
CODINGS = ["", "gzip", "br", "zstd"]


def passed_on(name: bytes, said: bytes, coding: str | None = "gzip") -> list[bytes]:
    fields = ((b"accept", b"*/*"), (name, said), (b"range", b"bytes=5-"))
    return [said for field, said in asked_by_own(fields, coding) if field != b"accept"]


@given(TAGS, st.sampled_from(CODINGS))
def test_a_service_is_asked_by_its_own_tag(tag: bytes, coding: str) -> None:
    """RFC 9110 8.8.3.3: also by one that ends as ours do, as those of such a gateway behind this one."""
    told = coded_etag(tag, coding)

    assert told is not None
    assert passed_on(b"if-none-match", told, coding)[0] == tag
    assert passed_on(b"if-match", told, None)[0] == tag


@given(TAGS, TAGS, st.sampled_from(CODINGS), st.sampled_from(CODINGS))
def test_two_forms_share_no_strong_tag(one: bytes, other: bytes, first: str, second: str) -> None:
    """Whatever a service calls its own, no two contents have one name."""
    same = one == other and (first == second or one.startswith(b"W/"))

    assert (coded_etag(one, first) == coded_etag(other, second)) == same


@pytest.mark.parametrize("tag", [b"v1", b'"v1', b'v"1"', b"W/v1", b'w/"v1"'])
def test_what_is_no_tag_is_told_of_no_coded_form(tag: bytes) -> None:
    """It would name other octets too; as it is it stays as it came."""
    assert coded_etag(tag, "gzip") is None
    assert coded_etag(tag, "") == tag


@pytest.mark.parametrize(
    ("said", "own"),
    [
        (b'"a~gzip"', [b'"a"', b"bytes=5-"]),
        (b'W/"a~gzip"', [b'W/"a"', b"bytes=5-"]),
        (b'"a~gzip", "b" , W/"c~gzip"', [b'"a", "b", W/"c"', b"bytes=5-"]),
        (b'"a~gzip", "a"', [b'"a"', b"bytes=5-"]),
        (b'"a~br", "b"', [b'"b"', b"bytes=5-"]),
        (b'"a~br"', [b"bytes=5-"]),
        (b'"a~b", c', [b'"a~b", c', b"bytes=5-"]),
        (b"*", [b"*", b"bytes=5-"]),
    ],
)
def test_if_none_match_means_the_coding_that_is_selected(said: bytes, own: list[bytes]) -> None:
    """RFC 9110 13.1.2: a client that has another form does not have this one."""
    assert passed_on(b"if-none-match", said) == own


def test_who_writes_names_what_it_read_in_any_coding() -> None:
    """RFC 9110 13.1.1: if none was changed since, none of its forms was."""
    assert passed_on(b"if-match", b'"a~br", "a~zstd"', None)[0] == b'"a"'
    assert passed_on(b"if-none-match", b'"a~br"', None)[0] == b'"a"'


def test_no_part_of_one_form_is_joined_to_another() -> None:
    """RFC 9110 13.1.5: who has a part of a coded form gets the whole; a date or a tag as it came stays."""
    assert passed_on(b"if-range", b'"a~gzip"') == []
    assert passed_on(b"if-range", b'"a~gzip~identity"') == [b'"a~gzip"', b"bytes=5-"]
    assert passed_on(b"if-range", b'"a"') == [b'"a"', b"bytes=5-"]
    assert passed_on(b"if-range", b"Thu, 01 Jan 2026 00:00:00 GMT")[-1] == b"bytes=5-"
