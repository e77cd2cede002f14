"""Write below each promise of docs/promises.md the tests that cite it: by name (`test_c5_...`) or docstring."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ["PAGE", "cited_by", "defined", "rewritten"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "promises.md"
_CODE = r"(?:HC|[ABCDEFGHKNOPRTUWX])(?:1\d|2[0-3]|[1-9])"
_DEFINED = re.compile(rf"^- \*\*({_CODE})\*\* ")
_IN_NAME = re.compile(r"test_((?:hc|[abcdefghknoprtuwx])[12]?\d)_")
_SAID = re.compile(rf"(?:^|[\s(,]){_CODE}(?=[\s,:;.)]|$)")
_HELD = "  Held by: "


def defined(text: str) -> list[str]:
    """Return the codes that the page defines, in its order."""
    return [found[1] for line in text.splitlines() if (found := _DEFINED.match(line))]


@cache
def cited_by(folder: Path) -> Mapping[str, set[str]]:
    """Return of each code which files below the folder cite it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("*.py")):
        for code in _codes(ast.parse(path.read_text())):
            found[code].add(path.relative_to(ROOT).as_posix())
    return found


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        name = "" if isinstance(node, ast.Module) else node.name
        said = _SAID.findall(_citing(ast.get_docstring(node) or ""))
        yield from {
            *(code.strip(" \n(,") for code in said),
            *(code.upper() for code in _IN_NAME.findall(name)),
        }


def _citing(docstring: str) -> str:
    """Return what cites: the words before a colon, and what stands in brackets at an end."""
    head, colon, _ = docstring.partition(":")
    return " ".join([head if colon and len(head) < 40 else "", *re.findall(r"\(([^()]*)\)", docstring)])


def rewritten(text: str, cited: Mapping[str, set[str]]) -> str:
    """Return the page with its lists of tests as they are now."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(_HELD):
            continue
        lines.append(line)
        if found := _DEFINED.match(line):
            lines.append(_HELD + ", ".join(f"`{name}`" for name in sorted(cited.get(found[1], ()))))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(), cited_by(ROOT / "tests")))
    sys.exit(0)
