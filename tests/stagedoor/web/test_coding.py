"""Which coding a client gets, and which answers get any."""

import gzip
import tracemalloc

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._web.coders import CODERS, _is_there, coders
from stagedoor._web.coding import is_compressible, is_text, selected, varied
from stagedoor._web.etags import coded_etag

JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"gzip", "gzip"),
        (b"GZIP", "gzip"),
        (b"x-gzip", "gzip"),
        (b"br, gzip;q=0.8, *;q=0.1", "br"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip, deflate, br", "br"),
        (b"gzip, br;q=0.9, zstd;q=0.9", "gzip"),
        (b"br;q=0, zstd;q=0, *", "gzip"),
        (b"deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        (b"*", "gzip"),
        (b"gzip ; q=0.001", "gzip"),
        (b"identity, gzip", "gzip"),
        (b"identity;q=0", ""),
        (b"identity;q=0.5, gzip;q=0.4", ""),
        (b"gzip;q=0", ""),
        (b"gzip;q=0.000, *", ""),
        (b"*;q=0", ""),
        (b"br", "br"),
        (b"compress, deflate", ""),
        (b"", ""),
        (b"gzip;q=2", ""),
        (b"gzip;q=0.1234", ""),
        (b"gzip;level=9", ""),
        (b"gzip, gzip;q=0", "gzip"),
    ],
)
def test_the_coding_that_is_liked_best(accepted: bytes, coding: str) -> None:
    """RFC 9110 12.5.3: weights, `*`, `identity`; what is no member is passed over."""
    assert selected(accepted) == coding


def test_long_lists_are_not_remembered() -> None:
    """B2: one connection that sends another list with each request keeps less than 4 MB."""
    tracemalloc.start()
    chosen = {selected(b"gzip, x%d" % number + b"x" * 60_000) for number in range(256)}
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (chosen, held < 1_000_000) == ({""}, True)


def test_types_and_directives_of_services_are_remembered_only_if_they_are_short() -> None:
    """B2: whoever names the type of a file would fill a process with names."""
    tracemalloc.start()
    for number in range(256):
        long = b"text/plain; x=%d" % number + b"x" * 60_000
        assert not is_text(long, None)
        assert not is_compressible(((b"content-type", long),), 2_000, None)
        assert not is_compressible((JSON, (b"cache-control", long)), 2_000, None)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 1_000_000


@given(st.binary(max_size=60))
def test_no_field_is_too_odd_to_answer(accepted: bytes) -> None:
    """Whatever comes in, an answer as it is will do."""
    assert selected(accepted) in {"", *CODERS}


@pytest.mark.parametrize(
    "fields",
    [
        (JSON,),
        (JSON, (b"cache-control", b"public, max-age=5")),
        ((b"content-type", b"text/html; charset=utf-8"),),
        ((b"content-type", b"Application/LD+JSON"),),
        ((b"content-type", b"image/svg+xml"),),
    ],
)
def test_text_that_everybody_may_see_is_coded(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """From 1 KB on."""
    assert is_compressible(fields, 1_024, None)
    assert not is_compressible(fields, 1_023, None)
    assert not is_compressible(fields, 1_024, False)


@pytest.mark.parametrize(
    "fields",
    [
        (JSON, (b"cache-control", b"private, max-age=5")),
        (JSON, (b"cache-control", b"No-Store")),
        (JSON, (b"set-cookie", b"a=1")),
    ],
)
def test_what_may_hold_a_secret_is_coded_only_where_the_route_asks(
    fields: tuple[tuple[bytes, bytes], ...],
) -> None:
    """BREACH: the length tells what a stranger guessed right."""
    assert not is_compressible(fields, 2_000, None)
    assert is_compressible(fields, 2_000, True)


@pytest.mark.parametrize(
    "fields",
    [
        (JSON, (b"cache-control", b"public, no-transform")),
        (JSON, (b"content-encoding", b"br")),
        (JSON, (b"content-range", b"bytes 0-1/2")),
        (JSON, (b"content-length", b"2000")),
        (JSON, (b"repr-digest", b"sha-256=:x:")),
        ((b"content-type", b"image/png"),),
        ((b"content-type", b"text/event-stream"),),
        (),
    ],
)
def test_some_answers_are_never_coded(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """RFC 9110 7.7 forbids some, others are small already, parts belong to another whole, events must not wait."""
    assert not is_compressible(fields, 2_000, True)


def test_each_coding_has_an_entity_tag_of_its_own() -> None:
    """RFC 9110 8.8.3.3: strong tags differ where octets do; weak ones stay weak."""
    assert coded_etag(b'"a"', "gzip") == b'"a~gzip"'
    assert coded_etag(b'W/"a"', "gzip") == b'W/"a"'
    assert coded_etag(b'"a"', "") == b'"a"'


def test_an_answer_says_what_it_depends_on_in_one_field() -> None:
    """Caches between keep one of each coding."""
    fields = varied((JSON, (b"vary", b"accept-language"), (b"etag", b'"a"')), "gzip")

    assert dict(fields)[b"vary"] == b"accept-language, Accept-Encoding"
    assert dict(fields)[b"etag"] == b'"a~gzip"'
    assert dict(fields)[b"content-encoding"] == b"gzip"
    assert len(fields) == 4


def read_as(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    plain: bytes = brotli.decompress(body) if coding == "br" else zstd.decompress(body)
    return plain


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_a_coding_is_the_same_each_time(coding: str) -> None:
    """A strong entity tag names octets: without a date in them."""
    body = "Ёлки, ёлки. ".encode() * 500
    coded = CODERS[coding](body)

    assert coded == CODERS[coding](body)
    assert len(coded) < len(body) / 10
    assert read_as(coding, coded) == body


def test_without_its_packages_a_gateway_has_gzip() -> None:
    """They come with an extra, and a gateway starts without."""
    assert list(coders(lambda _: False)) == ["gzip"]
    assert list(coders(lambda module: module == "brotli")) == ["br", "gzip"]


def test_a_package_round_a_coding_may_be_missing_too() -> None:
    """`find_spec` of a module inside a package that is not there raises."""
    assert not _is_there("nobody.has.this")
