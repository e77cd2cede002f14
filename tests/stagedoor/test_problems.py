"""The table error -> status, and the body every client reads."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from stagedoor import _problems as problems
from stagedoor._problems import ProblemDetails, fields_of, problem_of, render
from stagedoor.errors import (
    CircuitOpen,
    Overloaded,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

EVERY = (
    problems.bad_request(),
    problems.beyond_window(),
    problems.unauthorized(),
    problems.forbidden(),
    problems.not_found(),
    problems.method_not_allowed("GET, HEAD"),
    problems.request_timeout(),
    problems.conflict(),
    problems.too_large(),
    problems.uri_too_long(),
    problems.unsupported_media(),
    problems.range_not_satisfiable(10),
    problems.misdirected(),
    problems.validation({"loc": ["query", "page_size"], "msg": "must be between 1 and 100", "type": "range"}),
    problems.rate_limited(3.2),
    problems.headers_too_large(),
    problems.internal(),
    problems.upstream_garbled(),
    problems.upstream_unavailable(),
    problems.overloaded(),
    problems.docs_only(),
    problems.upstream_timeout(),
    problems.loop_detected(),
)


def body(problem: ProblemDetails, instance: str = "/x") -> dict[str, object]:
    document: dict[str, object] = json.loads(
        render(problem, instance=instance, request_id="r1", namespace="cinema")
    )
    return document


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UpstreamTimeout("users.get"), 504, "upstream-timeout"),
        (UpstreamUnavailable("users.get"), 503, "upstream-unavailable"),
        (CircuitOpen("users.get"), 503, "upstream-unavailable"),
        (Overloaded("users.get"), 503, "overloaded"),
        (UpstreamGarbled("users.get"), 502, "upstream-garbled"),
        (UpstreamRejected("users.get"), 502, "upstream-garbled"),
        (UpstreamError("users.get"), 503, "upstream-unavailable"),
        (RuntimeError("boom"), 500, "internal"),
    ],
)
def test_h6_each_error_has_one_status(error: Exception, status: int, kind: str) -> None:
    """H6: an upstream's fault is 502, 503 or 504; 500 is for our own bugs."""
    problem = problem_of(error)

    assert (problem.status, problem.kind) == (status, kind)


def test_c8_an_open_breaker_says_when_it_tries_again() -> None:
    """C8: Retry-After is the open time left, in whole seconds, rounded up."""
    fields = dict(fields_of(problem_of(CircuitOpen("users.get", retry_after=2.1))))

    assert fields[b"retry-after"] == b"3"


@pytest.mark.parametrize("problem", [p for p in EVERY if p.status in {429, 503}], ids=lambda p: p.kind)
def test_503_and_429_always_carry_retry_after(problem: ProblemDetails) -> None:
    """A client that must wait is told how long, at least one second."""
    assert int(dict(fields_of(problem))[b"retry-after"]) >= 1


@given(st.floats())
def test_any_wait_gives_whole_seconds_of_at_least_one(wait: float) -> None:
    """Junk from an upstream's Retry-After becomes a valid field."""
    seconds = int(dict(fields_of(problems.upstream_timeout(wait)))[b"retry-after"])

    assert 1 <= seconds <= 86_400


def test_504_is_silent_about_a_wait_nobody_knows() -> None:
    """Retry-After on 504 only when the wait is known."""
    assert b"retry-after" not in dict(fields_of(problems.upstream_timeout()))


def test_t21_the_text_of_an_exception_never_leaves() -> None:
    """T21: hosts, SQL and paths stay inside."""
    secret = "SELECT * FROM users at 10.0.0.7:5432 in /srv/app.py"
    text = b"".join(
        render(problem_of(kind), instance="/x", request_id="r", namespace="cinema")
        for kind in (RuntimeError(secret), UpstreamTimeout(secret, secret), UpstreamGarbled(secret, secret))
    )

    assert b"SELECT" not in text
    assert b"10.0.0.7" not in text


@pytest.mark.parametrize("problem", EVERY, ids=lambda p: p.kind)
def test_h10_every_problem_has_the_members_of_rfc_9457(problem: ProblemDetails) -> None:
    """H10: type, title, status, detail, instance and request id; detail is always text."""
    document = body(problem, "/api/v1/films")

    assert document["type"] == f"urn:problem-type:cinema:{problem.kind}"
    assert document["status"] == problem.status
    assert isinstance(document["detail"], str)
    assert document["instance"] == "/api/v1/films"
    assert document["request_id"] == "r1"
    assert ("errors" in document) == (problem.status == 422)


def test_h10_a_kind_has_one_title_and_one_status() -> None:
    """H10: one title per type."""
    assert len({problem.kind for problem in EVERY}) == len({(p.kind, p.title, p.status) for p in EVERY})


def test_no_problem_may_be_stored_or_sniffed() -> None:
    """HC14: what the gateway itself refuses is never cached."""
    for problem in EVERY:
        fields = dict(fields_of(problem))
        assert fields[b"content-type"] == b"application/problem+json"
        assert fields[b"cache-control"] == b"no-store"
        assert fields[b"x-content-type-options"] == b"nosniff"


def test_405_names_what_is_allowed() -> None:
    """RFC 9110 15.5.6: a 405 carries Allow."""
    assert dict(fields_of(problems.method_not_allowed("GET, HEAD")))[b"allow"] == b"GET, HEAD"


@given(st.text())
def test_t15_any_instance_gives_valid_json(instance: str) -> None:
    """T15: control characters and separators in a path stay inside a JSON string."""
    assert body(problems.not_found(), instance)["instance"] == instance


def test_t15_lone_surrogates_do_not_break_the_body() -> None:
    """T15: what UTF-8 cannot carry is replaced, not raised."""
    assert body(problems.not_found(), "/\ud800")["instance"] == "/?"


def test_members_are_written_as_answers_are() -> None:
    """A model was its representation, a moment beside a Decimal no ISO 8601, and a UUID as a key broke the answer."""

    class Seat(BaseModel):
        number: int = Field(serialization_alias="seatNumber")

    members = {
        "seat": Seat(number=7),
        "price": Decimal("1.50"),
        "until": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "left": {UUID(int=1): 2},
        "rate": math.nan,
    }

    document = body(replace(problems.conflict("taken"), members=members), "/seats/7")

    assert {name: document[name] for name in members} == {
        "seat": {"seatNumber": 7},
        "price": "1.50",
        "until": "2026-01-05T10:00:00Z",
        "left": {"00000000-0000-0000-0000-000000000001": 2},
        "rate": None,
    }


def test_the_namespace_belongs_to_whoever_builds_the_gateway() -> None:
    """Other platforms have types of their own."""
    document = json.loads(render(problems.not_found(), instance="/", request_id="r", namespace="shop"))

    assert document["type"] == "urn:problem-type:shop:not-found"
