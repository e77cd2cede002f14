"""What a status stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._requests import HttpResponse
from stagedoor._transports.statuses import refusal, retry_after
from stagedoor.errors import UpstreamRejected, UpstreamUnavailable

WALL = 1_767_607_200.0  # Mon, 05 Jan 2026 10:00:00 GMT


@pytest.mark.parametrize("status", [200, 204, 301, 304, 399])
def test_answers_below_400_are_no_errors(status: int) -> None:
    assert refusal("users.get", HttpResponse(status=status), WALL) is None


def test_h6_a_refusal_carries_the_answer() -> None:
    response = HttpResponse(status=404, body=b"gone")

    error = refusal("users.get", response, WALL)

    assert type(error) is UpstreamRejected
    assert (error.operation, error.response, error.retryable) == ("users.get", response, False)


@pytest.mark.parametrize(
    ("status", "field", "retryable", "wait"),
    [
        (429, None, False, None),
        (429, b"junk", False, None),
        (429, b"3", True, 3.0),
        (503, b"3", True, 3.0),
        (503, b"junk", True, None),
        (500, b"3", False, 3.0),
    ],
)
def test_r5_429_is_retryable_only_if_it_says_when(
    status: int, field: bytes | None, retryable: bool, wait: float | None
) -> None:
    headers = ((b"retry-after", field),) if field is not None else ()

    error = refusal("users.get", HttpResponse(status=status, headers=headers), WALL)

    assert type(error) is UpstreamUnavailable
    assert (error.retryable, error.retry_after) == (retryable, wait)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"0", 0.0),
        (b"120", 120.0),
        (b"99999999999999999999", 1e9),
        (b"Mon, 05 Jan 2026 10:00:30 GMT", 30.0),
        (b"Monday, 05-Jan-26 10:00:30 GMT", 30.0),
        (b"Mon Jan  5 10:00:30 2026", 30.0),
        (b"Mon, 05 Jan 2026 09:00:00 GMT", 0.0),
        (b"Monday, 05-Jan-77 10:00:30 GMT", 0.0),
        (b"Mon, 05 Jan 2026 10:00:30 +0100", None),
        (b"-1", None),
        (b"1.5", None),
        (b"", None),
        (b"soon", None),
        (b"\xff", None),
        (b"Mon, 99 Jan 2026 10:00:30 GMT", None),
    ],
)
def test_r5_retry_after_is_read_in_both_forms(value: bytes | None, seconds: float | None) -> None:
    assert retry_after(value, WALL) == seconds


@given(st.binary(max_size=40))
def test_r5_junk_never_raises(value: bytes) -> None:
    wait = retry_after(value, WALL)

    assert wait is None or wait >= 0.0
