"""Log lines: one event, one line, whatever is in it."""

import json
import logging
import os

import pytest

from cinema.services.journal import Journal, JournalHandler, json_line, text_line


def read(descriptor: int) -> list[dict[str, object]]:
    chunks = b""
    while chunk := os.read(descriptor, 65_536):
        chunks += chunk
    return [json.loads(line) for line in chunks.splitlines()]


def test_events_below_the_level_are_not_written() -> None:
    """LOG_LEVEL decides."""
    reading, writing = os.pipe()
    journal = Journal("s", "WARNING", descriptor=writing)

    journal.event("INFO", "quiet")
    journal.event("ERROR", "loud", cause="x")
    journal.close()
    os.close(writing)

    assert [(line["level"], line["event"], line["service"], line["cause"]) for line in read(reading)] == [
        ("error", "loud", "s", "x")
    ]
    os.close(reading)


def test_records_of_the_standard_library_come_in_the_same_form() -> None:
    """The server and the database log by it; their tracebacks stay inside one line."""
    reading, writing = os.pipe()
    journal = Journal("s", descriptor=writing)
    error = LookupError("gone")
    fault = (LookupError, error, None)
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "f", 1, "it %s", ("broke",), fault)

    JournalHandler(journal).emit(record)
    journal.close()
    os.close(writing)
    (line,) = read(reading)
    os.close(reading)

    assert (line["event"], line["logger"]) == ("it broke", "uvicorn.error")
    assert str(line["exception"]).endswith("LookupError: gone\n")


def test_a_journal_whose_reader_has_left_does_no_harm() -> None:
    """A closed pipe must not end the service."""
    reading, writing = os.pipe()
    os.close(reading)
    journal = Journal("s", descriptor=writing)

    journal.event("INFO", "unheard")
    journal.close()
    os.close(writing)


@pytest.mark.parametrize("nasty", ["a\nb", "\x1b[31m", "\u2028", '"', "\x00", "x" * 1_000_000])
def test_t15_an_event_is_one_line_of_bounded_length(nasty: str) -> None:
    """T15: nobody forges a line, colours a terminal or fills a disk."""
    fields = {"timestamp": "2026-01-05T10:00:00.000+00:00", "level": "info", "event": "e", "value": nasty}

    for line in (json_line(fields), text_line(fields)):
        assert len(line) <= 8_000
        assert b"\n" not in line
        assert b"\x1b" not in line
        assert b"\x00" not in line


def test_the_text_form_is_for_eyes() -> None:
    """LOG_FORMAT=text."""
    fields = {
        "timestamp": "2026-01-05T10:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "a": 1,
        "b": None,
    }

    assert text_line(fields) == b"10:00:00.000 info    request a=1"
