"""The gateway of the platform, its settings and policies, but without breakers: what remains must hold on its own."""

from typing import Any

from cinema.gateway.app import build
from cinema.settings import load
from stagedoor._door import ServerHooks, serve
from stagedoor.policies import CircuitBreaker


def main() -> None:
    """Serve it."""
    settings = load()
    app = build(settings)
    behind: list[Any] = [*app.services, *app.backends]
    for one in behind:
        one.policies = [policy for policy in one.policies if not isinstance(policy, CircuitBreaker)]
    serve(ServerHooks(app=app), port=settings.gateway_port)


if __name__ == "__main__":
    main()
