"""Bodies that were asked to come compressed."""

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._requests import HttpResponse
from stagedoor._transports.failures import Garbled
from stagedoor._transports.inflate import inflated


def coded(body: bytes, coding: bytes = b"gzip") -> HttpResponse:
    fields = ((b"content-encoding", coding), (b"content-length", b"%d" % len(body)), (b"x", b"y"))
    return HttpResponse(status=200, headers=fields, body=body)


@given(st.binary(min_size=1, max_size=2_000))
def test_what_was_compressed_comes_back(body: bytes) -> None:
    expected = HttpResponse(status=200, headers=((b"x", b"y"),), body=body)

    assert inflated(coded(gzip.compress(body)), 10_000) == expected
    assert inflated(coded(zlib.compress(body), b"Deflate "), 10_000) == expected


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=8))
def test_c2_a_series_of_gzip_members_is_one_body(bodies: list[bytes]) -> None:
    """U2: RFC 1952 2.2; what writes logs or blocks makes such files."""
    members = b"".join(gzip.compress(body) for body in bodies)

    assert inflated(coded(members), 10_000).body == b"".join(bodies)


def test_c2_members_may_be_larger_than_what_is_decoded_at_once() -> None:
    """U2: wherever a member ends within a piece, the next one begins there."""
    bodies = [random.Random(size).randbytes(size) for size in (16_300, 16_350, 16_384, 16_400, 50_000)]
    members = b"".join(gzip.compress(body) for body in bodies)

    assert inflated(coded(members), 1_000_000).body == b"".join(bodies)


@pytest.mark.parametrize("zeros", [1, 4, 16_384, 100_000])
@pytest.mark.parametrize("members", [1, 3])
def test_c2_zeros_behind_the_last_member_fill_it_up(zeros: int, members: int) -> None:
    """U2: gunzip passes over them, and so do Python and Node; what is no zero is no padding."""
    body = gzip.compress(b"abc") * members + b"\0" * zeros

    assert inflated(coded(body), 10_000).body == gzip.decompress(body)
    with pytest.raises(Garbled, match="cannot"):
        inflated(coded(body + b"a"), 10_000)


@pytest.mark.parametrize(
    "codings", [(b"gzip,",), (b", gzip",), (b"identity, GZip",), (b"identity", b"gzip"), (b"gzip\t", b"")]
)
def test_c2_members_that_are_no_coding_count_for_nothing(codings: tuple[bytes, ...]) -> None:
    """U2: RFC 9110 5.6.1.2 and 8.4.1; what was coded passed for the body."""
    fields = tuple((b"content-encoding", coding) for coding in codings)

    whole = inflated(HttpResponse(status=200, headers=fields, body=gzip.compress(b"abc")), 10_000)

    assert whole == HttpResponse(status=200, body=b"abc")


@given(st.binary(max_size=2_000), st.integers(0, 9))
def test_c2_deflate_is_read_with_and_without_its_frame(body: bytes, level: int) -> None:
    """U2: we ask for it, and many servers send it bare (RFC 9110 8.4.1.2, note)."""
    bare = zlib.compressobj(level, wbits=-15)

    assert inflated(coded(zlib.compress(body, level), b"deflate"), 10_000).body == body
    assert inflated(coded(bare.compress(body) + bare.flush(), b"deflate"), 10_000).body == body


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"identity", b"gzip, gzip"])
def test_other_codings_stay_as_they_are(coding: bytes) -> None:
    response = coded(b"as it is", coding)

    assert inflated(response, 10_000) is response


@pytest.mark.parametrize("codings", [(b"gzip", b"gzip"), (b"gzip", b"br"), (b"deflate", b"gzip")])
def test_t12_codings_in_several_lines_are_a_list(codings: tuple[bytes, ...]) -> None:
    """T12: RFC 9110 5.3; of two codings the first was undone, and what was left passed for the body."""
    fields = tuple((b"content-encoding", coding) for coding in codings)
    response = HttpResponse(status=200, headers=fields, body=gzip.compress(gzip.compress(b"a")))

    assert inflated(response, 10_000) is response


def test_t12_a_bomb_ends_by_its_ratio_before_it_ends_by_its_size() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)

    with pytest.raises(Garbled, match="too large"):
        inflated(coded(bomb), 100_000_000)


def test_t12_a_bomb_of_many_members_ends_by_their_sum() -> None:
    members = gzip.compress(b"\0" * 60_000) * 200

    with pytest.raises(Garbled, match="too large"):
        inflated(coded(members), 1_000_000)


def test_t12_a_bomb_without_a_frame_ends_too() -> None:
    bare = zlib.compressobj(9, wbits=-15)
    bomb = bare.compress(b"\0" * 20_000_000) + bare.flush()

    with pytest.raises(Garbled, match="too large"):
        inflated(coded(bomb, b"deflate"), 100_000_000)


def test_a10_members_that_hold_nothing_are_counted() -> None:
    """A10: each one costs a decoder, and 16 MB would be 800,000 of them."""
    assert inflated(coded(gzip.compress(b"") * 1_024), 10_000).body == b""
    with pytest.raises(Garbled, match="cannot"):
        inflated(coded(gzip.compress(b"") * 1_025), 10_000)


def test_t12_a_body_over_the_limit_is_garbled() -> None:
    with pytest.raises(Garbled, match="too large"):
        inflated(coded(gzip.compress(bytes(range(256)) * 10)), 2_000)


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        gzip.compress(b"a" * 100)[:-5],
        gzip.compress(b"a") + b"more",
        gzip.compress(b"a") + gzip.compress(b"b" * 100)[:-5],
    ],
    ids=["nonsense", "cut", "more", "second cut"],  # the bytes tell the time, and workers must agree on names
)
def test_t12_broken_bodies_are_garbled(body: bytes) -> None:
    with pytest.raises(Garbled, match="cannot"):
        inflated(coded(body), 10_000)


@pytest.mark.parametrize(
    "body",
    [zlib.compress(b"a" * 100)[:-5], zlib.compress(b"a") + b"more", zlib.compress(b"a") * 2],
    ids=["cut", "more", "twice"],
)
def test_t12_broken_deflate_is_garbled(body: bytes) -> None:
    with pytest.raises(Garbled, match="cannot"):
        inflated(coded(body, b"deflate"), 10_000)
