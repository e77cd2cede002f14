"""What the platform's processes tell of themselves: to Sentry, and by traces."""

import importlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request

from cinema.etl.report import Lines
from cinema.etl.run import job_of
from cinema.services import SERVICES
from cinema.settings import Settings, SettingsError, load
from stagedoor._clock import SystemClock
from stagedoor.testing import Client
from tests.canaries import CANARY, attempts, leaks
from tests.cinema.services.asking import started
from tests.otlp import Collector, attributes


def events(collector: Collector) -> list[dict[str, Any]]:
    """Return what Sentry was told: each envelope has a head, and a head before each item."""
    lines = [line for body in collector.bodies for line in body.splitlines()[1:]]
    return [json.loads(line) for line in lines if b'"event_id"' in line]


async def broken(request: Request) -> None:
    """Fail with everything that a request brought in the text of it."""
    body = await request.body()
    raise KeyError(CANARY, dict(request.headers), request.url.query, body)


def settings(folder: Path, collector: Collector) -> Settings:
    return Settings(
        database_url=f"sqlite+aiosqlite:///{folder}/cinema.db",
        media_dir=folder / "media",
        search_dir=folder / "index",
        search_etl_state=folder / "state.json",
        sentry_dsn=f"{collector.url.replace('//', '//public@')}/1",
        sentry_environment="test",
        sentry_traces_rate=1.0,
        memes=0,
    )


@pytest.mark.parametrize("name", SERVICES)
async def test_t15_every_service_tells_its_errors_and_nothing_of_a_request(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T15, N4: type and place to Sentry, a span to the collector; a secret anywhere in a request reaches neither."""
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        log = io.BytesIO()
        service = importlib.import_module(SERVICES[name].module).build(
            settings(tmp_path, collector), stream=log
        )
        service._app.add_api_route("/broken", broken, methods=["GET", "POST"])  # noqa: SLF001 - a bug, put there
        async with started(service):
            client = Client(service)
            for behind, fields, body in attempts(("limit", "page")):
                method = "POST" if body else "GET"
                said = await client.ask("/broken" + behind, method=method, headers=fields, body=body)
                assert said.status in {400, 500}

    told = events(collector)
    errors = [one for one in told if "exception" in one]
    assert {one["tags"]["service"] for one in told} == {SERVICES[name].title}
    mine = [one for one in errors if one["exception"]["values"][-1]["type"] == "KeyError"]
    assert len(mine) > 10
    assert {(one["message"], one["environment"]) for one in mine} == {("/broken failed", "test")}
    spans = [span for _, span in collector.spans]
    assert len(spans) > 10
    assert {attributes(span.attributes)["http.route"] for span in spans} == {"/broken"}
    assert not any(map(leaks, collector.bodies))
    assert not leaks(log.getvalue())


async def test_t15_the_etl_tells_what_it_fell_of_and_no_text_of_it(tmp_path: Path) -> None:
    """T15, contract 14.6: an outage is waited for and told to the log alone; a fault is for Sentry, by its place."""
    with Collector() as collector:
        heard: list[bytes] = []
        lines = Lines(heard.append, SystemClock())
        job = replace(job_of(settings(tmp_path, collector), lines), report=lines)
        job._fell("etl", KeyError(CANARY))  # noqa: SLF001 - what its supervisor calls
        await job.aclose()

    (event,) = events(collector)
    assert (event["message"], event["logger"], event["tags"]["service"]) == (
        "etl_failed",
        "cinema.etl",
        "etl",
    )
    assert event["exception"]["values"][-1]["type"] == "KeyError"
    assert not any(map(leaks, [*collector.bodies, *heard]))


def test_n1_variables_in_the_file_count_unless_the_environment_says_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N1, contract 16: environment or `.env`; the library reads the environment alone."""
    names = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT")
    for name in names:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    file = tmp_path / ".env"
    file.write_text("OTEL_SERVICE_NAME=theirs\nOTEL_RESOURCE_ATTRIBUTES=a=b\nOTEL_EXPORTER_OTLP_ENDPOINT=\n")

    load(file)

    assert [os.environ[name] for name in names] == ["mine", "a=b", ""]


def test_n1_a_variable_that_cannot_work_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N1, contract 16: one line that names it."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "")
    file = tmp_path / ".env"
    file.write_text("OTEL_TRACES_EXPORTER=jaeger\n")

    with pytest.raises(SettingsError, match="OTEL_TRACES_EXPORTER: 'jaeger' must be one of"):
        load(file)
