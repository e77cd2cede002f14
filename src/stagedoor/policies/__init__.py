"""Policies, one a file: options, the shell that wraps, and the pure decision.

The order that serves most upstreams, outermost first:
Cached ▸ Coalesced ▸ Within ▸ Retry ▸ Breaker ▸ AdaptiveLimit ▸ Timeout.
"""

from stagedoor.call import Policy
from stagedoor.policies.adaptive import AdaptiveLimit
from stagedoor.policies.breaker import Breaker
from stagedoor.policies.budget import Account, Budget
from stagedoor.policies.bulkhead import Bulkhead
from stagedoor.policies.cached import Cached
from stagedoor.policies.coalesced import Coalesced
from stagedoor.policies.deadline import Within
from stagedoor.policies.decorators import circuit_breaker, retry
from stagedoor.policies.hedge import Hedge
from stagedoor.policies.retry import Retry
from stagedoor.policies.timeout import Timeout

__all__ = [
    "Account",
    "AdaptiveLimit",
    "Breaker",
    "Budget",
    "Bulkhead",
    "Cached",
    "Coalesced",
    "Hedge",
    "Policy",
    "Retry",
    "Timeout",
    "Within",
    "circuit_breaker",
    "retry",
]
