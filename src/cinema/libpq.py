"""Addresses of PostgreSQL as providers hand them out: libpq's parameters, in the words of the driver.

postgresql://user:password@host/db?sslmode=require&application_name=cinema
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

__all__ = ["KNOWN", "arguments_of", "unknown_parameter"]

_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_SETTINGS: Final = frozenset({"application_name", "search_path", "statement_timeout", "timezone"})
# The driver's own words pass as they are.
_DRIVERS: Final = frozenset(
    {"ssl", "timeout", "command_timeout", "target_session_attrs", "prepared_statement_cache_size"}
)
KNOWN: Final = tuple(sorted({"sslmode", "connect_timeout", *_SETTINGS, *_DRIVERS}))


def unknown_parameter(query: str) -> str | None:
    """Return what is wrong with the parameters of an address; None if all can be understood."""
    for name, said in parse_qsl(query, keep_blank_values=True):
        if name not in KNOWN:
            return f"must not have the parameter {name!r}; known are {', '.join(KNOWN)}"
        if name == "sslmode" and said not in _MODES:
            return f"must have an sslmode of {', '.join(sorted(_MODES))}"
        if name == "connect_timeout" and not said.isdigit():
            return "must have a connect_timeout of whole seconds"
    return None


def arguments_of(query: Mapping[str, str | tuple[str, ...]]) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Return the parameters of an address that the driver knows itself, and what it is given for the others."""
    said = {name: value if isinstance(value, str) else value[-1] for name, value in query.items()}
    arguments: dict[str, Any] = {}
    if "sslmode" in said:
        arguments["ssl"] = said["sslmode"]
    if int(said.get("connect_timeout", "0")):
        arguments["timeout"] = float(said["connect_timeout"])
    own = {name: said[name] for name in sorted(_SETTINGS & set(said))}
    if own:
        arguments["server_settings"] = own
    return {name: value for name, value in said.items() if name in _DRIVERS}, arguments
