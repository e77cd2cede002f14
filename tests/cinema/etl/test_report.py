"""What the ETL says of a walk."""

import json

from cinema.etl.report import Lines
from stagedoor.testing import ManualClock


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
