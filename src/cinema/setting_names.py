"""Which names of the environment are settings, which are somebody else's, and which are typing errors (promise G2).

Under our own prefixes every unknown name is an error. Elsewhere it is one that two edits make ours: others may have
names like DATABASE_HOST, and nobody means anything by SENTRY_DNS but SENTRY_DSN. Names of five letters are near many
words, so there it is one edit.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from cinema.secret_files import as_file_name, is_file_name
from stagedoor._face.service_links import is_service_link
from stagedoor._face.spelling import is_within

__all__ = ["nobodys", "without_links"]

_OURS = ("GATEWAY_", "GHIBLI_", "CINEMA_")
_OF_PROCESSES = frozenset({"CINEMA_PARENT_PID"})  # what the stack tells its children
_SHORT = 5
_EDITS, _EDITS_OF_SHORT = 2, 1


def without_links(said: Mapping[str, str]) -> dict[str, str]:
    """Leave out what Kubernetes says of Services, one that is called like a setting among them (GATEWAY_PORT=tcp://...)."""
    return {name: value for name, value in said.items() if not is_service_link(name.upper(), value)}


@lru_cache(maxsize=1_024)
def nobodys(name: str, known: tuple[str, ...]) -> str | None:
    """Return what is wrong with a name that looks like one of ours and is none; None if it is well."""
    upper = name.upper()
    if upper in known or upper in _OF_PROCESSES or is_file_name(upper, known):
        return None
    if upper.startswith(_OURS):
        near = get_close_matches(upper, known, n=1, cutoff=0.5)
        return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")
    length = len(upper)
    # Whole environments are looked at, twice in a start: lengths first.
    forms = (
        form for one in known for form in (one, as_file_name(one)) if -_EDITS <= len(form) - length <= _EDITS
    )
    meant = next((one for one in forms if _is_meant(upper, one)), None)
    return None if meant is None else f"{name}: no such setting; did you mean {meant}?"


def _is_meant(upper: str, known: str) -> bool:
    return is_within(_EDITS if len(known) > _SHORT else _EDITS_OF_SHORT, upper, known)
