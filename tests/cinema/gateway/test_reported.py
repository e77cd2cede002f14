"""What /health makes of what services report of what they stand on."""

import orjson

from cinema.gateway.operations.reported import reported
from stagedoor import Component
from stagedoor._requests import HttpResponse

WELL = Component("healthy", 1.0)
SILENT = Component("unhealthy", detail="not answering in time")


def saying(**members: str) -> Component:
    """Return a service that says that it is not well."""
    return Component(
        "unhealthy", detail="failing", response=HttpResponse(status=503, body=orjson.dumps(members))
    )


def test_f6_health_names_what_a_service_stands_on_and_why_that_fails() -> None:
    """F6: the database is what must be mended, not the services before it."""
    away = saying(component="database", cause="has too many connections")
    found = reported({"user_service": away, "memes_service": away, "ghibli_api": WELL})

    assert found["user_service"].detail == "database: has too many connections"
    assert found["database"] == Component("unhealthy", detail="has too many connections")
    assert found["ghibli_api"] == WELL


def test_f6_a_service_that_takes_no_more_is_degraded_and_says_why() -> None:
    """F6: pictures are shown and none is taken: the disk is full."""
    said = {"status": "degraded", "component": "media_store", "cause": "its disk is full"}
    full = Component("healthy", 1.0, response=HttpResponse(status=200, body=orjson.dumps(said)))
    found = reported({"media_service": full, "ghibli_api": full})

    assert found["media_service"] == Component("degraded", 1.0, "media_store: its disk is full")
    assert found["ghibli_api"].status == "healthy"  # a third party has no say in this


def test_f6_a_service_that_is_away_says_nothing_of_its_database() -> None:
    """F6: health blamed the database for a meme service that was killed."""
    found = reported({"user_service": WELL, "order_service": SILENT, "memes_service": SILENT})

    assert found["database"] == WELL
    assert reported({"memes_service": SILENT})["database"] == SILENT


def test_f6_a_body_that_says_nothing_of_the_kind_changes_nothing() -> None:
    """It may come of anything that answers in its place."""
    odd = [HttpResponse(status=503, body=body) for body in (b"", b"<html>", b"[]", b"1", b'{"component": 1}')]
    for response in odd:
        one = Component("unhealthy", detail="failing: answered 503", response=response)
        assert reported({"memes_service": one})["memes_service"].detail == "failing: answered 503"
