"""Foreign loggers, and streams that are stuck or gone."""

import io
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from stagedoor._observers.lines import where
from tests.stagedoor.observers.lines import Sink, logs_into


def test_t15_an_exception_is_told_without_its_text() -> None:
    """T15: what an exception says may be a secret; where it came from is not."""
    with pytest.raises(ValueError, match="canary") as caught:
        int("canary")
    told = where(caught.value)

    assert told.startswith("ValueError < test_log_streams.py:")
    assert "canary" not in told


def test_loggers_of_the_standard_library_are_led_here_until_closed() -> None:
    """What uvicorn and SQLAlchemy say goes through the same lines."""
    sink = Sink()
    logs, _ = logs_into(sink)
    logger = logging.getLogger("tests.captured")
    before = (logger.handlers, logger.level)
    logs.capture("tests.captured")
    logger.info("hello %s", "world")
    logger.debug("silent")
    logger.error("broken %d", "arguments")
    logger.warning("w", exc_info=RuntimeError("canary"))
    logs.close()

    assert [(r["level"], r["event"], r["reason"], r["message"]) for r in sink.records()] == [
        ("INFO", "log", "tests.captured", "hello world"),
        ("ERROR", "log", "tests.captured", "broken %d"),
        ("WARNING", "log", "tests.captured", "w"),
    ]
    assert sink.records()[-1]["error"] == "RuntimeError"
    assert (logger.handlers, logger.level) == before


@pytest.mark.parametrize("ends", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_several_logs_end_in_any_order(ends: tuple[int, ...]) -> None:
    """Two gateways in one process: lines go to the last that runs, and never to one that has ended."""
    logger = logging.getLogger("tests.several")
    before = (logger.handlers, logger.level, logger.propagate)
    sinks = [Sink() for _ in ends]
    logs = [logs_into(sink)[0] for sink in sinks]
    for one in logs:
        one.capture("tests.several")
    heard = [max(set(range(len(ends))) - set(ends[:ended])) for ended in range(len(ends))]
    for ending in ends:
        logger.info("before the end of %d", ending)
        logs[ending].close()

    messages = [[record["message"] for record in sink.records()] for sink in sinks]
    assert messages == [
        [f"before the end of {ending}" for ending, who in zip(ends, heard, strict=True) if who == number]
        for number in range(len(sinks))
    ]
    assert (logger.handlers, logger.level, logger.propagate) == before


class Stuck(io.BytesIO):
    """A reader that takes nothing until released."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def write(self, data: Any, /) -> int:
        self.release.wait(10)
        return super().write(data)


def test_a_stuck_stream_drops_lines_and_never_waits() -> None:
    """The loop is never held up by whoever reads the log."""
    sink = Stuck()
    logs, _ = logs_into(sink, capacity=100)
    for _ in range(10_000):
        logs.request_ended("GET", "/", 200, 0.01)
    sink.release.set()
    logs.close()

    assert logs.dropped + len(sink.getvalue().splitlines()) == 10_000
    assert logs.dropped >= 9_000


def test_a_stream_that_is_gone_is_survived() -> None:
    """A closed pipe loses lines, not requests."""
    sink = io.BytesIO()
    logs, _ = logs_into(sink)
    sink.close()
    logs.request_ended("GET", "/", 200, 0.01)
    logs.close()
    logs.request_ended("GET", "/", 200, 0.01)

    assert logs.dropped == 2


class Odd(io.BytesIO):
    """Fails once in a way that no file does."""

    failed = False

    def flush(self) -> None:
        if not self.failed:
            self.failed = True
            raise KeyError("a stream of somebody's own")


def test_f1_a_stream_that_fails_in_any_way_loses_lines_and_not_the_writer() -> None:
    """F1: the thread goes on; what comes later is written."""
    sink = Odd()
    logs, _ = logs_into(sink)
    logs.request_ended("GET", "/first", 200, 0.01)
    while not sink.failed:
        time.sleep(0.001)
    logs.request_ended("GET", "/second", 200, 0.01)
    logs.close()

    assert b"/second" in sink.getvalue()
    assert logs.dropped == 1


def test_f1_a_message_that_cannot_be_made_is_no_fault_of_who_logs_it() -> None:
    """F1: a request that logs something odd is answered all the same."""

    class Odd:
        def __str__(self) -> str:
            raise ZeroDivisionError

    sink = Sink()
    logs, _ = logs_into(sink)
    logs.capture("odd")
    logging.getLogger("odd").warning("this %s", Odd())
    logs.close()

    assert sink.records()[0]["message"] == "this %s"


class Interrupted(deque[bytes]):
    """A queue on which a line arrives while the writer takes the first one out."""

    arrival: Callable[[], None] | None = None

    def popleft(self) -> bytes:
        first = super().popleft()
        if self.arrival is not None:
            arrival, self.arrival = self.arrival, None
            arrival()
        return first


def test_a_line_that_comes_while_the_queue_is_emptied_wakes_the_writer_again() -> None:
    """It was left lying, and so was every later one: the log fell silent for good under load."""
    sink = Sink()
    logs, _ = logs_into(sink)
    logs._queue = queue = Interrupted()  # noqa: SLF001 - a race between two threads, held still
    queue.extend([b"{}\n", b"{}\n"])
    queue.arrival = lambda: logs.request_ended("GET", "/late", 200, 0.0)

    logs.request_ended("GET", "/first", 200, 0.0)
    until = time.monotonic() + 30.0
    while b"/late" not in sink.getvalue() and time.monotonic() < until:
        time.sleep(0.005)
    said = sink.getvalue()
    logs.close()

    assert b"/late" in said


def test_a_handler_that_is_added_meanwhile_stays_whoever_captures_or_ends() -> None:
    """Sentry listens beside the log; it heard nothing any more once a second gateway of the process had begun."""
    logger, added = logging.getLogger("tests.added"), logging.NullHandler()
    first, second = (logs_into(Sink())[0] for _ in range(2))
    first.capture("tests.added")
    logger.addHandler(added)
    seen = []
    second.capture("tests.added")
    seen.append(added in logger.handlers)
    for one in (second, first):
        one.close()
        seen.append(added in logger.handlers)
    logger.removeHandler(added)

    assert (seen, logger.handlers) == ([True, True, True], [])
