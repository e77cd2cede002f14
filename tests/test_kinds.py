"""A run is short by default, and leaves nothing out in CI."""

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
