"""What CONTRIBUTING says of the code's size is so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cinema
import stagedoor

FOLDERS = [Path(module.__file__ or "").parent for module in (cinema, stagedoor)]
FILES = [file for folder in FOLDERS for file in sorted(folder.rglob("*.py"))]
LISTS = 3  # functions over 45 lines


def bodies() -> Iterator[int]:
    """Yield how many lines each function has below its docstring."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[1:] if ast.get_docstring(node) else node.body
                yield (node.end_lineno or 0) - first[0].lineno + 1 if first else 0


def share_below(bound: int, counts: list[int]) -> float:
    return sum(count < bound for count in counts) / len(counts)


def test_functions_are_as_short_as_we_say() -> None:
    """A page of rules that are not kept is worse than none."""
    lines = list(bodies())

    assert share_below(5, lines) >= 0.5
    assert share_below(15, lines) >= 0.9
    assert sum(count > 45 for count in lines) <= LISTS


def test_modules_are_as_short_as_we_say() -> None:
    """The same."""
    lines = [len(file.read_text().splitlines()) for file in FILES]

    assert share_below(300, lines) >= 0.9
    assert max(lines) <= 400
