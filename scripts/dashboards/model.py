"""What a dashboard is made of, as values: rows of panels, each some queries and a unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Board", "Panel", "Query", "Row", "Unit", "lines", "number", "stacked"]

# As Grafana calls them: per second, requests per second, seconds, a share from 0 to 1, bytes, ...
Unit: TypeAlias = Literal[
    "short", "ops", "reqps", "s", "percentunit", "bytes", "Bps", "none", "dateTimeFromNow"
]
Shape: TypeAlias = Literal["lines", "stacked", "number"]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of Prometheus, and what its series are called in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; `about` says what to read off it. A `limit` is drawn where the figure becomes bad."""

    title: str
    about: str
    unit: Unit
    queries: Sequence[Query]
    shape: Shape = "lines"
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other, as many as there are, under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: its `uid` is part of its address; `job` is whose instances can be chosen."""

    uid: str
    title: str
    about: str
    job: str
    rows: Sequence[Row]


def lines(title: str, about: str, unit: Unit, *queries: Query, limit: float | None = None) -> Panel:
    """Draw a line for each series."""
    return Panel(title, about, unit, queries, limit=limit)


def stacked(title: str, about: str, unit: Unit, *queries: Query) -> Panel:
    """Draw series on top of each other: they are parts of one sum."""
    return Panel(title, about, unit, queries, shape="stacked")


def number(
    title: str, about: str, unit: Unit, query: str, legend: str = "", limit: float | None = None
) -> Panel:
    """Show the newest value."""
    return Panel(title, about, unit, (Query(query, legend),), shape="number", limit=limit)
