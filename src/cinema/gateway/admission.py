"""What the operator decided, in the kit's words: where to listen, what to keep where, who may ask and how often."""

import stagedoor
from cinema.settings import Settings

__all__ = ["admission"]


def admission(settings: Settings) -> stagedoor.Settings:
    """Return the kit's settings."""
    return stagedoor.Settings(
        host=settings.gateway_host,
        port=settings.gateway_port,
        redis_url=settings.redis_url or "",
        redis_prefix=settings.redis_prefix,
        redis_timeout=settings.redis_timeout_ms / 1000,
        rate_limit="" if settings.rate_limit is None else settings.gateway_rate_limit,
        rate_limits=settings.rate_limits,
        cors_origins=settings.cors_origins,
        trusted_proxies=tuple(map(str, settings.trusted_proxies)),
        trusted_hosts=settings.trusted_hosts,
        log_level=settings.log_level,
        log_format=settings.log_format,
        log_sample=settings.log_sample,
        max_connections=settings.gateway_max_connections,
        connections_per_client=settings.gateway_connections_per_client,
        cache_bytes=max(settings.gateway_cache_bytes, 2**16),
        near_cache=settings.gateway_near_cache,
        compression=settings.gateway_compression,
        docs_only=settings.docs_only,
        sentry_dsn=settings.sentry_dsn or "",
        sentry_environment=settings.sentry_environment,
        sentry_traces_rate=settings.sentry_traces_rate,
    )
