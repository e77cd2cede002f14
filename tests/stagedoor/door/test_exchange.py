"""What an exchange hands to its connection."""

from typing import Any

import pytest

from stagedoor._door.exchange import Exchange
from stagedoor._door.guards import Target
from stagedoor._door.reader import Head
from stagedoor._problems import ProblemDetails


class Line:
    """A connection that keeps what it is given to write."""

    paused = False

    def __init__(self) -> None:
        self.written: list[bytes | memoryview] = []

    def write(self, *pieces: bytes | memoryview) -> None:
        self.written += pieces

    async def drain(self) -> None:
        """Never wait."""

    def read_on(self) -> None:
        """Have nothing to read."""

    def ask_for_body(self) -> None:
        """Have nobody who waits to be told."""

    def common_fields(self) -> list[tuple[bytes, bytes]]:
        return []

    def may_keep_alive(self, exchange: Exchange) -> bool:
        return True

    def answer_problem(self, exchange: Exchange, problem: ProblemDetails) -> None:
        raise AssertionError(problem)

    def finished(self, exchange: Exchange) -> None:
        """Have nothing further to serve."""

    def left(self, exchange: Exchange) -> None:
        """Keep no tasks."""

    def cut(self, *, reset: bool = False) -> None:
        raise AssertionError(reset)


def exchange(line: Line) -> Exchange:
    target = Target(b"/", "/", b"", None)
    made = Exchange(line, Head("GET", "1.1", target, [], 0, keep_alive=True, expects_continue=False))
    made.received = True
    return made


@pytest.mark.parametrize(("size", "shared"), [(16_384, False), (16_385, True), (200_000, True)])
async def test_b2_a_large_body_is_written_as_it_is_a_small_one_with_its_head(size: int, shared: bool) -> None:
    """B2: a document that is rendered once was copied for each client that did not read it, 0.3 MB a connection."""
    line, body = Line(), b"x" * size
    fields = [(b"content-length", b"%d" % size)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    await exchange(line).run(app, {})

    assert b"".join(line.written).endswith(b"\r\n\r\n" + body)
    assert any(memoryview(piece).obj is body for piece in line.written) is shared
    assert (len(line.written) == 1) is not shared
