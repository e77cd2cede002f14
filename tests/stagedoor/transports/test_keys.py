"""Keys: equal only for what an upstream cannot tell apart."""

from hypothesis import given
from hypothesis import strategies as st

from stagedoor._requests import HttpRequest
from stagedoor._transports.keys import idempotent, key_of

SHORT = st.binary(max_size=3) | st.sampled_from([b"1:", b"0:1:a", b"3:GET"])
REQUESTS = st.builds(
    HttpRequest,
    method=st.sampled_from(["GET", "POST", "G"]),
    target=SHORT,
    headers=st.lists(st.tuples(SHORT, SHORT), max_size=2).map(tuple),
    body=SHORT,
)


@given(REQUESTS, REQUESTS)
def test_t6_two_requests_share_a_key_only_if_they_are_equal(one: HttpRequest, other: HttpRequest) -> None:
    assert (key_of(one) == key_of(other)) is (one == other)


def test_t6_a_stream_never_shares_a_key() -> None:
    payload = HttpRequest(target=b"/", streamed=True)

    assert key_of(payload) != key_of(payload)


def test_r1_only_methods_that_are_safe_to_repeat_are() -> None:
    safe = [m for m in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "QUERY")
            if idempotent(HttpRequest(method=m, target=b"/"))]  # fmt: skip

    assert safe == ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]
