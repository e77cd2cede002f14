"""What the bench of kept answers asks for."""

import json

import pytest

from bench.hit.__main__ import ROWS
from bench.hit.bodies import BODIES
from bench.hit.targets import TARGETS, available


@pytest.mark.parametrize(("name", "size"), [("small", 1_900), ("large", 35_000)])
def test_bodies_have_the_sizes_that_the_rows_name(name: str, size: int) -> None:
    """1.9 kB and 35 kB, as JSON."""
    assert abs(len(BODIES[name]) - size) < size * 0.03
    assert json.loads(BODIES[name])["films"]


def test_each_row_asks_for_a_body_that_there_is() -> None:
    """Rows name paths."""
    assert {row.path.strip("/") for row in ROWS} <= set(BODIES)


def test_what_is_not_installed_is_left_out() -> None:
    """Ours and FastAPI are always there."""
    assert available("stagedoor")
    assert available("fastapi")
    assert {name for name in TARGETS if available(name)} >= {"stagedoor", "stagedoor, limit", "fastapi"}
