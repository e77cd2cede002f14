"""Is it well, and if not, where to look next."""

from scripts.dashboards.expressions import ERRORS, HITS, LATENCY, OURS, REQUESTS, gauge, quantile, rate
from scripts.dashboards.model import Board, Query, Row, lines, number, stacked

__all__ = ["OVERVIEW"]

OVERVIEW = Board(
    "cinema-overview",
    "Overview",
    "Is it well, and if not, where to look next.",
    "gateway",
    (
        Row(
            "Now",
            (
                number("Requests", "Answered in a second.", "reqps", REQUESTS),
                number(
                    "Errors",
                    "5xx of all answers; the budget is 0.1 %.",
                    "percentunit",
                    f"{ERRORS} / ({REQUESTS} > 0)",
                    limit=0.001,
                ),
                number(
                    "99th percentile",
                    "One answer in a hundred took longer; the promise is 200 ms.",
                    "s",
                    quantile(0.99, LATENCY),
                    limit=0.2,
                ),
                number("Cache hits", "Of all that the caches were asked.", "percentunit", HITS),
                number("Gateways", "That Prometheus reaches.", "none", 'sum(up{job="gateway"})'),
                number(
                    "Alerts",
                    "That speak now.",
                    "none",
                    'count(ALERTS{alertstate="firing"}) or vector(0)',
                    limit=1,
                ),
            ),
        ),
        Row(
            "What clients see",
            (
                stacked(
                    "Answers by status",
                    "All of them.",
                    "reqps",
                    Query(rate("http_requests_total", "status"), "{{status}}"),
                ),
                lines(
                    "Latency",
                    "From the head of a request to its answer.",
                    "s",
                    Query(quantile(0.5, LATENCY), "median"),
                    Query(quantile(0.95, LATENCY), "95th"),
                    Query(quantile(0.99, LATENCY), "99th"),
                    limit=0.2,
                ),
                lines(
                    "Error budget",
                    "How many times faster than the month allows; 14.4 wakes somebody.",
                    "short",
                    Query("gateway:errors:ratio_rate5m / 0.001", "5 min"),
                    Query("gateway:errors:ratio_rate1h / 0.001", "1 h"),
                    Query("gateway:errors:ratio_rate6h / 0.001", "6 h"),
                    limit=14.4,
                ),
            ),
        ),
        Row(
            "What stands behind",
            (
                lines(
                    "Breakers",
                    "0 closed, 1 half open, 2 open.",
                    "none",
                    Query(gauge("circuit_breaker_state", "service_name", "max"), "{{service_name}}"),
                    limit=2,
                ),
                lines(
                    "Failed attempts",
                    "By service, Redis and the search engine among them.",
                    "ops",
                    Query(rate("service_errors_total", "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Reached by Prometheus",
                    "1 is reached.",
                    "none",
                    Query("min by (job, service) (up)", "{{job}} {{service}}"),
                ),
            ),
        ),
        Row(
            "What runs",
            (
                lines(
                    "Versions",
                    "Two at once while a new one is rolled out.",
                    "none",
                    Query(
                        f"count by (version, python) (gateway_build_info{{{OURS}}})",
                        "{{version}} on {{python}}",
                    ),
                ),
                lines(
                    "Requests under way",
                    "Returns to rest after a fault.",
                    "none",
                    Query(gauge("http_active_requests", "instance"), "{{instance}}"),
                ),
            ),
        ),
    ),
)
