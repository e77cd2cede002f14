"""What an answer says of its age and origin."""

import http_sf
import pytest

from stagedoor._context import Record
from stagedoor._web.freshness import cache_control, cache_status


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(lookup="hit", ttl=211.9), b"stagedoor; hit; ttl=211"),
        (Record(lookup="stale", ttl=-3.2), b"stagedoor; hit; ttl=-3; detail=stale"),
        (Record(lookup="miss", ttl=30.0, stored=True), b"stagedoor; fwd=miss; stored"),
        (Record(lookup="miss"), b"stagedoor; fwd=miss"),
        (Record(lookup="miss", joined=True), b"stagedoor; fwd=miss; collapsed"),
        (Record(), b"stagedoor; fwd=bypass"),
    ],
)
def test_hc15_cache_status_tells_how_the_answer_came_about(record: Record, said: bytes) -> None:
    """HC15: RFC 9211, and a structured field that others can read (A6)."""
    name, value = cache_status(record)

    assert (name, value) == (b"cache-status", said)
    http_sf.parse(value, name="Cache-Status", tltype="list")


@pytest.mark.parametrize(("seconds", "age"), [(29.9, 29), (0.4, 0), (-1.0, 0)])
def test_the_lifetime_that_remains_is_sent_and_never_a_negative_one(seconds: float, age: int) -> None:
    """RFC 9111 1.2.2: delta-seconds are whole and not negative; rounding up would promise too much."""
    assert cache_control(b"private", seconds) == (b"cache-control", b"private, max-age=%d" % age)
