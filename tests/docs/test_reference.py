"""The reference says what the sources say."""

import importlib
import importlib.util
import re
from collections.abc import Sequence
from types import ModuleType

import pytest
from prometheus_client import Metric

from cinema.gateway.catalogue.figures import Figures
from cinema.settings import Settings
from stagedoor._observers.build import Build
from stagedoor._observers.metrics import Metrics
from stagedoor._observers.numbers import Family
from stagedoor.testing import ManualClock
from tests.docs.pages import ROOT

METRICS = ROOT / "docs/reference/metrics.md"


def script_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Give the script that writes the reference."""
    return script_of("reference")


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


def test_the_map_of_the_modules_is_up_to_date() -> None:
    """12.5: whoever asks where something lives finds each module in one page."""
    assert script_of("modules").text() == (ROOT / "docs/modules.md").read_text(), "make reference"


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
    (build,) = Build("1").collect()
    labels = [*build.samples[0].labels]
    cinema = [
        row(metric, [] if metric.samples else ["index"]) for metric in Figures((), ManualClock()).collect()
    ]
    assert rows == [*kit, row(build, labels), *cinema]
    assert kit != []


def test_every_public_name_is_in_its_page_once(script: ModuleType) -> None:
    """12.5: what `__all__` of `stagedoor` and of its public submodules lists, and nothing else, has a heading."""
    found = script.pages()
    modules = {name: importlib.import_module(name) for name in script.PUBLIC}

    assert {
        name: sorted(re.findall(r"^### `(\w+)`$", found[f"{name.rpartition('.')[2]}.md"], re.MULTILINE))
        for name in modules
    } == {name: sorted(module.__all__) for name, module in modules.items()}


def test_nothing_behind_the_public_names_is_in_the_reference(script: ModuleType) -> None:
    """12.5: a reader meets no module that is not public, and no method that only the kit calls."""
    found = script.pages()
    told = "\n".join(found[f"{name.rpartition('.')[2]}.md"] for name in script.PUBLIC)

    assert set(found) == {
        "stagedoor.md",
        "policies.md",
        "testing.md",
        "search.md",
        "errors.md",
        "settings.md",
    }
    assert re.findall(r"stagedoor\._\w+", told) == []
    assert [name for name in ("def made(", "def cost(", "def served(") if name in told] == []
    assert len(told.splitlines()) < 3_300


def test_every_public_name_says_in_a_table_what_it_is(script: ModuleType) -> None:
    """12.5: and none of them, nor of their members, says no more than what it returns."""
    pages = [script.pages()[f"{name.rpartition('.')[2]}.md"] for name in script.PUBLIC]
    told = [line for page in pages for line in page.splitlines()]

    assert [line for line in told if re.match(r"\| \[`\w+`\]\(#[\w-]+\) \|\s*\|", line)] == []
    assert [line for line in told if line.startswith("Return ")] == []


def test_a_function_and_a_class_of_one_name_have_an_anchor_each(script: ModuleType) -> None:
    """`Retry` is a policy, `retry` a decorator."""
    assert script.anchors_of(["Retry", "CircuitBreaker", "retry"]) == {
        "Retry": "retry",
        "CircuitBreaker": "circuitbreaker",
        "retry": "retry-1",
    }


def test_names_that_no_group_has_come_last(script: ModuleType) -> None:
    """A new name is in the reference before anybody has thought of a heading for it."""
    groups = {"First": "b", "Second": "a"}

    assert script.grouped(["a", "b", "c"], groups) == [("First", ["b"]), ("Second", ["a"]), ("More", ["c"])]
    assert script.grouped(["a"], {}) == [("", ["a"])]


@pytest.mark.parametrize(
    "module", ["stagedoor", "stagedoor.policies", "stagedoor.search", "stagedoor.errors", "stagedoor.testing"]
)
def test_every_public_name_has_a_heading_and_every_heading_public_names(
    script: ModuleType, module: str
) -> None:
    """A name that was given another must not slip to the end of its page, under "More"."""
    headed = [name for group in script.GROUPS[module].values() for name in group.split()]

    assert sorted(headed) == sorted(importlib.import_module(module).__all__)


def test_signatures_are_told_as_written(script: ModuleType) -> None:
    """Markers of positional and keyword arguments, defaults and results survive."""
    source = "async def f(a, /, b: int = 1, *c, d: str | None = None, **e) -> 'T': ..."
    tree = script.ast.parse(source)

    told = "async def f(a, /, b: int = 1, *c, d: str | None = None, **e) -> 'T'"
    assert script.signature(tree.body[0]) == told
