"""The gateway of the platform, its settings and policies, but without breakers: what remains must hold on its own."""

import random
from typing import Any

from cinema.gateway.profile.routes import profile_route
from cinema.gateway.upstreams import Http, Upstreams, upstreams_of
from cinema.indices import INDICES
from cinema.settings import load
from stagedoor.cache.memory import MemoryStore
from stagedoor.call import Env
from stagedoor.clock import SystemClock
from stagedoor.door import Entrance, serve
from stagedoor.policies.breaker import Breaker
from stagedoor.search.memory import MemorySearch
from stagedoor.upstream import Upstream
from stagedoor.web.answer import Answer, json
from stagedoor.web.gateway import Gateway
from stagedoor.web.request import Request
from stagedoor.web.routes import Route


async def ready(_: Request) -> Answer:
    return json({"status": "ready"})


def main() -> None:
    """Serve the profile alone."""
    settings = load()
    env = Env(clock=SystemClock(), rng=random.random, observe=lambda _: None)

    def bare(one: Http) -> Http:
        policies: list[Any] = [policy for policy in one.policies if not isinstance(policy, Breaker)]
        return Upstream(one.name, one.transport, *policies, env=env)

    made = upstreams_of(settings, env, MemorySearch(INDICES))
    upstreams = Upstreams(bare(made.users), bare(made.orders), bare(made.products), made.search)
    route, _, _ = profile_route(settings, upstreams, MemoryStore(env=env), env)
    gateway = Gateway(
        [route, Route(path="/health/ready", handle=ready)],
        env=env,
        name="cinema",
        deadline=settings.gateway_deadline_ms / 1000,
    )
    serve(Entrance(app=gateway), port=settings.gateway_port)


if __name__ == "__main__":
    main()
