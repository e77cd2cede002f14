"""Every place between the first octet of a write and its answer at which the process waits, found in the source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cinema.services.memes

__all__ = ["EXEMPT", "FILES", "Place", "places"]

FOLDER = Path(cinema.services.memes.__file__).parent
FILES = (
    "app.py",
    "bodies.py",
    "cleanup.py",
    "keys.py",
    "media.py",
    "spool.py",
    "uploads.py",
    "wall/forms.py",
    "wall/routes.py",
    "writing.py",
)
# Where nothing is written, or nobody waits for an answer; and why.
EXEMPT = {
    "app.py:life": "start and stop of the process",
    "app.py:list_memes": "reads",
    "app.py:get_meme": "reads",
    "app.py:sweep": "the command's; it writes what `cleanup` writes",
    "cleanup.py:run": "the background",
    "cleanup.py:stop": "the background",
    "cleanup.py:aclose": "the end of the process",
    "cleanup.py:sweep": "nobody's request",
    "cleanup.py:_swept": "nobody's request",
    "cleanup.py:_taken": "after a failed commit",
    "cleanup.py:_discard": "after a failed commit",
    "cleanup.py:_portion": "the background",
    "cleanup.py:_portions": "nobody's request",
    "cleanup.py:_removed": "the background",
    "media.py:listed": "nobody's request",
    "media.py:aclose": "the end of the process",
    "wall/routes.py:shown": "reads",
    "writing.py:_winners": "of two processes, which the platform does not have",
    "wall/routes.py:failed": "reads, after a refusal",
}
_EXEMPT_CALLS = {name.rpartition(":")[2] for name in EXEMPT if name.endswith((":failed", ":_winners"))}


@dataclass(frozen=True, order=True)
class Place:
    """One of them."""

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.function}:{self.line}"


def places() -> list[Place]:
    """Return those of all files but the exempt ones, in order."""
    found = {place for file in FILES for place in _of_file(file)}
    return sorted(place for place in found if f"{place.file}:{place.function}" not in EXEMPT)


def _of_file(file: str) -> Iterator[Place]:
    tree = ast.parse((FOLDER / file).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield from (Place(file, node.name, line) for line in _waits(node))


def _waits(function: ast.AsyncFunctionDef) -> Iterator[int]:
    """Yield the lines of a function's own awaits."""
    left: list[ast.AST] = [*function.body]
    while left:
        node = left.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) and not _is_exempt(node):
            yield node.lineno
        if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda):
            left += ast.iter_child_nodes(node)


def _is_exempt(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Await) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in _EXEMPT_CALLS
