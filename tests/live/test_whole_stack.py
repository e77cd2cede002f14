"""`make stack`: the platform with its real servers, watched by a real Prometheus; with DEEP=1."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.dashboards.__main__ import written
from tests.docs.pages import ROOT
from tests.live.platform import until
from tests.servers import DATA, LOOPBACK
from tests.tools import tool_of

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.environ.get("DEEP") != "1", reason="minutes of real servers: with DEEP=1"),
]

PATHS = (
    "/api/profile/user123",
    "/api/v1/films?page_size=5",
    "/api/v1/films/search?query=star",
    "/v1/genres",
    "/movies/",
    "/api/memes?limit=3",
)
LOAD_SECONDS = 20.0
# What hangs at one time, and the alert that each raises.
TOGETHER = {
    "PostgresAway": ("postgres",),
    "SearchAway": ("java",),
    "NginxAway": ("nginx",),
    "EtlAway": ("cinema", "etl"),
    "ServiceAway": ("cinema", "media"),
    "ExporterAway": ("prometheus-node-exporter",),
}
# What a panel's variables stand for: a rate over a minute, and any instance.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*"}


class Receiver(HTTPServer):
    """Takes what Alertmanager sends, and keeps it."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Taking)
        self.taken: list[tuple[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        for alert in json.loads(self.rfile.read(int(self.headers["content-length"])))["alerts"]:
            self.server.taken.append((alert["labels"]["alertname"], alert["status"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


class Whole:
    """The stack as it runs."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", told: dict[str, Any], receiver: Receiver, temporary: Path
    ) -> None:
        self.process = process
        self.temporary = temporary
        self.addresses: dict[str, str] = told["addresses"]
        self.settings: dict[str, str] = told["settings"]
        self.receiver = receiver

    def ask(self, name: str, path: str, **query: str) -> bytes:
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(f"{self.addresses[name]}{path}{words}", timeout=10) as answer:
            return bytes(answer.read())

    def load(self, seconds: float) -> None:
        """Ask for this and that, not too fast."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path in (*PATHS, "/nowhere"):
                with suppress(urllib.error.HTTPError):
                    self.ask("nginx", path)
            time.sleep(0.2)

    def query(self, expression: str) -> list[dict[str, Any]]:
        told = json.loads(self.ask("prometheus", "/api/v1/query", query=expression))
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def alerts(self) -> set[str]:
        """Return the alerts that speak now."""
        told = json.loads(self.ask("prometheus", "/api/v1/alerts"))["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in told if alert["state"] == "firing"}

    def doctor(self, folder: Path) -> list[tuple[str, str]]:
        done = subprocess.run(
            [sys.executable, "-m", "cinema", "doctor", "--json"],
            cwd=folder,
            env=os.environ | self.settings,
            capture_output=True,
            check=False,
        )
        return [(one["subject"], one["kind"]) for one in json.loads(done.stdout)["findings"]]

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of the stack whose command has these words."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in family if all(word in one.cmdline() or word == one.name() for word in words)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Run it on free ports until the tests are done."""
    for program in ("prometheus", "nginx", "prometheus-alertmanager", "prometheus-redis-exporter"):
        tool_of(program, "nginx-light" if program == "nginx" else program)
    folder, receiver = tmp_path_factory.mktemp("whole"), Receiver()
    file, log, temporary = folder / "addresses", folder / "log", folder / "tmp"
    temporary.mkdir()
    options = ["--free-ports", "--addresses", str(file), "--receiver", receiver.url]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.whole", *options],
            cwd=ROOT,
            env=os.environ | {"FILMS": "500", "MEMES": "5", "TMPDIR": str(temporary)},
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: file.exists() or process.poll() is not None, log.read_text, 240.0)
        assert process.poll() is None, log.read_text()
        yield Whole(process, json.loads(file.read_text()), receiver, temporary)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        receiver.shutdown()
        receiver.server_close()


def test_it_is_healthy_and_nobody_complains(whole: Whole, tmp_path: Path) -> None:
    """Issue 15.4: every server is a real one; the doctor finds nothing, Prometheus reaches everything."""
    reached = json.loads(whole.ask("prometheus", "/api/v1/targets"))["data"]["activeTargets"]

    assert json.loads(whole.ask("gateway", "/health"))["status"] == "healthy"
    assert {"postgres", "redis", "s3", "search", "nginx", "prometheus"} <= set(whole.addresses)
    assert whole.doctor(tmp_path) == []
    until(lambda: all(one["health"] == "up" for one in targets(whole)), lambda: targets(whole), 40.0)
    assert len(reached) >= 16


def targets(whole: Whole) -> list[dict[str, Any]]:
    told = json.loads(whole.ask("prometheus", "/api/v1/targets"))["data"]["activeTargets"]
    return [{"job": one["labels"]["job"], "health": one["health"], "why": one["lastError"]} for one in told]


def test_every_panel_of_every_dashboard_has_something_to_draw(whole: Whole) -> None:
    """Issue 15.3: after a while of load, through nginx, with Grafana's variables in place."""
    whole.load(LOAD_SECONDS)
    empty = [
        (file.stem, panel["title"], expression)
        for file, text in written().items()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", [])
        if not whole.query(expression := filled(target["expr"]))
    ]

    assert empty == []


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert not re.search(r"\$\w", expression)
    return expression


def shown(whole: Whole, alert: str) -> list[list[str]]:
    """Return what the page of an alert tells its reader to type, with the gateway's address of here."""
    page = (ROOT / "docs/how-to/answer-alerts.md").read_text()
    section = page.partition(f"### {alert}\n")[2].partition("\n### ")[0]
    here = whole.addresses["gateway"].removeprefix("http://")
    return [
        shlex.split(one.replace("localhost:8000", here))
        for one in re.findall(r"^\$ (curl .*)$", section, re.MULTILINE)
    ]


@pytest.mark.parametrize(
    ("words", "alert", "found"),
    [
        (("valkey-server",), "RedisAway", ("redis", "hung")),
        (("weed",), "S3Away", ("picture store", "hung")),
        (("cinema", "orders"), "ServiceAway", ("orders", "hung")),
    ],
    ids=["redis", "s3", "orders"],
)
def test_what_goes_away_is_told_once_and_its_end_too(
    whole: Whole, words: tuple[str, ...], alert: str, found: tuple[str, str], tmp_path: Path
) -> None:
    """Issue 15.3: the alert speaks, its receiver hears of it once, the doctor names it, and its end is told."""
    before = len(whole.receiver.taken)
    stopped = whole.processes(*words)
    for process in stopped:
        process.suspend()
    until(lambda: alert in whole.alerts(), whole.alerts, 60.0)
    named = whole.doctor(tmp_path)
    commands = shown(whole, alert)
    done = [subprocess.run(one, capture_output=True, check=False, timeout=30) for one in commands]
    until(lambda: (alert, "firing") in whole.receiver.taken[before:], lambda: whole.receiver.taken, 40.0)
    for process in stopped:
        process.resume()
    until(lambda: (alert, "resolved") in whole.receiver.taken[before:], lambda: whole.receiver.taken, 90.0)

    assert found in named
    assert [one.returncode for one in done] == [0] * len(done)
    assert done != []
    assert [one for one in whole.receiver.taken[before:] if one[0] == alert] == [
        (alert, "firing"),
        (alert, "resolved"),
    ]


def test_everything_else_that_goes_away_is_told_and_its_end_too(whole: Whole) -> None:
    """Issue 15.3: each server, service and exporter by the alert of its own, all at one time."""
    before = len(whole.receiver.taken)
    stopped = [one for words in TOGETHER.values() for one in whole.processes(*words)]
    for process in stopped:
        process.suspend()
    until(lambda: told(whole, before, "firing") >= set(TOGETHER), whole.alerts, 150.0)
    for process in stopped:
        process.resume()
    until(lambda: told(whole, before, "resolved") >= set(TOGETHER), whole.alerts, 90.0)

    assert not set(TOGETHER) & whole.alerts()


def told(whole: Whole, before: int, status: str) -> set[str]:
    """Return the alerts of which the receiver has heard this since."""
    return {name for name, state in whole.receiver.taken[before:] if state == status}


def test_no_gateway_at_all_is_told_and_its_end_too(whole: Whole) -> None:
    """Issue 15.3: both workers hang, so nobody can say so but Prometheus."""
    (head,) = whole.processes("cinema", "gateway")
    stopped = [head, *head.children(recursive=True)]
    for process in stopped:
        process.suspend()
    until(lambda: "GatewayAway" in whole.alerts(), whole.alerts, 60.0)
    for process in stopped:
        process.resume()
    until(lambda: "GatewayAway" not in whole.alerts(), whole.alerts, 60.0)

    assert json.loads(whole.ask("gateway", "/health/live"))


def test_ctrl_c_leaves_nothing(whole: Whole) -> None:
    """Issue 15.4: no process, no folder, no socket. The last of these tests, as it ends what they use."""
    family = whole.processes()
    whole.process.send_signal(signal.SIGINT)
    whole.process.wait(60)
    _, late = psutil.wait_procs(family, timeout=10)
    store = whole.addresses["s3"].rpartition(":")[2]

    assert len(family) > 20
    assert late == []
    assert [*whole.temporary.iterdir()] == []
    assert [*DATA.glob(f"seaweedfs-*-{store}.sock")] == []
