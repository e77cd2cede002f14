"""The one judgement of statuses, shared by every HTTP transport.

There is no switch for pass-through routes: the breaker must see a 503 that a client will see too. The error carries
the whole answer, and a pass-through route hands `error.response` on.
"""

from stagedoor._requests import HttpResponse
from stagedoor._transports.dates import http_date
from stagedoor.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable

__all__ = ["refusal", "retry_after"]

_TRANSIENT = frozenset((502, 503, 504))


def refusal(operation: str, response: HttpResponse, wall: float) -> UpstreamError | None:
    """Return the error that a status stands for; None below 400.

    4xx is their answer. 429 is overload, retryable only if it says when (R5); 502, 503 and 504 are retryable,
    other 5xx are not. `wall` is the time of day, for a `Retry-After` that is a date.
    """
    status = response.status
    if status < 400:
        return None
    detail = f"answered {status}"
    if status < 500 and status != 429:
        return UpstreamRejected(operation, detail, response=response)
    wait = retry_after(response.header(b"retry-after"), wall)
    retryable = status in _TRANSIENT or (status == 429 and wait is not None)
    return UpstreamUnavailable(operation, detail, retryable=retryable, retry_after=wait, response=response)


def retry_after(value: bytes | None, wall: float) -> float | None:
    """Return the seconds a `Retry-After` asks for, a number or a date (RFC 9110 10.2.3); None if it is junk."""
    if value is None:
        return None
    if value.isdigit():
        return float(value) if len(value) < 10 else 1e9
    moment = http_date(value.decode("latin-1"), wall)
    return None if moment is None else max(0.0, moment - wall)
