"""The gateway of the platform without breakers, and with a limit that does not move: what remains must hold alone.

A limit that follows a failing service spares it calls, more in one run than in the next: they could not be compared.
"""

from typing import Any

from cinema.gateway.app import build
from cinema.settings import load
from stagedoor._door import ServerHooks, serve
from stagedoor.policies import AdaptiveLimit, Bulkhead, CircuitBreaker


def main() -> None:
    """Serve it."""
    settings = load()
    app = build(settings)
    behind: list[Any] = [*app.services, *app.backends]
    for one in behind:
        one.policies = [
            Bulkhead(limit=settings.gateway_pool_size) if isinstance(policy, AdaptiveLimit) else policy
            for policy in one.policies
            if not isinstance(policy, CircuitBreaker)
        ]
    serve(ServerHooks(app=app), port=settings.gateway_port)


if __name__ == "__main__":
    main()
