"""The profile: user and orders at once, then the products of all orders in one call.

Only the user is required. Orders that fail are an empty list; products that fail are an empty table.
"""

from cinema.gateway.profile.models import Metadata, Order, Product, Profile, User
from cinema.gateway.profile.sources import Orders, Products, Users
from stagedoor.aggregate import Aggregate, Report

__all__ = ["declare"]


def declare(*, budget: float, lifetime: int) -> Aggregate[Profile]:
    """Return the profile aggregate; `budget` in seconds, `lifetime` of a complete answer in whole seconds."""
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
        return Metadata(
            user_id=user_id,
            orders_count=len(orders),
            products_count=len(products),
            aggregated_at=report.at.isoformat(),
            aggregation_time_ms=report.ms,
            cache_ttl=lifetime if report.complete else 0,
            cached=False,
            services_used=sum(verdict.answered for verdict in report.verdicts.values()),
            response_time_ms=report.ms,
            parts={name: verdict.as_json() for name, verdict in report.verdicts.items()},
        )

    return profile
