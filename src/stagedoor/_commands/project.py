"""The project that `stagedoor new` writes: the files of `template/`, whose `shop` becomes the given name."""

import keyword
import re
import sys
from errno import EEXIST
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

__all__ = ["name_fault", "write"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = frozenset(  # the project imports these, or could not be told from them
    ["mypy", "orjson", "pydantic", "pytest", "rich", "stagedoor", "tests", "typer", "uvicorn", "uvloop"]
)
_SUFFIX = ".txt"  # what keeps the template's modules from being taken for the kit's


def name_fault(name: str) -> str:
    """Say in one line why a project cannot have this name; "" if it can."""
    if _NAME.fullmatch(name) is None:
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:40]
        hint = f", such as {better}" if _NAME.fullmatch(better) else ""
        return (
            f"{name!r} is no name of a package: a lower-case letter first, then letters, digits or _, "
            f"at most 40{hint}"
        )
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in _TAKEN:
        return (
            f"{name!r} is taken: it is a word of Python, or a module that the project could not import then"
        )
    return ""


def write(name: str, folder: Path) -> list[PurePosixPath]:
    """Write the project into a folder that is empty or not there; return its files.

    Raises `OSError` for a folder that has something in it, and for what cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(EEXIST, "there is something in this folder already", str(folder))
    written = [(_named(path, name), _named(text, name)) for path, text in _template(_root())]
    for path, text in written:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [PurePosixPath(path) for path, _ in written]


def _named(text: str, name: str) -> str:
    return text.replace("shop", name).replace("SHOP", name.upper())


def _root() -> Traversable:
    return files("stagedoor") / "_commands" / "template"


def _template(folder: Traversable, above: str = "") -> list[tuple[str, str]]:
    """Return path and text of each file of the template, in order of their paths."""
    found: list[tuple[str, str]] = []
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        if item.is_dir():
            found += _template(item, f"{above}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            found.append((above + item.name.removesuffix(_SUFFIX), item.read_text(encoding="utf-8")))
    return found
