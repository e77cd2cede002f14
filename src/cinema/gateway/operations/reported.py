"""What services report of what they stand on, as /health shows it: whose fault it is, and why."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import orjson

from stagedoor import Component

__all__ = ["reported"]

_ON_DATABASE: Final = ("user_service", "order_service", "product_service")
_OURS: Final = (*_ON_DATABASE, "memes_service", "media_service")
_LONGEST: Final = 200


def reported(components: Mapping[str, Component]) -> dict[str, Component]:
    """Return the components, the database among them, with the causes that services name in their own health."""
    shown = {name: _with_cause(one) if name in _OURS else one for name, one in components.items()}
    if "memes_service" in shown:
        shown["database"] = _database(shown)
    return shown


def _with_cause(one: Component) -> Component:
    behind, cause = _told(one)
    if not cause:
        return one
    status = "degraded" if one.status == "healthy" else one.status  # reading goes on
    return replace(one, status=status, detail=f"{behind}: {cause}")


def _told(one: Component) -> tuple[str, str]:
    """Return what a service stands on and what it says is wrong with that; "" where it does not say."""
    try:
        said = orjson.loads(b"" if one.response is None else one.response.body)
        return str(said["component"])[:_LONGEST], str(said["cause"])[:_LONGEST]
    except (ValueError, TypeError, KeyError):
        return "", ""


def _database(components: Mapping[str, Component]) -> Component:
    """Return what memes says of the database; where it cannot be asked, the best that others on it say."""
    others = [components[name] for name in _ON_DATABASE if name in components]
    asked = [one for one in (components["memes_service"], *others) if _answered(one)]
    found = min(asked, key=lambda one: one.status != "healthy", default=components["memes_service"])
    first = asked[0] if asked and asked[0] is components["memes_service"] else found
    behind, cause = _told(first)
    return replace(first, detail=cause) if behind == "database" else first


def _answered(one: Component) -> bool:
    return one.status != "unhealthy" or one.response is not None
