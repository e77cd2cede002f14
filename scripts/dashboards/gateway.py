"""Every route: how often, how fast, how well."""

from scripts.dashboards.expressions import LATENCY, gauge, quantile, rate
from scripts.dashboards.model import Board, Query, Row, lines, stacked

__all__ = ["GATEWAY"]

_WELL = ',status!~"5.."'
_BY_ROUTE_WELL = rate("http_requests_total", "endpoint", _WELL)
_BY_ROUTE = rate("http_requests_total", "endpoint")

GATEWAY = Board(
    "cinema-gateway",
    "Gateway",
    "Every route: how often, how fast, how well.",
    "gateway",
    (
        Row(
            "Routes",
            (
                lines(
                    "Requests by route",
                    "Templates, never paths.",
                    "reqps",
                    Query(rate("http_requests_total", "endpoint"), "{{endpoint}}"),
                ),
                lines(
                    "95th percentile by route",
                    "Over all methods.",
                    "s",
                    Query(quantile(0.95, LATENCY, "endpoint"), "{{endpoint}}"),
                    limit=0.2,
                ),
                lines(
                    "99th percentile by route",
                    "Over five minutes.",
                    "s",
                    Query("endpoint:request_duration_seconds:p99_rate5m", "{{endpoint}}"),
                    limit=0.2,
                ),
            ),
        ),
        Row(
            "Answers",
            (
                stacked(
                    "By status",
                    "499 is a client that has left.",
                    "reqps",
                    Query(rate("http_requests_total", "status"), "{{status}}"),
                ),
                lines(
                    "Share of errors by route",
                    "Of its own answers.",
                    "percentunit",
                    Query(
                        f"1 - {_BY_ROUTE_WELL} / ({_BY_ROUTE} > 0)",
                        "{{endpoint}}",
                    ),
                ),
                stacked(
                    "By method",
                    "Seven, and OTHER.",
                    "reqps",
                    Query(rate("http_requests_total", "method"), "{{method}}"),
                ),
            ),
        ),
        Row(
            "Limits",
            (
                lines(
                    "Requests under way",
                    "And how many may be.",
                    "none",
                    Query(gauge("http_active_requests"), "under way"),
                    Query(gauge("requests_concurrency_limit"), "may be"),
                ),
                lines(
                    "Refused for want of processor time",
                    "The less urgent first.",
                    "reqps",
                    Query(rate("requests_shed_total", "priority"), "{{priority}}"),
                ),
                lines(
                    "Refused for coming too often",
                    "429: the limit per client.",
                    "reqps",
                    Query(rate("rate_limited_total"), "rate limited"),
                ),
            ),
        ),
    ),
)
