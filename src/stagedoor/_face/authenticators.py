"""The guards of a gateway together: what each needs is built once, from the settings, for all that bear one name."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import Any

from stagedoor._asgi import Scope
from stagedoor._call import Env, Transport
from stagedoor._clock import Clock
from stagedoor._face.caller import NO_INPUTS, Caller, Rules
from stagedoor._face.guarding import Guarding
from stagedoor._face.guards import Guard
from stagedoor._face.roles import AtWork
from stagedoor._face.session_routes import SessionRoutes
from stagedoor._face.sessions import Sessions
from stagedoor._face.settings import Settings, prefix_of
from stagedoor._guards.fetching import Fetching
from stagedoor._guards.sessions.cookies import sets, without
from stagedoor._guards.visitors import Authenticator
from stagedoor._web.answer import WebAnswer
from stagedoor._web.health import Probe
from stagedoor._web.request import Request
from stagedoor._web.routes import Route
from stagedoor.errors import ConfigError

__all__ = ["Guards", "authenticators"]


class Guards:
    """The guards of a running gateway: what each needs is read once for all that bear one name."""

    def __init__(
        self, found: Mapping[str, Authenticator | None], realm: str, sessions: SessionRoutes | None = None
    ) -> None:
        self._found = found
        self._realm = realm
        self._made: dict[Guard, Guarding] = {}
        self.routes: Sequence[Route] = () if sessions is None else sessions.routes
        self._cookies = frozenset[bytes]() if sessions is None else sessions.cookies
        self._alone = () if sessions is None else sessions.alone
        self.probes: Mapping[str, Probe] = {} if sessions is None else sessions.probes

    def of(self, guard: Guard) -> Guarding:
        """Return a guard at work."""
        made = self._made.get(guard)
        if made is None:
            made = self._made[guard] = Guarding(guard, self._found.get(guard.name), self._realm)
        return made

    def entered(self, route: Route, running: AtWork, rules: Rules) -> Route:
        """Return a route that knows its caller; cookies of sessions are shown to guards alone, and set by us alone."""
        cookies, inner = self._cookies, route.handle
        if not cookies:
            return replace(route, caller=lambda scope: Caller(running, scope["headers"], rules, NO_INPUTS))

        def entering(scope: Scope) -> Caller:
            caller = Caller(running, without(scope["headers"], cookies), rules, NO_INPUTS)
            caller.brought, caller.method = scope["headers"], scope["method"]
            return caller

        async def handle(request: Request) -> WebAnswer:
            answer = await inner(request)
            return answer if not sets(answer.headers, cookies) else _unset(answer, cookies)

        return replace(route, caller=entering, handle=handle)

    def validate_workers(self, workers: int) -> None:
        """Raise `ConfigError` where several processes would each have sessions of their own."""
        if workers > 1 and self._alone:
            name = f"{prefix_of(self._realm)}{prefix_of(self._alone[0])}STORE"
            raise ConfigError(
                f"{name}: sessions in memory are those of one process; {workers} workers need Redis"
            )

    def start(self) -> None:
        """Begin to fetch keys."""
        for one in self._found.values():
            if one is not None:
                one.start()

    async def aclose(self) -> None:
        """Hold nothing any more."""
        for guarding in self._made.values():
            await guarding.aclose()
        for one in self._found.values():
            if one is not None:
                await one.aclose()


def authenticators(
    guards: Sequence[Guard],
    variables: Mapping[str, str],
    gateway: str,
    env: Env,
    transports: Mapping[str, Transport[Any, Any]],
    *,
    settings: Settings,
    needed: bool,
) -> dict[str, Authenticator | None]:
    """Return what tells who asks, by the name of its guard. Raises `ConfigError` for settings that are bad or missing.

    `transports` by `<guard>.keys` take the place of connections to where keys are published, those by
    `<guard>.provider` of such to a provider.
    """
    found: dict[str, Authenticator | None] = {}
    missing: list[str] = []
    for guard in guards:
        if guard.name in found:
            continue
        if isinstance(guard, Sessions):
            scopes = frozenset().union(*(one.scopes for one in guards if one.name == guard.name))
            provider = transports.get(f"{guard.name}.provider")
            found[guard.name] = guard.built(variables, gateway, env, settings, provider, scopes)
        else:
            given = transports.get(f"{guard.name}.keys")
            fetch = partial(_fetching, guard.name, env.clock, gateway, given)
            found[guard.name] = guard.authenticator(variables, gateway, env, fetch)
        if found[guard.name] is None:
            missing.append(guard.missing(gateway))
    if missing and needed:
        raise ConfigError(f"a guard has no keys: set {', '.join(missing)}")
    return found


def _fetching(name: str, clock: Clock, via: str, transport: Transport[Any, Any] | None, url: str) -> Fetching:
    return Fetching(name, url, clock, via, transport)


def _unset(answer: WebAnswer, names: AbstractSet[bytes]) -> WebAnswer:
    return replace(answer, headers=tuple(one for one in answer.headers if not sets((one,), names)))
