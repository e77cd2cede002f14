"""What documents say of a route: the docstring of what was declared, its first paragraph apart."""

import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["words_of"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words_of(declared: Callable[..., Any]) -> tuple[str, str]:
    """Return summary and description of a function or a model; its name stands for a docstring that is not there."""
    first, _, rest = (_said(declared) or _named(declared)).partition("\n\n")
    return " ".join(first.split()), rest


def _said(declared: Any) -> str:  # noqa: ANN401 - a function or a class
    """Return its own docstring: that of a base, such as pydantic's, speaks of something else."""
    return inspect.cleandoc(declared.__doc__ or "")


def _named(declared: Callable[..., Any]) -> str:
    """Return a name in words: `HomeScreen` is "Home screen"."""
    words = _HUMP.sub(" ", declared.__name__).replace("_", " ").split()
    return " ".join([words[0].capitalize() if words[0].islower() else words[0], *map(_small, words[1:])])


def _small(word: str) -> str:
    return word if word.isupper() else word.lower()
