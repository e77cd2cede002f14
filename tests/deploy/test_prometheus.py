"""What Prometheus and Alertmanager are shipped with: read by their own tools, and true to the documents."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT
from tests.docs.test_examples import anchors
from tests.tools import tool_of

PROMETHEUS = ROOT / "deploy/prometheus"
RULES = sorted(PROMETHEUS.glob("rules/*.yml"))
TESTS = sorted(PROMETHEUS.glob("tests/*.yml"))
OURS = re.compile(
    r"\b(?:gateway|http|cache|aggregat\w+|service|upstream|etl|circuit|coalesced|requests|retry|rate_limited)_\w+"
)


RECORDED = re.compile(r"\b[a-z]+:\w+:\w+")


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS = [rule for rule in rules() if "alert" in rule]


def metrics_in(expressions: Iterable[str]) -> set[str]:
    """Return which metrics of ours expressions name; those of exporters and what rules record are left out."""
    plain = [re.sub(r"\bservice_name\b|\bcache_type\b", "", RECORDED.sub("", one)) for one in expressions]
    return {re.sub("_(bucket|count)$", "", name) for one in plain for name in OURS.findall(one)}


def promtool(*words: str | Path) -> str:
    """Return what promtool complains of, nothing if it is content."""
    command = [tool_of("promtool", "prometheus"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_configuration_is_one() -> None:
    """Issue 15.3: with the rules that it names."""
    assert promtool("check", "config", PROMETHEUS / "prometheus.yml") == ""


@pytest.mark.long
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_speak_when_they_should_and_only_then(file: Path) -> None:
    """Issue 15.3: `promtool test rules`."""
    assert promtool("test", "rules", file) == ""


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_is_proven_and_leads_to_its_page(rule: dict[str, Any]) -> None:
    """Issue 15.3: a case in which it fires, a severity, a summary, and a section that says what to do."""
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    proven = f'alertname="{rule["alert"]}"'

    assert any(
        proven in line for file in TESTS for line in file.read_text().splitlines() if "value: 1" in line
    )
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(ROOT / page)
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith((".", ")."))


def test_each_section_is_of_an_alert() -> None:
    """A section of an alert that was renamed would lead nobody anywhere."""
    page = (ROOT / "docs/how-to/answer-alerts.md").read_text()

    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


def test_what_is_away_is_told_after_15_seconds() -> None:
    """Issue 15.3: availability alerts `for: 15s`."""
    away = {rule["alert"]: rule["for"] for rule in ALERTS if rule["alert"].endswith("Away")}

    assert len(away) >= 10
    assert set(away.values()) == {"15s"}


def test_rules_speak_of_metrics_that_there_are() -> None:
    """A rule over a name that was changed is silent for ever."""
    table = (ROOT / "docs/reference/metrics.md").read_text()  # which is held to the sources
    named = metrics_in(rule["expr"] for rule in rules())

    known = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert named - known == set()
    assert len(named) > 10


@pytest.mark.parametrize("name", ["compose.yaml", "compose.prod.yaml"])
def test_what_is_scraped_are_services_that_run(name: str) -> None:
    """Issue 15.3: a host that no container has is one that is always away, and another would be watched by nobody."""
    services = {*yaml.safe_load((ROOT / name).read_text())["services"], "localhost"}
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    targets = [one for job in jobs for group in job.get("static_configs", []) for one in group["targets"]]
    hosts = {re.sub(r"^https?://", "", one).partition(":")[0] for one in targets}
    replicas = {name for job in jobs for group in job.get("dns_sd_configs", []) for name in group["names"]}

    assert hosts - services == set()
    assert replicas & services != set()
    assert len(hosts) > 15


def test_alertmanager_reads_its_configuration() -> None:
    """Issue 15.3: `amtool check-config`."""
    file = ROOT / "deploy/alertmanager/alertmanager.yml"
    command = [tool_of("amtool", "prometheus-alertmanager"), "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
