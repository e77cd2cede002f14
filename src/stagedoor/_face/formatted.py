"""Texts that a function's code formats where a template is wanted: values in them are not encoded.

Read from the source; where there is none, nothing is said.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

from stagedoor._face.cache import tag
from stagedoor._face.service import Service

__all__ = ["formatted_in"]

_CALLS: Final = frozenset({"get", "post", "put", "patch", "delete", "request", "stream", "open"})


def formatted_in(function: Callable[..., Any]) -> Iterator[str]:
    """Name each call of a service, or of `tag`, that is given an f-string for a template."""
    try:
        known = _known(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and any(_is_formatted(one) for one in node.args[:2]):
            said = ast.unparse(node.func)
            if _is_ours(node.func, known):
                yield f"{said}(f'...'): values in an f-string are not encoded: write {{}}, and give them after it"


def _known(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    found = inspect.getclosurevars(inner)
    return {**found.globals, **found.nonlocals}


def _is_formatted(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) and any(isinstance(one, ast.FormattedValue) for one in node.values)


def _is_ours(called: ast.expr, known: dict[str, Any]) -> bool:
    if isinstance(called, ast.Name):
        return known.get(called.id) is tag
    return (
        isinstance(called, ast.Attribute)
        and called.attr in _CALLS
        and isinstance(called.value, ast.Name)
        and isinstance(known.get(called.value.id), Service)
    )
