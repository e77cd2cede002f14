"""Who asks, on routes that are not public."""

from hypothesis import given
from hypothesis import strategies as st

from stagedoor._web.identity import ANONYMOUS, credentials_of

FIELDS = st.lists(
    st.tuples(st.sampled_from([b"authorization", b"cookie", b"x-api-key", b"accept"]), st.binary(max_size=6)),
    max_size=4,
)


def test_nobody_in_particular_is_anonymous() -> None:
    """A caller without credentials shares with others without."""
    assert credentials_of(((b"accept", b"*/*"),)) == (ANONYMOUS, ())


def test_t4_credentials_go_on_and_never_stand_in_the_identity() -> None:
    """T4, T15: the identity is a digest; the fields are forwarded as they came."""
    fields = ((b"authorization", b"Bearer secret"), (b"cookie", b"a=1"))

    identity, forwarded = credentials_of(fields)

    assert forwarded == fields
    assert "secret" not in identity


@given(FIELDS, FIELDS)
def test_t6_two_sets_of_credentials_never_share_an_identity(
    one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]
) -> None:
    """T6: lengths stand before values, so ("ab","c") is not ("a","bc"); fields that are no credentials do not count."""
    first, second = credentials_of(tuple(one)), credentials_of(tuple(other))

    assert (first[0] == second[0]) == (first[1] == second[1])
