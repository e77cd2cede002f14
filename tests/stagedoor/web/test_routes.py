"""Routing decides on raw bytes which route a path means."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._parameters import Invalid
from stagedoor._web.answer import WebAnswer, json
from stagedoor._web.request import Request
from stagedoor._web.routes import UNMATCHED, Route, Router
from stagedoor.errors import ConfigError


async def nothing(_: Request) -> WebAnswer:
    return json(None)


def router(*paths: str) -> Router:
    return Router([Route(path=path, handle=nothing) for path in paths])


@pytest.mark.parametrize("path", [b"/films", b"/films/"])
def test_one_trailing_slash_is_the_same_path(path: bytes) -> None:
    """Clients write both; neither is redirected."""
    assert router("/films").match("GET", path).route.path == "/films"


@pytest.mark.parametrize("path", [b"/films//", b"//films", b"/film", b"/films/x", b"", b"/FILMS"])
def test_a_path_that_nobody_has_is_unmatched(path: bytes) -> None:
    """Near misses are misses."""
    assert router("/films", "/").match("GET", path).route.path == UNMATCHED


def test_fixed_segments_go_before_open_ones() -> None:
    """/films/search is no film called "search"."""
    found = router("/films/{id}", "/films/search").match("GET", b"/films/search")

    assert found.route.path == "/films/search"


def test_t8_an_encoded_slash_stays_inside_its_segment() -> None:
    """T8: routing and the value see the same bytes; %2F never makes a path deeper."""
    found = router("/users/{id}", "/users/{id}/orders").match("GET", b"/users/a%2Forders")

    assert found.route.path == "/users/{id}"
    assert found.params() == {"id": "a/orders"}


def test_t8_encoded_dots_are_a_value_and_climb_nowhere() -> None:
    """T8: %2e%2e is decoded after routing, so it reaches no other route."""
    found = router("/a/{id}", "/{id}").match("GET", b"/a/%2e%2e")

    assert found.route.path == "/a/{id}"
    assert found.params() == {"id": ".."}


def test_a_segment_that_is_not_utf_8_is_refused_by_name() -> None:
    """Text that has no characters cannot be a value."""
    found = router("/users/{user_id}").match("GET", b"/users/%ff")

    with pytest.raises(Invalid) as caught:
        found.params()
    assert caught.value.faults[0].loc == ("path", "user_id")


def test_an_empty_segment_matches_no_parameter() -> None:
    """/users// has no user."""
    assert router("/users/{id}").match("GET", b"/users//").route.path == UNMATCHED


def test_head_is_served_by_get() -> None:
    """RFC 9110 9.3.2: HEAD is GET without the body."""
    assert router("/films").match("HEAD", b"/films").route.handle is nothing


def test_a_wrong_method_keeps_the_template_for_the_metrics() -> None:
    """T16: the route label is the template even when the method is refused."""
    found = router("/users/{id}").match("DELETE", b"/users/1")

    assert found.route.path == "/users/{id}"
    assert found.route.handle is not nothing


def test_the_same_path_and_method_twice_is_an_error_at_start() -> None:
    """Whichever came first would win in silence."""
    with pytest.raises(ConfigError, match="GET /films is declared twice"):
        router("/films", "/films")


@given(st.binary(max_size=40))
def test_t8_no_bytes_make_the_router_fail(path: bytes) -> None:
    """T8: any raw path is a route, or none, or an invalid value: never an error of ours."""
    found = router("/users/{id}", "/users/{id}/orders", "/").match("GET", b"/" + path)

    with suppress(Invalid):
        assert all(found.params().values())
