"""Every place between the first octet of a write and its answer at which a service waits, found in the source."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cinema.services.media
import cinema.services.memes

__all__ = ["SOURCES", "Place", "Source"]


@dataclass(frozen=True, order=True)
class Place:
    """One of them; `owner` is the class that it is in, if there is one."""

    file: str
    function: str
    line: int
    owner: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}:{self.line}"


@dataclass(frozen=True)
class Source:
    """The files of a service that a write goes through.

    `exempt` are the functions where nothing is written, or nobody waits for an answer, and why; `exempt_calls` those
    whose calls are.
    """

    folder: Path
    files: tuple[str, ...]
    exempt: Mapping[str, str]
    exempt_calls: frozenset[str] = field(default=frozenset())

    def places(self) -> list[Place]:
        """Return those of all files but the exempt ones, in order."""
        found = {place for file in self.files for place in self._of_file(file)}
        return sorted(place for place in found if f"{place.file}:{place.function}" not in self.exempt)

    def _of_file(self, file: str) -> Iterator[Place]:
        tree = ast.parse((self.folder / file).read_text())
        for outer in tree.body:
            owner = outer.name if isinstance(outer, ast.ClassDef) else ""
            for node in ast.walk(outer):
                if isinstance(node, ast.AsyncFunctionDef):
                    yield from (Place(file, node.name, line, owner) for line in self._waits(node))

    def _waits(self, function: ast.AsyncFunctionDef) -> Iterator[int]:
        """Yield the lines of a function's own awaits."""
        left: list[ast.AST] = [*function.body]
        while left:
            node = left.pop()
            if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) and not self._is_exempt(node):
                yield node.lineno
            if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda):
                left += ast.iter_child_nodes(node)

    def _is_exempt(self, node: ast.AST) -> bool:
        call = node.value if isinstance(node, ast.Await) else None
        function = call.func if isinstance(call, ast.Call) else None
        return isinstance(function, ast.Attribute) and function.attr in self.exempt_calls


MEMES = Source(
    Path(cinema.services.memes.__file__).parent,
    (
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
    ),
    {
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
        "wall/routes.py:_with": "reads, after a refusal",
        "wall/routes.py:failed": "reads, after a refusal",
    },
    frozenset({"failed", "_winners"}),
)
MEDIA = Source(
    Path(cinema.services.media.__file__).parent,
    ("app.py", "decoding.py", "store.py", "upload.py"),
    {
        "app.py:life": "start and stop of the process",
        "app.py:probe": "nobody's request",
        "app.py:aclose": "the end of the process",
        "app.py:download": "reads",
        "app.py:_drawn": "reads",
        "app.py:names": "reads",
        "decoding.py:start": "the start of the process",
        "decoding.py:aclose": "the end of the process",
        "decoding.py:shrink": "reads",
        "store.py:size": "reads",
        "store.py:read": "reads",
        "store.py:__anext__": "reads",
        "store.py:_octets": "reads",
        "store.py:names": "reads",
        "store.py:check": "nobody's request",
    },
)
SOURCES: Mapping[str, Source] = {"memes": MEMES, "media": MEDIA}
