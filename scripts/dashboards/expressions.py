"""How the gateway's metrics are asked for: rates, quantiles, and what several dashboards show."""

__all__ = ["ATTEMPTS", "ERRORS", "HITS", "LATENCY", "OURS", "REQUESTS", "gauge", "quantile", "rate"]

OURS = 'job="gateway",instance=~"$instance"'
LATENCY = "http_request_duration_seconds"
ATTEMPTS = "upstream_request_duration_seconds"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return the sum of a counter's rates."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{OURS}{where}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Return a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, where)})"


def gauge(metric: str, by: str = "", fold: str = "sum") -> str:
    """Return a gauge over all instances."""
    return f"{fold} by ({by}) ({metric}{{{OURS}}})" if by else f"{fold}({metric}{{{OURS}}})"


_FAILED = ',status=~"5.."'
_LOOKUPS = f"({rate('cache_hits_total')} + {rate('cache_misses_total')})"
REQUESTS = rate("http_requests_total")
ERRORS = f"({rate('http_requests_total', where=_FAILED)} or vector(0))"
HITS = f"{rate('cache_hits_total')} / ({_LOOKUPS} > 0)"
