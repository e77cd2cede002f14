"""Every remote of the gateway and its policies, on one screen.

    Retry( CircuitBreaker( AdaptiveLimit( Timeout( transport ))))

Each of these keeps to the deadline of its call by itself, so that no guard stands round them.
Joining and keeping answers stand further out, round whole screens.
"""

from typing import Any

from cinema.gateway.catalogue.engine import PROBE, engine_of
from cinema.gateway.memes.policies import MediaAway, Reads
from cinema.settings import Settings
from stagedoor import Backend, Gateway, Policy, Service
from stagedoor.policies import AdaptiveLimit, Budget, Bulkhead, CircuitBreaker, Retry, Timeout
from stagedoor.search import Query, Result

__all__ = ["MEDIA_SECONDS", "film_api", "media", "memes", "search", "services"]

MEDIA_SECONDS = 10.0  # until the head of an image; contract 17 exempts transfers from the response limit
_SHARE = (
    0.9  # of the whole fetch, for one attempt: the rest is for rendering, and for a second one that is quick
)


def services(app: Gateway, settings: Settings) -> tuple[Service, Service, Service]:
    """Declare users, orders and products."""
    return (
        _service(app, "users", settings.gateway_users_url, settings),
        _service(app, "orders", settings.gateway_orders_url, settings),
        _service(app, "products", settings.gateway_products_url, settings),
    )


def memes(app: Gateway, settings: Settings) -> Service:
    """Declare memes, whose writes take as long as they take, and which tells of another service's absence."""
    retry, breaker, _, timeout = _policies(settings, settings.gateway_attempt_timeout_ms / 1000)
    # How long an upload takes says nothing of how much there is to do: its places are a fixed number.
    bulkhead = Bulkhead(limit=settings.gateway_pool_size)
    return app.service(
        "memes",
        settings.gateway_memes_url,
        policies=(
            Reads(retry),
            breaker,
            MediaAway(),
            bulkhead,
            Reads(timeout),
        ),
        coalesce=False,
        label="memes_service",
        health="/health",
        connections=settings.gateway_pool_size,
        connect=settings.gateway_connect_timeout_ms / 1000,
    )


def _service(app: Gateway, name: str, url: str, settings: Settings) -> Service:
    return app.service(
        name,
        url,
        policies=_policies(settings, settings.gateway_attempt_timeout_ms / 1000),
        coalesce=False,
        label=f"{name.removesuffix('s')}_service",
        health="/health",
        connections=settings.gateway_pool_size,
        connect=settings.gateway_connect_timeout_ms / 1000,
    )


def media(app: Gateway, settings: Settings) -> Service:
    """Declare the media service; its token is ours to bring, never the client's."""
    token = settings.media_token
    return app.service(
        "media",
        settings.media_url,
        headers={} if token is None else {"authorization": f"Bearer {token}"},
        policies=_policies(settings, MEDIA_SECONDS / 2),  # a thumbnail may have to be drawn first
        coalesce=False,
        label="media_service",
        health="/health",
        connections=settings.gateway_pool_size,
        connect=settings.gateway_connect_timeout_ms / 1000,
    )


def film_api(app: Gateway, settings: Settings) -> Service:
    """Declare the third party's film API: far away and slow, so with times of its own."""
    patience = settings.ghibli_timeout_ms / 1000
    return app.service(
        "ghibli",
        settings.ghibli_base_url,
        policies=_policies(settings, _SHARE * patience),
        coalesce=False,
        label="ghibli_api",
        connections=settings.gateway_pool_size,
        connect=max(settings.gateway_connect_timeout_ms / 1000, patience / 3),
        decompress=True,
    )


def search(app: Gateway, settings: Settings) -> Backend[Query, Result]:
    """Declare the search engine."""
    policies = _policies(settings, settings.search_timeout_ms / 1000)
    return app.upstream("search", lambda env: engine_of(settings, env.clock), policies=policies, health=PROBE)


def _policies(settings: Settings, attempt: float) -> tuple[Policy[Any, Any], ...]:
    base, failures = settings.gateway_retry_base_ms / 1000, settings.gateway_breaker_failures
    # Half of what the contract allows: an outage meets 1.1 times its load.
    budget = Budget(share=0.1)
    return (
        Retry(attempts=settings.gateway_retry_attempts, base=base, cap=max(0.25, base), budget=budget),
        CircuitBreaker(
            consecutive=failures,
            failure_rate=0.5,
            minimum=max(20, 4 * failures),  # who wants to see many failures in a row wants them seen here too
            window=10.0,
            open_for=settings.gateway_breaker_reset_s,
        ),
        AdaptiveLimit(attempt=attempt, most=settings.gateway_pool_size),
        Timeout(attempt=attempt),
    )
