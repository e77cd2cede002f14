"""What is answered without asking anybody."""

from scripts.dashboards.expressions import HITS, rate
from scripts.dashboards.model import Board, Query, Row, lines, number

__all__ = ["CACHE"]

CACHE = Board(
    "cinema-cache",
    "Cache",
    "What is answered without asking anybody.",
    "gateway",
    (
        Row(
            "Lookups",
            (
                number("Hits", "Of all lookups.", "percentunit", HITS),
                lines(
                    "Hits by tier",
                    "The tier that decided.",
                    "ops",
                    Query(rate("cache_hits_total", "cache_type"), "{{cache_type}}"),
                ),
                lines(
                    "Misses by tier",
                    "What was then fetched.",
                    "ops",
                    Query(rate("cache_misses_total", "cache_type"), "{{cache_type}}"),
                ),
            ),
        ),
        Row(
            "Age",
            (
                lines(
                    "Hit ratio",
                    "Over five minutes.",
                    "percentunit",
                    Query("gateway:cache_hits:ratio_rate5m", "hits"),
                ),
                lines(
                    "Share of stale answers",
                    "Past their lifetime.",
                    "percentunit",
                    Query("gateway:cache_stale:ratio_rate5m", "stale"),
                    limit=0.05,
                ),
                lines(
                    "Refreshes that failed",
                    "The old answer stays until its window ends.",
                    "ops",
                    Query(rate("cache_refresh_failures_total", "service_name"), "{{service_name}}"),
                ),
            ),
        ),
        Row(
            "The store that is shared",
            (
                lines(
                    "Redis, as the gateway sees it",
                    "Failures; the memory of each process serves on.",
                    "ops",
                    Query(rate("service_errors_total", "service_name", ',service_name="redis"'), "failures"),
                ),
            ),
        ),
    ),
)
