"""The profile: user and orders at once, then the products of all orders in one call.

Only the user is required. Orders that fail are an empty list; products that fail are an empty table.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cinema.gateway.profile.models import Metadata, Order, Product, Profile, User
from cinema.gateway.profile.sources import Orders, Products, Users
from stagedoor.aggregate import Aggregate, Report, verdict_json
from stagedoor.web.aggregated import Delivery

__all__ = ["declare", "delivered"]


def declare(budget: float) -> Aggregate[Profile]:
    """Return the profile aggregate; `budget` in seconds for all parts together."""
    profile = Aggregate(Profile, budget=budget)

    @profile.part(required=True)
    async def user(user_id: str, users: Users) -> User:
        return await users.get(user_id)

    @profile.part(fallback=[])
    async def orders(user_id: str, order_book: Orders) -> list[Order]:
        return await order_book.of_user(user_id)

    @profile.part(fallback={})
    async def products(orders: list[Order], shop: Products) -> dict[str, Product]:
        # dict.fromkeys: each id once, in the order of the orders, so that equal profiles ask equally.
        return await shop.batch(dict.fromkeys(item["product_id"] for one in orders for item in one["items"]))

    @profile.summary
    def metadata(user_id: str, orders: list[Order], products: dict[str, Product], report: Report) -> Metadata:
        took = round(report.seconds * 1000, 1)
        return Metadata(
            user_id=user_id,
            orders_count=len(orders),
            products_count=len(products),
            aggregated_at=datetime.fromtimestamp(report.wall, UTC).isoformat(),
            aggregation_time_ms=took,
            cache_ttl=int(report.lifetime),
            cached=False,  # this and the last two are the delivery's to say
            services_used=sum(
                verdict.has_value and verdict.ms is not None for verdict in report.verdicts.values()
            ),
            response_time_ms=took,
            parts={},
        )

    return profile


def delivered(metadata: Mapping[str, Any], delivery: Delivery) -> Mapping[str, Any]:
    """Say of this very answer whether it was kept, and how long it took; all else stays as first measured."""
    return {
        **metadata,
        "cached": delivery.cached,
        "response_time_ms": round(delivery.seconds * 1000, 1),
        "parts": {name: verdict_json(verdict) for name, verdict in delivery.verdicts.items()},
    }
