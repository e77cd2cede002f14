"""Answers and their entity tags."""

import pytest

from stagedoor._web.answer import conditional, etag_of, html, json, resolved


@pytest.mark.parametrize(
    ("field", "status"),
    [
        (None, 200),
        (b'"other"', 200),
        (etag_of(b"1"), 304),
        (b"W/" + etag_of(b"1"), 304),
        (b'"other", ' + etag_of(b"1"), 304),
        (b"*", 304),
    ],
)
def test_hc8_if_none_match_compares_weakly(field: bytes | None, status: int) -> None:
    """HC8, RFC 9110 13.1.2: any listed tag, weak or strong, stands for the answer the client holds."""
    answer = resolved(conditional(json(1), etag_of(b"1"), field))

    assert answer.status == status
    assert (b"etag", etag_of(b"1")) in answer.headers


def test_a_304_has_neither_body_nor_fields_of_one() -> None:
    """RFC 9110 15.4.5: what describes the body stays away with it."""
    answer = resolved(conditional(json({"a": 1}), etag_of(b"x"), b"*"))

    assert answer.body == b""
    assert not {name for name, _ in answer.headers} & {b"content-type", b"content-length"}


def test_the_tag_depends_on_the_bytes_alone() -> None:
    """Two processes must agree about what a client holds."""
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")


def test_pages_say_that_they_are_utf_8() -> None:
    """Without it browsers guess."""
    assert html("é").headers[0] == (b"content-type", b"text/html; charset=utf-8")
