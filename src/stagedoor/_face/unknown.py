"""Names of the environment that look like settings of a gateway and are none: what was meant would be ignored.

Everything under a gateway's own prefix is its own, so a misspelt name ends the start. What container platforms inject
there for a service of the gateway's name is theirs (`service_links`).
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from stagedoor._face.service_links import is_service_link
from stagedoor._face.settings import listed, prefix_of
from stagedoor.errors import ConfigError

__all__ = ["validate_known"]

_OURS = frozenset({"STAGEDOOR_TARGET", "STAGEDOOR_WATCH"})  # what `stagedoor run` tells its own processes
_NEAR, _VERY_NEAR = 0.6, 0.8


def validate_known(
    env: Mapping[str, str], gateway: str, services: Iterable[str], guards: Iterable[str] = (), *, given: bool
) -> None:
    """Raise `ConfigError` for names under a gateway's prefix that nothing reads, with what was probably meant.

    `given` says that its settings were given as arguments: then only addresses are read, and other names may be
    somebody else's.
    """
    prefix = prefix_of(gateway)
    addresses = [*(f"{prefix}{name.upper()}_URL" for name in services), *guards]
    known = {*addresses, *(name for name, _, _ in listed(gateway, ()))}
    strays = [
        name
        for name in sorted(env)
        if name.startswith(prefix) and name not in known | _OURS and not is_service_link(name, env[name])
    ]
    found = [_told(name, sorted(addresses if given else known), gateway, given) for name in strays]
    if any(found):
        raise ConfigError("\n".join(filter(None, found)))


def _told(name: str, known: list[str], gateway: str, given: bool) -> str:
    prefix = prefix_of(gateway)
    meant = {one.removeprefix(prefix): one for one in known}
    near = get_close_matches(name.removeprefix(prefix), meant, n=1, cutoff=_VERY_NEAR if given else _NEAR)
    if near:
        return f"{name}: no such setting; did you mean {meant[near[0]]}?"
    return (
        "" if given else f"{name}: no such setting; names under {prefix} are those of the gateway {gateway!r}"
    )
