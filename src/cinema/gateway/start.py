"""Whether the gateway that the settings describe can work, told in the settings' own names."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cinema.faults import Fault
from cinema.settings import Settings
from stagedoor.errors import ConfigError

__all__ = ["check_gateway", "told_of_settings"]

_TIMES = "GATEWAY_DEADLINE_MS, GATEWAY_ATTEMPT_TIMEOUT_MS"
# What the kit calls a thing, and what an operator has set.
_SETTINGS = {
    "rate_limits: ": "GATEWAY_RATE_LIMITS",
    "ApiKeySettings(keys_file=...): ": "GATEWAY_API_KEYS_FILE",
    "CINEMA_SENTRY_DSN: ": "SENTRY_DSN",
}
# Whose name everybody knows, such as SSL_CERT_FILE.
_VARIABLE = re.compile(r"(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|ulimit -n): ")
_PLACE = re.compile(r"\S+\.py:[0-9]+: ")  # of the declaration, which is ours and right


def check_gateway(settings: Settings) -> None:
    """Declare the gateway and look at it as its start does; opens nothing.

    Raises:
        Fault: some of the settings cannot work together, or name a file that cannot be used.

    """
    from cinema.gateway.app import build  # noqa: PLC0415 - the whole gateway: a third of a second

    with told_of_settings():
        build(settings).looked_at(reachable=True)


@contextmanager
def told_of_settings() -> Iterator[None]:
    """Tell what the kit finds wrong with the gateway in the names that an operator knows; raises `Fault`."""
    try:
        yield
    except ConfigError as error:
        found = "; ".join(_PLACE.sub("", line) for line in str(error).splitlines())
        for said, name in _SETTINGS.items():
            if found.startswith(said):
                raise Fault(f"{name}: {found.removeprefix(said)}") from error
        if _VARIABLE.match(found):
            raise Fault(found) from error
        # The plans are ours; only times can make them impossible.
        raise Fault(f"{_TIMES}: {found}") from error
