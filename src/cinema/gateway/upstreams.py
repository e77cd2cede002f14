"""Every remote of the gateway and its policies, on one screen.

    Retry( Breaker( Bulkhead( Timeout( transport ))))

Each of these keeps to the deadline of its call by itself, so that no guard stands round them.
Joining and keeping answers stand further out, round whole screens: see the routes of each screen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from cinema.settings import Settings
from stagedoor.call import Env, Policy, Transport
from stagedoor.policies.breaker import Breaker
from stagedoor.policies.budget import Budget
from stagedoor.policies.bulkhead import Bulkhead
from stagedoor.policies.retry import Retry
from stagedoor.policies.timeout import Timeout
from stagedoor.requests import HttpRequest, HttpResponse
from stagedoor.search.engine import Engine
from stagedoor.search.query import Query, Result
from stagedoor.transports.http import HttpTransport
from stagedoor.upstream import Upstream

__all__ = ["SERVICE_NAMES", "Connect", "Http", "Search", "Upstreams", "upstreams_of"]

Http: TypeAlias = Upstream[HttpRequest, HttpResponse]
Search: TypeAlias = Upstream[Query, Result]
Connect: TypeAlias = Callable[[str], Transport[HttpRequest, HttpResponse]]

# What metrics, health and logs call them.
SERVICE_NAMES = {
    "users": "user_service",
    "orders": "order_service",
    "products": "product_service",
    "search": "search",
}
AnyPolicy: TypeAlias = Policy[Any, Any]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The remotes of the gateway."""

    users: Http
    orders: Http
    products: Http
    search: Search

    def services(self) -> tuple[Http, ...]:
        """Return the remotes that are services."""
        return (self.users, self.orders, self.products)

    def all(self) -> tuple[Upstream[Any, Any], ...]:
        """Return every remote."""
        return (*self.services(), self.search)


def upstreams_of(settings: Settings, env: Env, engine: Engine, connect: Connect | None = None) -> Upstreams:
    """Return the remotes as the settings describe them; nothing is connected yet.

    `connect` makes the transport of a URL; tests give one that leads to fakes.
    """
    connect = connect or partial(_over_http, settings, env)

    def http(name: str, url: str) -> Http:
        attempt = settings.gateway_attempt_timeout_ms / 1000
        return Upstream(name, connect(url), *_policies(settings, attempt), env=env)

    return Upstreams(
        users=http("users", settings.gateway_users_url),
        orders=http("orders", settings.gateway_orders_url),
        products=http("products", settings.gateway_products_url),
        search=Upstream("search", engine, *_policies(settings, settings.search_timeout_ms / 1000), env=env),
    )


def _over_http(settings: Settings, env: Env, url: str) -> Transport[HttpRequest, HttpResponse]:
    return HttpTransport(
        url,
        pool_size=settings.gateway_pool_size,
        connect_timeout=settings.gateway_connect_timeout_ms / 1000,
        clock=env.clock,
    )


def _policies(settings: Settings, attempt: float) -> tuple[AnyPolicy, ...]:
    failures = settings.gateway_breaker_failures
    return (
        Retry(
            attempts=settings.gateway_retry_attempts,
            base=settings.gateway_retry_base_ms / 1000,
            cap=max(0.25, settings.gateway_retry_base_ms / 1000),
            budget=Budget(share=0.1),  # half of what the contract allows: an outage meets 1.1 times its load
        ),
        Breaker(
            consecutive=failures,
            failure_rate=0.5,
            minimum=max(20, 4 * failures),  # who wants to see many failures in a row wants them seen here too
            window=10.0,
            open_for=settings.gateway_breaker_reset_s,
        ),
        Bulkhead(limit=settings.gateway_pool_size),
        Timeout(attempt=attempt),
    )
