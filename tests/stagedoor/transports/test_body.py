"""The body of a streamed answer, between a connection and its reader."""

import pytest

from stagedoor._transports.body import Body
from stagedoor._transports.failures import Disconnected


class Source:
    """Where a body comes from; it counts how often it was given up."""

    def __init__(self) -> None:
        self.closed = 0

    def pause(self) -> None:
        """Stop."""

    def resume(self) -> None:
        """Go on."""

    def progress(self) -> None:
        """Move."""

    def close(self) -> None:
        self.closed += 1


async def test_what_came_whole_is_taken_whole_and_once() -> None:
    """Issue 13: a body of 100 KB mostly comes with its head, and then leaves in one piece."""
    source = Source()
    body = Body(source)
    body.push(memoryview(b"all"))
    body.end(None)

    assert body.take_whole() == b"all"
    assert body.take_whole() is None
    assert [chunk async for chunk in body] == []
    await body.aclose()
    assert source.closed == 0


@pytest.mark.parametrize(
    ("chunks", "ended", "failure"),
    [
        ([], True, None),
        ([b"a"], False, None),
        ([b"a", b"b"], True, None),
        ([b"a"], True, Disconnected(silent=False, headless=False)),
    ],
)
def test_what_has_not_come_whole_is_iterated(
    chunks: list[bytes], ended: bool, failure: Disconnected | None
) -> None:
    """D6, X1: at the reader's pace, and with its failure behind it."""
    body = Body(Source())
    for chunk in chunks:
        body.push(chunk)
    if ended:
        body.end(failure)

    assert body.take_whole() is None
