"""A run is short by default, and leaves nothing out in CI."""

from pathlib import Path

import pytest

from tests.kinds import kinds


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ("a",)),
        ({"CI": ""}, ("a",)),
        ({"CI": "true"}, ("a", "b")),
        ({"CI": "1"}, ("a", "b")),
        ({"DEEP": "1"}, ("a", "b")),
    ],
)
def test_all_kinds_are_tested_in_ci(environment: dict[str, str], found: tuple[str, ...]) -> None:
    """And the first alone by default."""
    assert tuple(kinds("a", "b", environment=environment)) == found


def test_live_tests_are_where_they_are_looked_for() -> None:
    """`make live` reads two folders: all of them would take it as long again as some of its tests."""
    tests = Path(__file__).parent
    live = {
        path.relative_to(tests).parts[0]
        for path in tests.rglob("test_*.py")
        if path != Path(__file__) and "mark.live" in path.read_text()
    }

    assert live == {"bench", "live"}
