"""The routes that sessions bring along, and the cookies that are theirs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stagedoor._face.guards import Guard
from stagedoor._face.sessions import Sessions
from stagedoor._guards.sessions.cookies import cookie_name, login_cookie
from stagedoor._web.health import Component, Probe
from stagedoor._web.routes import Route
from stagedoor.errors import ConfigError

__all__ = ["SessionRoutes", "session_routes"]


@dataclass(frozen=True, slots=True)
class SessionRoutes:
    """What sessions add to a gateway."""

    routes: Sequence[Route]
    cookies: frozenset[bytes]
    alone: tuple[str, ...] = ()  # the names of those that are one process's own
    probes: Mapping[str, Probe] = field(default_factory=dict)


def session_routes(
    guards: Iterable[Guard], found: Mapping[str, Any], *, docs_only: bool
) -> SessionRoutes | None:
    """Return what the sessions among guards add; None where there are none. Raises `ConfigError`."""
    sessions = {one.name: one for one in guards if isinstance(one, Sessions)}
    if not sessions:
        return None
    try:
        from stagedoor._guards.sessions.routes import Entrances  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        place = next(iter(sessions.values())).place
        raise ConfigError(f"{place}: sessions need the extra auth: pip install stagedoor[auth]") from error
    routes: list[Route] = []
    for name, one in sessions.items():
        routes += Entrances(one.path, None if docs_only else found[name]).routes()
    names = [made(name).encode() for name in sessions for made in (cookie_name, login_cookie)]
    alone = tuple(name for name in sessions if found[name] is not None and not found[name].shared)
    shared = [name for name in sessions if found[name] is not None and found[name].shared]
    probes = {f"sessions {name}": partial(_probe, found[name]) for name in shared}
    return SessionRoutes(tuple(routes), frozenset(names), alone, probes)


async def _probe(browsers: Any) -> Component:  # noqa: ANN401 - of a module that needs an extra
    if await browsers.is_there():
        return Component("healthy")
    return Component("unhealthy", detail="not answering; their routes are 503")
