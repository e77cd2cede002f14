"""Bodies that were asked to come compressed."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.requests import HttpResponse
from stagedoor.transports.failures import Garbled
from stagedoor.transports.inflate import inflated


def coded(body: bytes, coding: bytes = b"gzip") -> HttpResponse:
    fields = ((b"content-encoding", coding), (b"content-length", b"%d" % len(body)), (b"x", b"y"))
    return HttpResponse(status=200, headers=fields, body=body)


@given(st.binary(min_size=1, max_size=2_000))
def test_what_was_compressed_comes_back(body: bytes) -> None:
    expected = HttpResponse(status=200, headers=((b"x", b"y"),), body=body)

    assert inflated(coded(gzip.compress(body)), 10_000) == expected
    assert inflated(coded(zlib.compress(body), b"Deflate "), 10_000) == expected


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"identity", b"gzip, gzip"])
def test_other_codings_stay_as_they_are(coding: bytes) -> None:
    response = coded(b"as it is", coding)

    assert inflated(response, 10_000) is response


def test_t12_a_bomb_ends_by_its_ratio_before_it_ends_by_its_size() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)

    with pytest.raises(Garbled, match="too large"):
        inflated(coded(bomb), 100_000_000)


def test_t12_a_body_over_the_limit_is_garbled() -> None:
    with pytest.raises(Garbled, match="too large"):
        inflated(coded(gzip.compress(bytes(range(256)) * 10)), 2_000)


@pytest.mark.parametrize(
    "body",
    [b"nonsense", gzip.compress(b"a" * 100)[:-5], gzip.compress(b"a") + b"more"],
    ids=["nonsense", "cut", "more"],  # the bytes tell the time, and workers must agree on names
)
def test_t12_broken_bodies_are_garbled(body: bytes) -> None:
    with pytest.raises(Garbled, match="cannot"):
        inflated(coded(body), 10_000)
