"""A body in a coding, sent as it comes."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagedoor._web.coded_stream import CodedStream
from stagedoor._web.coders import PIECEWISE, Piecewise
from tests.stagedoor.web.codings import READ_AS

CODINGS = sorted(PIECEWISE)
SLICE = 32_768


class Source:
    """A body in pieces, which may break at its end."""

    def __init__(self, *pieces: bytes | memoryview, error: Exception | None = None) -> None:
        self.pieces = list(pieces)
        self.error = error
        self.taken = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        return self

    async def __anext__(self) -> bytes | memoryview:
        if self.taken == len(self.pieces):
            raise self.error or StopAsyncIteration
        self.taken += 1
        return self.pieces[self.taken - 1]

    async def aclose(self) -> None:
        self.closed += 1


def coded(
    source: Source,
    coding: str = "gzip",
    length: int | None = None,
    make: Callable[[], Piecewise] | None = None,
    *,
    fixed: bool = False,
) -> CodedStream:
    return CodedStream(source, make or PIECEWISE[coding], length, lambda _: None, fixed=fixed)


async def into(pieces: list[bytes], stream: CodedStream) -> None:
    async for piece in stream:
        pieces.append(piece)  # noqa: PERF401 - what came before it broke counts


def text(size: int) -> bytes:
    words = random.Random(size)
    return b" ".join(b"%d" % words.randrange(10_000) for _ in range(size // 3))[:size]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("known", [False, True])
async def test_each_piece_leaves_when_it_came(coding: str, known: bool) -> None:
    """A reader of NDJSON has each line before the next one is asked for, if the whole has a length or not."""
    lines = [b'{"line":%d}\n' % number for number in range(5)]
    length = len(b"".join(lines)) if known else None
    stream, read, got = coded(Source(*lines), coding, length), READ_AS[coding], b""

    for number in range(5):
        got += await anext(stream)
        assert read(got) == (b"".join(lines[: number + 1]), False)
    got += await anext(stream)
    assert read(got) == (b"".join(lines), True)
    assert await anext(stream, None) is None


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("length", [0, 1, 2_047, 2_049, SLICE - 1, SLICE, SLICE + 1, 100_000])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
async def test_whatever_its_length_it_is_read_back(
    coding: str, length: int, known: bool, fixed: bool
) -> None:
    """Also an empty one, which is no empty content in a coding; with empty pieces between."""
    body = text(length) if length > 2 else b"x" * length
    source = Source(b"", body[: length // 2], b"", memoryview(body)[length // 2 :])

    got = b"".join([piece async for piece in coded(source, coding, length if known else None, fixed=fixed)])

    assert READ_AS[coding](got) == (body, True)


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 60_000), max_size=8))
async def test_one_content_has_one_form_whatever_the_network_made_of_it(coding: str, cuts: list[int]) -> None:
    """RFC 9110 8.8.1: a strong entity tag names octets; a length beside it says that all of it is there."""
    body, ends = text(60_000), [0, *sorted(cuts), 60_000]
    pieces = [body[start:end] for start, end in pairwise(ends)]

    once = b"".join([piece async for piece in coded(Source(body), coding, len(body), fixed=True)])
    again = b"".join([piece async for piece in coded(Source(*pieces), coding, len(body), fixed=True)])

    assert once == again


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("known", [False, True])
async def test_what_breaks_in_the_middle_has_no_end(coding: str, known: bool) -> None:
    """Half a content never reads as a whole one."""
    source = Source(text(40_000), error=OSError("cut"))
    stream, pieces = coded(source, coding, 80_000 if known else None, fixed=known), list[bytes]()

    with pytest.raises(OSError, match="cut"):
        await into(pieces, stream)
    got = b"".join(pieces)

    plain, ended = READ_AS[coding](got)
    assert (text(40_000).startswith(plain), ended) == (True, False)


@pytest.mark.parametrize("size", [39_999, 40_001])
async def test_a_length_that_is_not_kept_ends_it_like_any_error(size: int) -> None:
    """Uncoded the door would see it by Content-Length, which a coded one does not have."""
    pieces = list[bytes]()
    with pytest.raises(RuntimeError, match="length"):
        await into(pieces, coded(Source(text(size)), length=40_000))

    assert not pieces or not READ_AS["gzip"](b"".join(pieces)).ended


async def test_no_more_is_taken_than_is_wanted() -> None:
    """Back-pressure: a reader that waits holds the source; a large piece leaves in slices."""
    source = Source(*[random.Random(1).randbytes(SLICE)] * 50)
    stream = coded(source)

    await anext(stream)
    assert source.taken == 1

    large = Source(random.Random(2).randbytes(50 * SLICE))
    pieces = [len(piece) async for piece in coded(large)]
    assert max(pieces) < SLICE + 1_024
    assert len(pieces) >= 50


async def test_what_takes_long_is_done_on_a_thread() -> None:
    """The first piece, which may import a coder, and each that is large; small ones cost less than a thread."""
    here, seen = threading.get_ident(), list[bool]()

    def make() -> Piecewise:
        coder = PIECEWISE["gzip"]()

        def add(octets: bytes) -> bytes:
            seen.append(threading.get_ident() == here)
            return coder.add(octets)

        return coder._replace(add=add)

    async for _ in coded(Source(b"first", b"small", text(2_048), text(2_049)), make=make):
        pass

    assert seen == [False, True, True, False, True]


async def test_closing_gives_the_source_back() -> None:
    """X1: begun or not, and while a thread is at work; who counts streams is told."""
    told = list[CodedStream]()
    sources = [Source(text(100_000)) for _ in range(3)]
    streams = [CodedStream(source, PIECEWISE["br"], None, told.append) for source in sources]
    await anext(streams[1])
    working = asyncio.ensure_future(anext(streams[2]))
    await asyncio.sleep(0)
    working.cancel()
    for stream in streams:
        await stream.aclose()

    assert [source.closed for source in sources] == [1, 1, 1]
    assert told == streams
    assert await anext(streams[1], None) is None
