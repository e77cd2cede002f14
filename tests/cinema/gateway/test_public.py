"""The gateway of the platform is written as anybody's would be: with the public names of the kit."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cinema.gateway

FOLDER = Path(cinema.gateway.__file__).parent
PUBLIC = {f"stagedoor{name}" for name in ("", ".policies", ".search", ".errors", ".testing")}
FILES = [one for one in sorted(FOLDER.rglob("*.py")) if one.parent.name != "catalogue"]  # not on the face yet


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_the_gateway_imports_public_names_only(file: Path) -> None:
    """Issue 11: what it needs beyond is the kit's, where others need it too."""
    of_the_kit = {name for name in imported(file) if name.partition(".")[0] == "stagedoor"}

    assert of_the_kit <= PUBLIC
