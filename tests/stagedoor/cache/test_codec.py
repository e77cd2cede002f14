"""Codecs: what goes in comes out, and what cannot be read raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._cache.codec import HttpCodec, RawCodec
from stagedoor._requests import HttpResponse

fields = st.tuples(st.binary(max_size=20), st.binary(max_size=40))
responses = st.builds(
    HttpResponse,
    status=st.integers(100, 999),
    headers=st.lists(fields, max_size=8).map(tuple),
    body=st.binary(max_size=200),
)


@given(responses)
def test_k8_a_response_comes_back_as_it_was(response: HttpResponse) -> None:
    """K8: status, fields in order, and body, byte for byte."""
    codec = HttpCodec()

    assert codec.decode(codec.encode(response)) == response


@given(responses, st.integers(1, 400))
def test_k8_a_cut_response_cannot_be_read(response: HttpResponse, cut: int) -> None:
    """K8: half a response is an error for the layer to turn into a miss."""
    data = HttpCodec().encode(response)

    with pytest.raises(Exception):  # noqa: B017, PT011 - any will do, that is the codec's freedom
        HttpCodec().decode(data[: -min(cut, len(data))])


def test_raw_bytes_are_not_copied() -> None:
    """Ready bytes are the hot path."""
    body = b"x" * 1000

    assert RawCodec().decode(RawCodec().encode(body)) is body
