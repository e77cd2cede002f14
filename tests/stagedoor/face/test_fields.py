"""Header fields and cookies: what of a caller is picked, what identifies it, what is a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import Answer
from stagedoor._face.fields import Cookie, Header, Headers, Picker, cookie_of, lower_fields
from stagedoor._requests import Headers as Lines
from stagedoor.errors import ConfigError

LINES = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"cookie"]), st.sampled_from([b"", b"1", b"2", b"a=1", b"a=2; b=1"])
    ),
    max_size=4,
)


def test_a_picker_takes_each_line_of_its_fields_and_nothing_else() -> None:
    """Every line of a field counts, in the order it came."""
    fields: Lines = ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))

    assert Picker({"A"}, "here").pick(fields) == ((b"a", b"1"), (b"a", b"3"))


def test_a_picked_cookie_comes_alone() -> None:
    """RFC 6265 5.4: the others of its line, and of other lines, stay behind."""
    fields: Lines = ((b"cookie", b"_ga=1; sid=x=y; lang=en"), (b"cookie", b"b=2;sid2=3"))

    assert Picker({Cookie("sid"), Cookie("b")}, "here").pick(fields) == ((b"cookie", b"sid=x=y; b=2"),)


def test_the_whole_cookie_field_includes_every_cookie() -> None:
    """Asked for both, a cookie is not sent twice."""
    fields: Lines = ((b"cookie", b"a=1; b=2"),)

    assert Picker({"cookie", Cookie("a")}, "here").pick(fields) == fields


def test_absent_is_unlike_empty() -> None:
    """T4: a caller without the field, and one whose field is empty, are two."""
    picker = Picker({"a", Cookie("c")}, "here")

    seen = {picker.identity(()), picker.identity(((b"a", b""),)), picker.identity(((b"cookie", b"c="),))}

    assert len(seen) == 3


@given(LINES, LINES)
def test_two_identities_are_equal_only_for_equal_fields(
    one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]
) -> None:
    """T6: against what a service would see, name by name, each line in its order."""
    picker = Picker({"a", Cookie("a")}, "here")
    first, second = (
        sorted(picker.pick(tuple(fields)), key=lambda field: field[0]) for fields in (one, other)
    )

    assert (picker.identity(tuple(one)) == picker.identity(tuple(other))) == (first == second)


def test_nothing_wanted_is_nobody() -> None:
    """A public answer has one entry for all."""
    assert Picker((), "here").identity(((b"cookie", b"_ga=1"),)) == b""


def test_an_identity_shows_no_credentials() -> None:
    """T15: keys lie in shared stores."""
    assert b"secret" not in Picker({"authorization"}, "here").identity(((b"authorization", b"secret"),))


@pytest.mark.parametrize(
    ("wider", "narrower", "missing"),
    [
        ({"a", "b"}, {"a"}, set()),
        ({"a"}, {"a", "b"}, {"b"}),
        ({"A"}, {"a"}, set()),
        ({"cookie"}, {Cookie("a")}, set()),
        ({Cookie("a")}, {"cookie"}, {"cookie"}),
        ({Cookie("a")}, {Cookie("b")}, {Cookie("b")}),
    ],
)
def test_a_picker_tells_what_another_picks_and_it_does_not(
    wider: set[str | Cookie], narrower: set[str | Cookie], missing: set[str | Cookie]
) -> None:
    """A whole Cookie field covers each cookie; one cookie covers itself."""
    assert Picker(wider, "here").covers(Picker(narrower, "here")) == missing


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "X-Auth-Request-User", "cookie", "x-session-id"]
)
def test_a_field_that_may_be_a_credential_makes_answers_private(name: str) -> None:
    """By its name: what is private by mistake is slower, what is public by mistake is read by others."""
    assert Picker({name}, "here").secret


def test_a_language_is_no_secret() -> None:
    """It is public with Vary."""
    picker = Picker({"accept-language"}, "here")

    assert (picker.secret, picker.names) == (False, ("accept-language",))


@pytest.mark.parametrize("name", ["host", "Content-Length", "connection", "transfer-encoding", "via"])
def test_what_belongs_to_one_connection_is_not_forwarded(name: str) -> None:
    """RFC 9110 7.6.1."""
    with pytest.raises(ConfigError, match="belongs to one connection"):
        Picker({name}, "here")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é"])
def test_a_name_is_a_token(name: str) -> None:
    """RFC 9110 5.1 and RFC 6265 4.1.1."""
    with pytest.raises(ConfigError):
        Picker({name}, "here")
    with pytest.raises(ConfigError, match=r"the name of a cookie is a token"):
        Cookie(name)


def test_a_header_input_has_a_name_that_can_be_one() -> None:
    """Said where it is declared."""
    with pytest.raises(ConfigError, match="'a b' is no name"):
        Header("a b")


def test_headers_are_found_in_any_case() -> None:
    """RFC 9110 5.1: lines of one name are joined; `all` gives each (Set-Cookie)."""
    headers = Headers(((b"set-cookie", b"a=1"), (b"etag", b'"x"'), (b"set-cookie", b"b=2")))

    assert (headers["ETag"], headers["set-cookie"], headers.all("Set-Cookie")) == (
        '"x"',
        "a=1, b=2",
        ["a=1", "b=2"],
    )
    assert (list(headers), len(headers), "etag" in headers) == (["set-cookie", "etag"], 2, True)
    with pytest.raises(KeyError):
        _ = headers["missing"]


def test_the_first_cookie_of_a_name_counts() -> None:
    """RFC 6265 5.4: the more specific one comes first."""
    assert cookie_of(((b"cookie", b"a; sid=1; sid=2"),), "sid") == "1"
    assert cookie_of(((b"accept", b"sid=1"),), "sid") is None


def test_fields_given_by_name_are_text() -> None:
    """A number is a mistake in the code; so is a line break, which a transport refuses later."""
    with pytest.raises(TypeError, match="header 'X-Page' is int, not str"):
        lower_fields({"X-Page": 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("said", ["a\r\nSet-Cookie: x=1", "a\n", "\0", "a\rb", "\x7f", "Ċ", "日"])
def test_t2_a_value_that_could_be_a_line_of_its_own_is_refused(said: str) -> None:
    """T2: in what is sent and in what is answered, cookies included; with the remedy."""
    for make in (lambda: lower_fields({"location": said}), lambda: Answer(1, cookies=[said])):
        with pytest.raises(ValueError, match="holds characters that a field cannot: encode them"):
            make()


@pytest.mark.parametrize("name", ["x-request-id", "traceparent", "tracestate"])
def test_what_goes_on_by_itself_is_not_forwarded(name: str) -> None:
    """It is checked, or made anew, before it goes on (H13)."""
    with pytest.raises(ConfigError, match="goes on by itself"):
        Picker({name}, "here")
