"""Options of a declaration that Python would take in any kind: words that are yes in every spelling, texts as lists."""

from collections.abc import Sequence

from stagedoor._face.places import Place
from stagedoor.errors import ConfigError

__all__ = ["validate_flags", "validate_texts", "words"]


def validate_flags(place: Place, **flags: object) -> None:
    """Raise `ConfigError` for what is neither True nor False, such as "no", which would be yes; None is no word."""
    for name, said in flags.items():
        if said is not None and not isinstance(said, bool):
            raise ConfigError(f"{place}: {name} is True or False, not {said!r}")


def validate_texts(place: Place, **texts: object) -> None:
    """Raise `ConfigError` for what is no text: documents show it as it is."""
    for name, said in texts.items():
        if not isinstance(said, str):
            raise ConfigError(f"{place}: {name} is a text, not {said!r}")


def words(given: Sequence[str], what: str, place: Place) -> tuple[str, ...]:
    """Return a list of texts; raises `ConfigError` for a single one, which would be a list of its letters."""
    said: object = given
    if not isinstance(said, Sequence | frozenset | set) or isinstance(said, str | bytes):
        raise ConfigError(f"{place}: {what} is a list of texts, not {said!r}")
    for one in given:
        if not isinstance(one, str):
            raise ConfigError(f"{place}: {what} is a list of texts, not of {one!r}")
    return tuple(given)
