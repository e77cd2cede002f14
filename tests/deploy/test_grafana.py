"""What Grafana is shipped with: made from tables, over metrics that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.dashboards.__main__ import FOLDER, written
from tests.deploy.test_prometheus import RECORDED, metrics_in, rules
from tests.docs.pages import ROOT

WRITTEN = written()
UNITS = {"ops", "reqps", "s", "percentunit", "bytes", "Bps", "none", "short"}


def panels(text: str) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in json.loads(text)["panels"] if panel["type"] != "row")


def expressions() -> Iterator[str]:
    for text in WRITTEN.values():
        yield from (target["expr"] for panel in panels(text) for target in panel["targets"])


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.stem)
def test_what_is_committed_is_what_the_tables_make(file: Path) -> None:
    """Issue 15.3: dashboards are code; `make dashboards` would change nothing."""
    assert file.read_text() == WRITTEN[file]


def test_nothing_lies_beside_them() -> None:
    """Issue 15.3: the seven that were asked for, and nothing made by hand."""
    names = {"overview", "gateway", "upstreams", "cache", "catalogue", "redis", "system"}

    assert {file.stem for file in FOLDER.iterdir()} == names


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.stem)
def test_each_panel_can_be_read(file: Path) -> None:
    """A picture without a title, a word on it, a unit and an expression tells nobody anything at night."""
    board = json.loads(WRITTEN[file])
    ids = [panel["id"] for panel in board["panels"]]
    bare = [
        panel["title"]
        for panel in panels(WRITTEN[file])
        if not panel["description"]
        or panel["fieldConfig"]["defaults"]["unit"] not in UNITS
        or not all(target["expr"] for target in panel["targets"])
    ]

    assert bare == []
    assert len(ids) == len(set(ids))
    assert board["uid"] == f"cinema-{file.stem}"


def test_panels_do_not_cover_one_another() -> None:
    """Grafana draws them where they are told to be, also on top of each other."""
    for text in WRITTEN.values():
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(text)["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells


def test_they_ask_for_metrics_that_there_are() -> None:
    """A panel over a name that was changed is empty for ever."""
    table = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/reference/metrics.md").read_text(), re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for one in expressions() for name in RECORDED.findall(one)}

    assert asked - recorded == set()
    assert metrics_in(expressions()) - table == set()
    assert table - metrics_in([*expressions(), *(rule["expr"] for rule in rules())]) == set()


def test_they_are_found_where_grafana_looks() -> None:
    """Issue 15.3: provisioned; every panel takes the source that the variable names."""
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/cinema.yml").read_text())

    assert source["datasources"][0]["type"] == "prometheus"
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert {panel["datasource"]["uid"] for text in WRITTEN.values() for panel in panels(text)} == {
        "${datasource}"
    }
