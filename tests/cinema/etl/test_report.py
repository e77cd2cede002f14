"""What the ETL says of a walk."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cinema.etl.report import Lines, report_for
from stagedoor.testing import ManualClock


def test_a_line_that_cannot_be_written_ends_no_work(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: a full disk under the log was told as one under the index."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=full, isatty=lambda: False))
        report = report_for(clock, text=False, least="info")
        report.note("info", "etl_rebuild", reason="there is no state yet")
        report.close()


async def test_a_walk_says_how_far_it_is_and_how_fast_it_was(clock: ManualClock) -> None:
    """Every two seconds, and at its end, with the seconds it took."""
    lines: list[bytes] = []
    report = Lines(lines.append, clock)
    report.begin("movies", 5_000)
    report.advance("movies", 1_000)
    await clock.advance(2.5)
    report.advance("movies", 4_000)
    report.end("movies")
    report.advance("movies", 1)
    report.end("movies")

    told = [json.loads(line) for line in lines]
    assert [(line["event"], line["documents"], line["total"]) for line in told] == [
        ("etl_progress", 5_000, 5_000),
        ("etl_indexed", 5_000, 5_000),
    ]
    assert (told[1]["seconds"], told[1]["per_second"]) == (2.5, 2_000)
