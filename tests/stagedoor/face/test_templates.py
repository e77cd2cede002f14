"""Paths, queries and tags: every value stays what it is, whatever stands in it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._face.problems import BadSegment
from stagedoor._face.templates import Tag, path_of, query_of, route_names, tag_of
from stagedoor.errors import ConfigError


class Colour(Enum):
    RED = "r/d"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a", b"a"),
        ("a/b", b"a%2Fb"),
        ("a?b#c", b"a%3Fb%23c"),
        ("%2e", b"%252e"),
        ("...", b"..."),
        ("é", b"%C3%A9"),
        ("a b\r\n\0", b"a%20b%0D%0A%00"),
        ("a\\b;c", b"a%5Cb%3Bc"),
        (7, b"7"),
        (Decimal("1.50"), b"1.50"),
        (date(2026, 1, 5), b"2026-01-05"),
        (datetime(2026, 1, 5, 10, tzinfo=UTC), b"2026-01-05T10%3A00%3A00%2B00%3A00"),
        (Colour.RED, b"r%2Fd"),
        (UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_is_one_segment(value: object, segment: bytes) -> None:
    """T8: what could end a segment, or climb, is encoded."""
    assert path_of("/a/{}/b", [value]) == b"/a/" + segment + b"/b"


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
def test_what_cannot_be_a_segment_is_the_callers_fault(value: str) -> None:
    """An empty one and dots would be another path, and no encoding helps (RFC 3986 6.2.2.3)."""
    with pytest.raises(BadSegment) as caught:
        path_of("/a/{}", [value])

    assert caught.value.said().status == 422


@pytest.mark.parametrize(
    ("template", "segments", "words"),
    [
        ("/a/{}", [], "takes 1 segments, 0 given"),
        ("/a", ["1"], "takes 0 segments, 1 given"),
        ("a/{}", ["1"], "begins with one slash"),
        ("//host/{}", ["1"], "begins with one slash"),
        ("/a?b={}", ["1"], "`query=`"),
        ("/a b", [], "nothing unencoded"),
        ("/a/{name}", [], "give values as segments for {}"),
        ("/a/{}", [None], "not NoneType"),
        ("/a/{}", [True], "not bool"),
        ("/a/{}", [b"1"], "not bytes"),
        (b"/a", [], "a path is a str"),
    ],
)
def test_a_mistake_in_a_path_is_a_type_error_at_once(
    template: str, segments: list[object], words: str
) -> None:
    """It is the code that is wrong, and no service and no caller."""
    with pytest.raises(TypeError, match=r".") as caught:
        path_of(template, segments)

    assert words in str(caught.value)


@given(st.lists(TEXTS.filter(lambda text: text not in {"", ".", ".."}), min_size=2, max_size=2))
def test_no_two_pairs_of_segments_share_a_path(pair: list[str]) -> None:
    """T6: each comes out as it went in."""
    path = path_of("/{}/{}", pair).decode()

    assert [unquote(one) for one in path[1:].split("/")] == pair


@pytest.mark.parametrize(
    ("query", "written"),
    [
        (None, b""),
        ({}, b""),
        ({"a": None}, b""),
        ({"a": []}, b""),
        ({"a": ["x", None, "y"]}, b"?a=x&a=y"),
        ({"a": True, "b": False}, b"?a=true&b=false"),
        ({"a&b": "c&d=e+f g"}, b"?a%26b=c%26d%3De%2Bf%20g"),
        ({"a": ""}, b"?a="),
        ({"a": Colour.RED, "b": 1.5}, b"?a=r%2Fd&b=1.5"),
    ],
)
def test_a_query_says_what_it_was_given(query: dict[str, object] | None, written: bytes) -> None:
    """None is left out, lists are repeated, and nothing becomes another parameter."""
    assert query_of(query) == written


def test_a_query_refuses_what_has_no_text() -> None:
    """A dict in a query is a mistake in the code."""
    with pytest.raises(TypeError, match="query 'a': dict has no form in a query"):
        query_of({"a": {"b": 1}})


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=4, unique_by=lambda pair: pair[0]))
def test_a_query_reads_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    """T6: against the standard library's reader."""
    written = query_of(dict(pairs)).decode()

    assert parse_qsl(written[1:], keep_blank_values=True) == pairs


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_no_two_values_share_a_tag(one: tuple[str, str], other: tuple[str, str]) -> None:
    """T6: `a:{x}:{y}` of ("b:c", "d") is not that of ("b", "c:d")."""
    tag = Tag("a:{x}:{y}", "here")
    first, second = (tag.named({"x": x, "y": y}) for x, y in (one, other))

    assert (first == second) == (one == other)


def test_a_tag_of_places_is_that_of_names() -> None:
    """`tag("film:{}", 7)` and `film:{film_id}` are one, or a purge would find nothing."""
    assert tag_of("film:{}").placed([7]) == Tag("film:{film_id}", "here").named({"film_id": "7"}) == "film:7"


def test_a_tag_wants_its_values() -> None:
    """One too few, or too many, is a mistake in the code."""
    with pytest.raises(TypeError, match="takes 1 values, 2 given"):
        tag_of("film:{}").placed([1, 2])


@pytest.mark.parametrize("text", ["", 7, "home:{", "home:}"])
def test_what_is_no_tag_is_refused_at_start(text: object) -> None:
    """With its place."""
    with pytest.raises(ConfigError, match=r"^here: "):
        Tag(text, "here")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("home", "begins with a slash"),
        (7, "begins with a slash"),
        ("/a/x{id}", "is a segment by itself"),
        ("/a/{id", "is a segment by itself"),
        ("/a/{}", "is a segment by itself"),
        ("/a/{i-d}", "is a segment by itself"),
        ("/a/{rest:path}/b", "is a segment by itself"),
        ("/a/{id}/{id}", "names each parameter once"),
        ("//a", "begins with one slash"),
        ("//{id}", "begins with one slash"),
        ("/a/../b", "clients leave '..' out"),
        ("/./{id}", "clients leave '.' out"),
        ("/a/%2e%2E", "clients leave '%2e%2E' out"),
    ],
)
def test_what_is_no_path_of_a_route_is_refused_at_start(path: object, words: str) -> None:
    """With its place."""
    with pytest.raises(ConfigError, match=r"^here: ") as caught:
        route_names(path, "here")

    assert words in str(caught.value)
