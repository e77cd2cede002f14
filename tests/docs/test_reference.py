"""The reference says what the sources say."""

import importlib.util
import re
from collections.abc import Sequence
from types import ModuleType

import pytest
from prometheus_client import Metric

import stagedoor
from cinema.gateway.catalogue.figures import Figures
from cinema.settings import Settings
from stagedoor.observers.metrics import Metrics
from stagedoor.observers.numbers import Family
from stagedoor.testing import ManualClock
from tests.docs.pages import ROOT

METRICS = ROOT / "docs/reference/metrics.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Give the script that writes the reference."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def families() -> list[Family[object]]:
    """Return the metrics of a fresh registry, in the order of their declaration."""
    metrics = Metrics({"users": "user_service"})
    metrics.follow(dict, float)
    registered = metrics.registry._collector_to_names  # noqa: SLF001 - the library shows it nowhere else
    return [family for family in registered if isinstance(family, Family)]


def row(metric: Metric, labels: Sequence[str]) -> str:
    name = metric.name + ("_total" if metric.type == "counter" else "")
    shown = ", ".join(f"`{label}`" for label in labels) or "none"
    return f"| `{name}` | {metric.type} | {shown} | {metric.documentation} |"


def test_the_reference_is_up_to_date(script: ModuleType) -> None:
    """`make reference` would change nothing."""
    assert script.stale() == [], "make reference"


def test_every_setting_is_in_the_table(script: ModuleType) -> None:
    """A setting that nobody can find is not one."""
    page = script.pages()["settings.md"]

    assert re.findall(r"^\| `([A-Z0-9_]+)`", page, re.MULTILINE) == [
        name.upper() for name in Settings.model_fields
    ]


def test_every_metric_is_in_the_table() -> None:
    """Name, kind, labels and meaning are those of the registry."""
    rows = [line for line in METRICS.read_text().splitlines() if line.startswith("| `")]

    kit = [row(family._metric, family._labels) for family in families()]  # noqa: SLF001 - labels are shown only once there is a sample
    cinema = [
        row(metric, [] if metric.samples else ["index"]) for metric in Figures((), ManualClock()).collect()
    ]
    assert rows == [*kit, *cinema]
    assert kit != []


def test_the_face_is_a_page_and_what_is_behind_it_none(script: ModuleType) -> None:
    """A reader finds each name of `stagedoor` once, with nothing of the modules that it lives in."""
    found = script.pages()

    assert [name for name in stagedoor.__all__ if f"`{name}`" not in found["face.md"]] == []
    assert [name for name, text in found.items() if name.startswith("_") or "stagedoor._" in text] == []
    assert "def made(" not in found["face.md"]


def test_signatures_are_told_as_written(script: ModuleType) -> None:
    """Markers of positional and keyword arguments, defaults and results survive."""
    source = "async def f(a, /, b: int = 1, *c, d: str | None = None, **e) -> 'T': ..."
    tree = script.ast.parse(source)

    told = "async def f(a, /, b: int = 1, *c, d: str | None = None, **e) -> 'T'"
    assert script.signature(tree.body[0]) == told
