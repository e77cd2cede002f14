"""Policies, one a file: options, the shell that wraps, and the pure decision.

The order that serves most upstreams, outermost first:
Cached ▸ SingleFlight ▸ Deadline ▸ Retry ▸ CircuitBreaker ▸ AdaptiveLimit ▸ Timeout.
"""

from stagedoor._call import Policy
from stagedoor.policies._adaptive import AdaptiveLimit
from stagedoor.policies._budget import Account, Budget
from stagedoor.policies._bulkhead import Bulkhead
from stagedoor.policies._cached import Cached
from stagedoor.policies._circuit_breaker import CircuitBreaker
from stagedoor.policies._deadline import Deadline
from stagedoor.policies._decorators import circuit_breaker, retry
from stagedoor.policies._hedge import Hedge
from stagedoor.policies._retry import Retry
from stagedoor.policies._single_flight import SingleFlight
from stagedoor.policies._timeout import Timeout

__all__ = [
    "Account",
    "AdaptiveLimit",
    "Budget",
    "Bulkhead",
    "Cached",
    "CircuitBreaker",
    "Deadline",
    "Hedge",
    "Policy",
    "Retry",
    "SingleFlight",
    "Timeout",
    "circuit_breaker",
    "retry",
]
