"""The profile: user and orders at once, then the products of all orders in one call.

Only the user is required. Orders that fail are an empty list; products that fail are an empty table.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cinema.gateway.profile.models import USER, Metadata, Order, Product, Profile, Unknown, User, UserId
from cinema.settings import Settings
from stagedoor import Cache, Delivery, Gateway, NotFound, Report, Service
from stagedoor.errors import UpstreamGarbled, UpstreamRejected

__all__ = ["declare_profile"]

# Rendering, and the way back to the client, take what the parts leave of the request's deadline.
RENDERING = 0.015


def declare_profile(
    app: Gateway, users: Service, order_book: Service, shop: Service, settings: Settings
) -> None:
    """Declare `GET /api/profile/{user_id}`: kept for a moment, never kept in part."""
    profile = app.aggregate(
        "/api/profile/{user_id}", Profile, cache=_kept(settings), reserve=RENDERING, tags=["profile"]
    )

    @profile.part
    async def user(user_id: UserId) -> User:
        try:
            said = await users.get(USER, "/users/{}", user_id)
        except UpstreamRejected as error:
            if error.response is not None and error.response.status == 404:
                raise NotFound("user not found") from error
            # Contract 1.4: no other no is one that a user service has to say, 410 neither.
            raise UpstreamGarbled(error.operation, error.detail, response=error.response) from error
        if isinstance(said, Unknown):
            raise NotFound("user not found")
        return said

    @profile.part
    async def orders(user_id: UserId) -> list[Order]:
        return await order_book.get(list[Order], "/orders/user/{}", user_id)

    @profile.part
    async def products(orders: list[Order]) -> dict[str, Product]:
        # dict.fromkeys: each id once, in the order of the orders, so that equal profiles ask equally.
        ids = list(dict.fromkeys(item["product_id"] for one in orders for item in one["items"]))
        if not ids:
            return {}
        known = await shop.post(list[Product], "/products/batch", json={"product_ids": ids}, safe=True)
        return {product["id"]: product for product in known}

    profile.summary(metadata)
    profile.delivered(delivered)


def metadata(user_id: UserId, orders: list[Order], products: dict[str, Product], report: Report) -> Metadata:
    """Say how the answer came about; `cached`, response time and parts are the delivery's to say."""
    took = round(report.seconds * 1000, 1)
    return Metadata(
        user_id=user_id,
        orders_count=len(orders),
        products_count=len(products),
        aggregated_at=datetime.fromtimestamp(report.wall, UTC).isoformat(),
        aggregation_time_ms=took,
        cache_ttl=int(report.lifetime),
        cached=False,
        services_used=sum(one.has_value and one.ms is not None for one in report.verdicts.values()),
        response_time_ms=took,
        parts={},
    )


def delivered(metadata: Mapping[str, Any], delivery: Delivery) -> Mapping[str, Any]:
    """Say of this very answer whether it was kept, and how long it took; all else stays as first measured."""
    took = round(delivery.seconds * 1000, 1)
    return {**metadata, "cached": delivery.cached, "response_time_ms": took, "parts": delivery.parts_json()}


def _kept(settings: Settings) -> Cache | None:
    """Return how whole answers are kept; not at all for a lifetime of 0."""
    if settings.gateway_profile_ttl_s == 0:
        return None
    stale = settings.gateway_profile_stale_s
    return Cache(
        max_age=settings.gateway_profile_ttl_s,
        stale_while_revalidate=stale,
        stale_if_error=stale,
        key="profile:{user_id}",
        private=True,
    )
