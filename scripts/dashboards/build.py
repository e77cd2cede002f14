"""Grafana's JSON from our values, by way of its own SDK, which knows what Grafana reads."""

from itertools import count
from typing import TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode, StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from scripts.dashboards.model import Board, Panel

__all__ = ["json_of"]

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT, _LOW = 24, 8, 4
AnyPanel: TypeAlias = timeseries.Panel | stat.Panel


def json_of(board: Board) -> str:
    """Return a dashboard as Grafana provisions it."""
    made = (
        dashboard.Dashboard(f"cinema: {board.title}")
        .uid(board.uid)
        .description(board.about)
        .tags(["cinema"])
        .editable()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_instances(board.job))
    )
    numbers, top = count(1), 0
    for row in board.rows:
        made = made.with_row(
            dashboard.Row(row.title).id(next(numbers)).grid_pos(GridPos(h=1, w=_WIDTH, x=0, y=top))
        )
        width = _WIDTH // len(row.panels)
        height = _LOW if all(panel.shape == "number" for panel in row.panels) else _HEIGHT
        for place, panel in enumerate(row.panels):
            where = GridPos(h=height, w=width, x=place * width, y=top + 1)
            made = made.with_panel(_panel(panel).id(next(numbers)).grid_pos(where))
        top += 1 + height
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _instances(job: str) -> dashboard.QueryVariable:
    """Return the choice among the instances of a job: all of them to begin with."""
    return (
        dashboard.QueryVariable("instance")
        .label("Instance")
        .datasource(_SOURCE)
        .query(f'label_values(up{{job="{job}"}}, instance)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )


def _panel(panel: Panel) -> AnyPanel:
    made: AnyPanel = stat.Panel() if panel.shape == "number" else _drawn(panel)
    made = made.title(panel.title).description(panel.about).unit(panel.unit).datasource(_SOURCE).min(0)
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        target = prometheus.Dataquery().ref_id(letter).expr(query.expr).datasource(_SOURCE)
        made = made.with_target(target.legend_format(query.legend or "__auto").range())
    if panel.limit is not None:
        steps = [Threshold(value=None, color="green"), Threshold(value=panel.limit, color="red")]
        made = made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return made


def _drawn(panel: Panel) -> timeseries.Panel:
    made = timeseries.Panel().line_width(1).fill_opacity(30 if panel.shape == "stacked" else 8)
    if panel.shape == "stacked":
        made = made.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if panel.limit is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
        made = made.thresholds_style(style)
    return made
