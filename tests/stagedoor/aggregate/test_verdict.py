"""Verdicts from records, and how they are said."""

from typing import Any

import http_sf
import pytest

from stagedoor._aggregate import PartVerdict, Report, parts_header, server_timing, verdict_json
from stagedoor._aggregate.verdict import Status, answered, most_telling, recalled, recorded, stood_in
from stagedoor._context import Record
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

VERDICTS = {
    "user": PartVerdict("fresh", ms=6.04),
    "orders": PartVerdict("fallback", "timeout", 80.0),
    "products": PartVerdict("missing", "depends_on_orders"),
    "bonus": PartVerdict("stale", ms=0.26, age=12.7),
    "menu": PartVerdict("cached"),
}


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (Record(calls=1), PartVerdict("fresh", ms=20.0)),
        (Record(), PartVerdict("fresh")),
        (Record(joined=True), PartVerdict("fresh", ms=20.0)),
        (Record(hits=1), PartVerdict("cached")),
        (Record(hits=1, calls=1), PartVerdict("fresh", ms=20.0)),
        (Record(hits=1, stale=3.0), PartVerdict("stale", age=3.0)),
        (Record(hits=1, calls=2, stale=3.0), PartVerdict("stale", ms=20.0, age=3.0)),
        (Record(calls=2, stale=3.0, lacking="timeout"), PartVerdict("fallback", "timeout", 20.0)),
    ],
)
def test_p4_a_verdict_is_drawn_from_what_the_calls_did(record: Record, verdict: PartVerdict) -> None:
    """P4: lacking outranks stale, and that the rest; cached only if nobody was called; no time without a call."""
    assert answered(record, 0.02) == verdict


def test_p4_a_run_inside_of_a_part_is_told_by_its_verdicts() -> None:
    """P4: by the oldest, and by the first that lacks something."""
    told = {"user": PartVerdict("stale", ms=6.0, age=2.0), "old": PartVerdict("stale", age=5.0)}

    assert recorded(told) == Record(calls=1, stale=5.0)
    assert recorded({"menu": PartVerdict("cached")}) == Record(hits=1)
    assert recorded(VERDICTS) == Record(calls=3, hits=1, stale=12.7, lacking="timeout")


def test_what_was_done_apart_is_added() -> None:
    """The oldest, the first that is lacking, the newest look-up."""
    whole = Record(calls=1, stale=2.0, lookup="miss", lacking="timeout")
    whole.take_in(Record(calls=2, hits=1, joined=True, waited=0.5, stale=1.0, lacking="garbled"))
    assert whole == Record(
        calls=3, hits=1, joined=True, waited=0.5, stale=2.0, lookup="miss", lacking="timeout"
    )

    whole.take_in(Record(lookup="hit", ttl=3.0))
    assert (whole.lookup, whole.ttl, whole.whole) == ("hit", 3.0, False)
    assert Record(hits=1).whole


@pytest.mark.parametrize("kind", [UpstreamTimeout, CircuitOpen, UpstreamGarbled])
def test_p4_a_failure_keeps_its_reason(kind: type[UpstreamError]) -> None:
    """P4: with a fallback something stands in; without one the value is missing."""
    error = kind("x")

    assert stood_in(Record(calls=1), 0.02, error, fallback=True) == PartVerdict(
        "fallback", error.reason, 20.0
    )
    assert stood_in(Record(), 0.02, error, fallback=False) == PartVerdict("missing", error.reason)


def test_p4_the_header_is_a_structured_dictionary() -> None:
    """P4: as the contract spells it, and as an independent parser reads it (A6)."""
    text = parts_header(VERDICTS)

    assert text == (
        "user=fresh, orders=fallback;reason=timeout, products=missing;reason=depends_on_orders, "
        "bonus=stale;age=12, menu=cached"
    )
    parsed: Any = http_sf.parse(text.encode(), tltype="dictionary")
    assert [str(value) for value, _ in parsed.values()] == [one.status for one in VERDICTS.values()]
    assert {name: str(params["reason"]) for name, (_, params) in parsed.items() if "reason" in params} == {
        "orders": "timeout",
        "products": "depends_on_orders",
    }


def test_keys_of_the_header_are_lower_case() -> None:
    """RFC 9651 3.1.2: a key knows no capitals; a part may."""
    assert parts_header({"Menu": PartVerdict("fresh")}) == "menu=fresh"


def test_server_timing_names_each_part_that_made_a_call() -> None:
    """W3C Server-Timing; a part without a call took no time worth telling."""
    assert server_timing(VERDICTS) == "user;dur=6.0, orders;dur=80.0, bonus;dur=0.3"
    assert server_timing({}) == ""


def test_a_verdict_in_the_body_says_no_more_than_there_is() -> None:
    """CONTRACTS: `ms` is null if no call was made; `reason` and `age` only where there is one."""
    assert [verdict_json(verdict) for verdict in VERDICTS.values()] == [
        {"status": "fresh", "ms": 6.0},
        {"status": "fallback", "ms": 80.0, "reason": "timeout"},
        {"status": "missing", "ms": None, "reason": "depends_on_orders"},
        {"status": "stale", "ms": 0.3, "age": 12.7},
        {"status": "cached", "ms": None},
    ]


@pytest.mark.parametrize(
    ("status", "whole", "has_value"),
    [
        ("fresh", True, True),
        ("cached", True, True),
        ("stale", False, True),
        ("fallback", False, False),
        ("missing", False, False),
    ],
)
def test_an_answer_is_whole_only_if_fresh_or_cached(status: Status, *, whole: bool, has_value: bool) -> None:
    """Anything else is never stored as complete."""
    assert (PartVerdict(status).whole, PartVerdict(status).has_value) == (whole, has_value)


def test_a_report_counts_the_parts_with_a_value_of_their_own() -> None:
    """A fallback is nobody's data."""
    assert Report(verdicts=VERDICTS, wall=0.0, seconds=0.0).answered == 3


def test_a_recalled_answer_is_cached_throughout() -> None:
    """On a hit all parts are cached."""
    assert recalled({"user": VERDICTS["user"]}) == {"user": PartVerdict("cached")}


def test_p3_the_most_telling_error_is_what_an_upstream_said_itself() -> None:
    """P3: before silence, before what was not even asked; the first among equals."""
    said, silent = UpstreamUnavailable("a"), UpstreamTimeout("b")
    not_asked: list[UpstreamError] = [CircuitOpen("c"), Overloaded("d"), UpstreamRejected("e")]

    assert most_telling([*not_asked, silent, said, UpstreamUnavailable("f")]) is said
    assert most_telling([*not_asked, silent]) is silent
    assert most_telling(not_asked) is not_asked[0]
    assert most_telling([said, UpstreamGarbled("g")]).reason == "garbled"
