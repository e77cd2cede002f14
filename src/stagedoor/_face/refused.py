"""What documents say of routes whose services see the caller's credentials: they may refuse them."""

from collections.abc import Iterable
from dataclasses import replace

from stagedoor._face.service import Service
from stagedoor._web.routes import Route

__all__ = ["refusable"]


def refusable(route: Route, used: Iterable[object]) -> Route:
    """Return a route that documents 401 and 403 where a service that it uses sees who asks."""
    said = route.documentation
    if said is None or not any(isinstance(one, Service) and one.sees_credentials for one in used):
        return route
    known = {one if isinstance(one, int) else one.status for one in said.problems}
    added = tuple(sorted({401, 403} - known))
    return replace(route, documentation=replace(said, problems=(*added, *said.problems)))
