"""What documents say of a route: the docstring of what was declared, its first paragraph apart."""

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["words_of"]


def words_of(declared: Callable[..., Any], otherwise: str) -> tuple[str, str]:
    """Return summary and description of a function or a model; `otherwise` stands for a docstring that is not there."""
    first, _, rest = (inspect.getdoc(declared) or otherwise).partition("\n\n")
    return " ".join(first.split()), rest
