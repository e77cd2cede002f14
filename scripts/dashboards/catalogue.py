"""From the database into search, and how films are found."""

from scripts.dashboards.expressions import ATTEMPTS, LATENCY, OURS, gauge, quantile, rate
from scripts.dashboards.model import Board, Query, Row, lines, number

__all__ = ["CATALOGUE"]

CATALOGUE = Board(
    "cinema-catalogue",
    "Catalogue and ETL",
    "How films get from the database into search, and how they are found.",
    "gateway",
    (
        Row(
            "ETL",
            (
                number(
                    "Last sign of life",
                    "It says so every five seconds.",
                    "s",
                    f"time() - max(etl_alive_timestamp_seconds{{{OURS}}})",
                    limit=20,
                ),
                lines(
                    "Lag",
                    "How long the oldest change of the last batch has waited.",
                    "s",
                    Query(gauge("etl_lag_seconds", "index", "max"), "{{index}}"),
                    limit=300,
                ),
                lines(
                    "Documents written",
                    "By index.",
                    "ops",
                    Query(
                        f"max by (index) (rate(etl_documents_total{{{OURS}}}[$__rate_interval]))",
                        "{{index}}",
                    ),
                ),
                number(
                    "Set aside",
                    "Refused by the index, or not to be read.",
                    "none",
                    gauge("etl_set_aside", fold="max"),
                    limit=1,
                ),
            ),
        ),
        Row(
            "Search",
            (
                lines(
                    "Questions to the engine",
                    "What the cache did not answer.",
                    "ops",
                    Query(rate(f"{ATTEMPTS}_count", where=',service_name="search"'), "questions"),
                ),
                lines(
                    "Time of the engine",
                    "Single attempts.",
                    "s",
                    Query(quantile(0.5, ATTEMPTS, where=',service_name="search"'), "median"),
                    Query(quantile(0.99, ATTEMPTS, where=',service_name="search"'), "99th"),
                    limit=0.14,
                ),
                lines(
                    "Failures of the engine",
                    "And its breaker.",
                    "ops",
                    Query(rate("service_errors_total", where=',service_name="search"'), "failures"),
                    Query(f'max(circuit_breaker_state{{{OURS},service_name="search"}})', "breaker"),
                ),
            ),
        ),
        Row(
            "Routes of the catalogue",
            (
                lines(
                    "Requests",
                    "Both dialects.",
                    "reqps",
                    Query(
                        rate("http_requests_total", "endpoint", ',endpoint=~"/api/v1/.*|/v1/.*"'),
                        "{{endpoint}}",
                    ),
                ),
                lines(
                    "99th percentile",
                    "Both dialects.",
                    "s",
                    Query(
                        quantile(0.99, LATENCY, "endpoint", ',endpoint=~"/api/v1/.*|/v1/.*"'),
                        "{{endpoint}}",
                    ),
                    limit=0.2,
                ),
            ),
        ),
    ),
)
