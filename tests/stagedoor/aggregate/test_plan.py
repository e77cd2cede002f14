"""What a plan refuses at start-up, and that it says all of it at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from stagedoor._aggregate import Plan, PlanError, Report
from stagedoor._aggregate.part import ABSENT, Part
from stagedoor._call import Env
from stagedoor.errors import ConfigError
from stagedoor.testing import Events, ManualClock
from tests.declared import Aggregate

BUDGET = 0.1


@dataclass
class Pair:
    left: int
    right: list[str]


class Source:
    """Something that parts name."""


def declared(*parts: Callable[..., Any], required: bool = True, model: type[Any] = Pair) -> Aggregate[Any]:
    aggregate = Aggregate(model, budget=BUDGET)
    for part in parts:
        aggregate.part(required=required)(part)
    return aggregate


def told(aggregate: Aggregate[Any], values: Mapping[str, Any] | None = None) -> list[str]:
    """Plan, and return the findings as part and text."""
    with pytest.raises(PlanError) as caught:
        aggregate.plan(sources={"source": Source()}, values={"key": str} if values is None else values)
    return [f"{finding.part}: {finding.text}" for finding in caught.value.findings]


async def left(key: str) -> int:
    return len(key)


async def right(left: int) -> list[str]:
    return ["x"] * left


def test_every_field_has_a_part() -> None:
    """A field nobody fills would be a silent hole; a near name is suggested."""

    async def rigth() -> list[str]:
        return []

    assert told(declared(left)) == ["right: the field has no part"]
    assert told(declared(left, rigth)) == [
        "right: the field has no part; did you mean 'rigth'?",
        "rigth: is neither a field nor used by a part; did you mean 'right'?",
    ]


def test_a_part_returns_what_its_field_holds() -> None:
    """Compared by type, with both spelled out."""

    async def right() -> tuple[str, ...]:
        return ()

    assert told(declared(left, right)) == ["right: returns tuple[str, ...], the field is list[str]"]


def test_every_argument_is_a_part_a_value_or_a_source() -> None:
    """A misspelt argument is named, with the nearest known name."""

    async def right(lfet: int) -> list[str]:
        return []

    async def left(*, sauce: Source) -> int:
        return 0

    assert told(declared(left, right)) == [
        "left: argument 'sauce' is no part, request value or source; did you mean 'source'?",
        "right: argument 'lfet' is no part, request value or source; did you mean 'left'?",
    ]


def test_an_argument_is_of_the_type_that_it_is_given() -> None:
    """P6: a part's value, a request value and a source, each held against the annotation."""

    async def left(key: int, source: str) -> int:
        return key

    async def right(left: str) -> list[str]:
        return [left]

    assert told(declared(left, right)) == [
        "left: argument 'key' is int, but key is str",
        "left: argument 'source' is str, the source is Source",
        "right: argument 'left' is str, but left is int",
    ]


def test_a_cycle_is_printed_as_a_path() -> None:
    """No run could ever start these."""

    async def left(right: list[str]) -> int:
        return len(right)

    async def extra(left: int) -> int:
        return left

    assert told(declared(extra, left, right)) == ["extra: waits for itself: left → right → left"]


def test_p5_two_parts_for_one_field_is_an_error_at_start() -> None:
    """P5: nobody could say which of them wins."""
    assert told(declared(left, left, right)) == ["left: a second part of this name"]


def test_a_name_means_one_thing() -> None:
    """A part may not hide a source or a request value."""
    assert told(declared(left, right), {"key": str, "right": int})[0] == (
        "right: a source or a request value has the same name"
    )


def test_an_optional_field_has_a_fallback_of_its_type() -> None:
    """Otherwise a failure would leave the field empty."""
    aggregate = declared(left)
    aggregate.part()(right)
    assert told(aggregate) == ["right: fills a field: say required=True, or give a fallback"]
    aggregate = declared(left)
    aggregate.part(fallback=())(right)
    assert told(aggregate) == ["right: the fallback () is no list[str]"]


def test_a_fallback_has_to_be_copied_for_each_answer() -> None:
    """G3: one that holds a lock, say, cannot; that is found at start, not when an upstream is away."""

    class Counted(list[str]):
        def __deepcopy__(self, memo: object) -> "Counted":
            raise TypeError("there is but one")

    aggregate = declared(left)
    aggregate.part(fallback=Counted())(right)
    assert told(aggregate) == ["right: the fallback [] cannot be copied: there is but one"]


def test_g3_an_unreachable_fallback_is_an_error() -> None:
    """G3: of a required part, and of one that a required part waits for."""
    aggregate = declared(left)
    aggregate.part(required=True, fallback=[])(right)
    assert told(aggregate) == ["right: the fallback is unreachable: the part is required"]
    aggregate = Aggregate(Pair, budget=BUDGET)
    aggregate.part(fallback=0)(left)
    aggregate.part(required=True)(right)
    assert told(aggregate) == ["left: the required part 'right' depends on it: it must be required too"]


def test_a_signature_that_a_plan_cannot_use_is_a_finding() -> None:
    """Unresolvable annotations, arguments without a name, no word of what comes back."""

    async def left(*keys: str) -> int:
        return len(keys)

    async def right(left):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return [left]

    async def other() -> int:
        return 0

    async def fourth(key: str, /) -> str:
        return key

    async def fifth() -> int:
        return 0

    other.__annotations__["return"] = "NoSuchType"
    fifth.__annotations__["return"] = "pytest.NoSuchType"
    findings = told(declared(left, right, other, fourth, fifth))

    assert findings[0] == "left: argument *keys: str has no name to be filled by"
    assert findings[1] == "right: it does not say what it returns"
    assert findings[2] == (
        "other: its annotations cannot be resolved: name 'NoSuchType' is not defined in its module, where annotations "
        "that are text are read: declare it there, not inside a function or for type checkers alone"
    )
    assert findings[3] == "fourth: argument 'key' is given by its name: take out the / after it"
    assert findings[4].startswith("fifth: its annotations cannot be resolved: module")


def test_a_finding_has_the_file_and_line_of_the_function() -> None:
    """So that an editor can jump there; a path below the working directory is told from there."""

    async def right(lfet: int) -> list[str]:
        return []

    with pytest.raises(ConfigError) as caught:
        declared(left, right).plan(sources={}, values={"key": str})

    line = right.__code__.co_firstlineno
    assert str(caught.value).startswith(f"tests/stagedoor/aggregate/test_plan.py:{line}: pair.right: ")


def test_a_place_elsewhere_is_told_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A package of somebody else's lies outside the working directory."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"^/.*test_plan\.py:"):
        declared(left).plan(sources={}, values={"key": str})


def test_an_aggregate_without_parts_is_refused() -> None:
    """There is nothing to run."""
    with pytest.raises(ConfigError, match="without parts"):
        declared().plan(sources={}, values={})


def planned() -> Plan[Pair]:
    return declared(left, right).plan(sources={"source": Source()}, values={"key": str})


def test_a_plan_tells_what_it_fills() -> None:
    """For the web layer: the model, its fields in order, the budget, the name."""
    plan = planned()

    assert (plan.name, plan.budget, plan.model) == ("pair", BUDGET, Pair)
    assert (plan.fields, plan.summary) == (("left", "right"), None)


async def test_arguments_arrive_by_name_however_they_are_declared() -> None:
    """Keyword-only arguments, defaults that nothing fills, none, one and several."""
    seen: dict[str, object] = {}

    async def left(*, source: Source, key: str, unknown: int = 5) -> int:
        seen.update(source=source, key=key, unknown=unknown)
        return 2

    async def none() -> list[str]:
        return ["none"]

    async def right(none: list[str], left: int, key: str) -> list[str]:
        return [*none, key * left]

    source, clock = Source(), ManualClock()
    plan = declared(left, none, right).plan(sources={"source": source}, values={"key": str})
    outcome = await plan.run({"key": "k"}, Env(clock, lambda: 0.5, Events()))

    assert seen == {"source": source, "key": "k", "unknown": 5}
    assert outcome.model() == Pair(2, ["none", "kk"])


class Told(BaseModel):
    """A model with a place for the report."""

    left: int
    told: str


async def test_a_summary_is_called_when_the_answer_leaves_as_often_as_it_leaves() -> None:
    """The same outcome gives another summary on a cache hit; the parts are not asked again."""
    aggregate = declared(left, model=Told)

    @aggregate.summary
    def told(key: str, left: int, report: Report, extra: int = 1) -> str:
        return f"{key} {left} {extra} {report.cached} {report.answered} {report.verdicts['left'].status}"

    plan = aggregate.plan(sources={}, values={"key": str})
    values, clock = {"key": "abc"}, ManualClock()
    outcome = await plan.run(values, Env(clock, lambda: 0.5, Events()))
    first = plan.summarise(values, outcome, outcome.report(lifetime=30.0, elapsed=0.01))
    later = outcome.recalled()

    assert (plan.fields, plan.summary) == (("left",), "told")
    assert first == "abc 3 1 False 1 fresh"
    assert plan.summarise(values, later, later.report(cached=True)) == "abc 3 1 True 1 cached"
    assert outcome.model(summary=first) == Told(left=3, told="abc 3 1 False 1 fresh")


def test_a_summary_is_checked_like_a_part() -> None:
    """Its field, its type, its arguments; sources are not for it."""
    aggregate = declared(left, model=Told)

    @aggregate.summary
    def tolt(source: Source, left: str) -> int:
        return 0

    assert told(aggregate) == [
        "told: the field has no part; did you mean 'tolt'?",
        "tolt: the summary fills no field of the model; did you mean 'told'?",
        "tolt: argument 'source' is no part, request value or source",
        "tolt: argument 'left' is str, but left is int",
    ]


def test_a_part_that_only_the_summary_uses_is_used() -> None:
    """It helps a field after all."""

    async def count(left: int) -> int:
        return left

    aggregate = declared(left, model=Told)
    aggregate.part()(count)

    @aggregate.summary
    def told(count: int = 0) -> str:
        return str(count)

    assert aggregate.plan(sources={}, values={"key": str}).summary == "told"


async def test_without_a_summary_there_is_nothing_to_summarise() -> None:
    """Whoever asks has another plan in mind."""
    plan = planned()
    outcome = await plan.run({"key": "k"}, Env(ManualClock(), lambda: 0.5, Events()))

    with pytest.raises(ConfigError, match="no summary"):
        plan.summarise({}, outcome, outcome.report())


def test_absent_says_what_it_is() -> None:
    """It stands in the representation of a part without a fallback."""

    async def head() -> int:
        return 1

    assert "fallback=ABSENT" in repr(Part(name="head", call=head))
    assert repr(ABSENT) == "ABSENT"
