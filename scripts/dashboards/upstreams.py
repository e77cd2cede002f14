"""What services answer, what policies do, what becomes of parts."""

from scripts.dashboards.expressions import ATTEMPTS, gauge, quantile, rate
from scripts.dashboards.model import Board, Query, Row, lines, stacked

__all__ = ["UPSTREAMS"]

UPSTREAMS = Board(
    "cinema-upstreams",
    "Upstreams and parts",
    "How each service answers, what its policies do, and what became of the parts of screens.",
    "gateway",
    (
        Row(
            "Attempts",
            (
                lines(
                    "Attempts by service",
                    "Retries and hedges included.",
                    "ops",
                    Query(rate(f"{ATTEMPTS}_count", "service_name"), "{{service_name}}"),
                ),
                lines(
                    "99th percentile of attempts",
                    "As the gateway sees it.",
                    "s",
                    Query(quantile(0.99, ATTEMPTS, "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Median of attempts",
                    "What is usual.",
                    "s",
                    Query(quantile(0.5, ATTEMPTS, "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Failed attempts",
                    "Answers that say no are none; by what was wrong.",
                    "ops",
                    Query(rate("service_errors_total", "service_name"), "{{service_name}}"),
                    Query(
                        rate("upstream_failures_total", "service_name, reason"),
                        "{{service_name}}: {{reason}}",
                    ),
                ),
            ),
        ),
        Row(
            "Places",
            (
                lines(
                    "Calls under way",
                    "That hold a place.",
                    "none",
                    Query(gauge("upstream_calls_in_flight", "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Calls that wait",
                    "For a place of ours.",
                    "none",
                    Query(gauge("upstream_calls_waiting", "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Places",
                    "As many as are answered in time.",
                    "none",
                    Query(gauge("upstream_concurrency_limit", "service_name"), "{{service_name}}"),
                ),
                lines(
                    "Taken",
                    "1 is all of them.",
                    "percentunit",
                    Query("service:upstream_places:ratio", "{{service_name}}"),
                    limit=0.9,
                ),
            ),
        ),
        Row(
            "Policies",
            (
                lines(
                    "Breakers",
                    "0 closed, 1 half open, 2 open; the worst of all workers.",
                    "none",
                    Query(gauge("circuit_breaker_state", "service_name", "max"), "{{service_name}}"),
                    limit=2,
                ),
                lines(
                    "Retries",
                    "And those that the budget refused.",
                    "ops",
                    Query(rate("upstream_retries_total", "service_name"), "{{service_name}}"),
                    Query(rate("retry_budget_exhausted_total", "service_name"), "refused: {{service_name}}"),
                ),
                lines(
                    "Calls not made",
                    "Breaker open, no place, or too late.",
                    "ops",
                    Query(
                        rate("upstream_shed_total", "service_name, reason"), "{{service_name}}: {{reason}}"
                    ),
                ),
                lines(
                    "Joined and hedged",
                    "Calls that waited for an equal one; further copies of slow ones.",
                    "ops",
                    Query(rate("coalesced_calls_total", "service_name"), "joined: {{service_name}}"),
                    Query(rate("upstream_hedges_total", "service_name"), "hedged: {{service_name}}"),
                ),
            ),
        ),
        Row(
            "Parts of screens",
            (
                stacked(
                    "Parts by verdict",
                    "Fresh and cached are whole.",
                    "ops",
                    Query(rate("aggregate_parts_total", "status"), "{{status}}"),
                ),
                lines(
                    "Parts that were not whole",
                    "Stale, stood in for, or missing.",
                    "ops",
                    Query(
                        rate(
                            "aggregate_parts_total",
                            "aggregate, part, status",
                            ',status=~"stale|fallback|missing"',
                        ),
                        "{{aggregate}}.{{part}}: {{status}}",
                    ),
                ),
                lines(
                    "Time of aggregates",
                    "All parts side by side.",
                    "s",
                    Query(quantile(0.5, "aggregation_duration_seconds"), "median"),
                    Query(quantile(0.99, "aggregation_duration_seconds"), "99th"),
                ),
            ),
        ),
    ),
)
