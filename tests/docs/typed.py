"""The Python of all pages as modules that a type checker can read; `python -m tests.docs.typed` has mypy read them.

A page's blocks become one module, its named files one each. Every page has its own `shop.py`, so that modules are
prefixed with their page's name, and imports follow: `import shop` is `import tutorial__shop as shop`.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import FILE, HOW_TO, ROOT, Block, blocks, name_of, pages

__all__ = ["modules_of"]

_FLAGS = (
    "--strict",
    "--python-version=3.11",
    "--allow-redefinition",
    f"--cache-dir={ROOT / '.mypy_cache/docs'}",
)
_IMPORT = re.compile(r"^(\s*)(from|import) ([a-z_]+)( as \w+)?(?=\s|$)", re.MULTILINE)


def modules_of(page: Path) -> dict[str, str]:
    """Return the modules of a page by their file names."""
    own = {file["name"].removesuffix(".py") for file, _ in _files(page)}
    prefix = re.sub(r"[^a-z0-9]+", "_", name_of(page).removesuffix(".md").lower())
    found: dict[str, str] = {}
    for file, block in _files(page):
        name = f"{prefix}__{file['name']}"
        found[name] = found.get(name, "") + _prefixed(block.text, own, prefix)
    said = "".join(block.text for block in (*_before(page), *_plain(page)))
    if said:
        # Pages await at top level, as `python -m asyncio` allows; a type checker wants a function round that.
        body = textwrap.indent(_prefixed(said, own, prefix), "    ")
        found[f"{prefix}.py"] = f"async def page() -> None:\n{body}"
    return found


def _files(page: Path) -> Iterator[tuple[re.Match[str], Block]]:
    for block in _run(page):
        file = FILE.fullmatch(block.text.partition("\n")[0])
        if file:
            yield file, block


def _plain(page: Path) -> list[Block]:
    return [block for block in _run(page) if not FILE.fullmatch(block.text.partition("\n")[0])]


def _run(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind == "python" and "fragment" not in block.words]


def _before(page: Path) -> list[Block]:
    return _plain(HOW_TO) if page.parent == HOW_TO.parent and page != HOW_TO else []


def _prefixed(text: str, own: set[str], prefix: str) -> str:
    def renamed(found: re.Match[str]) -> str:
        space, word, name, alias = found.groups()
        if name not in own:
            return found[0]
        as_before = "" if word == "from" else alias or f" as {name}"
        return f"{space}{word} {prefix}__{name}{as_before}"

    return _IMPORT.sub(renamed, text)


def main() -> int:
    """Write the modules of all pages into a folder of their own and check them, strictly as a reader would."""
    with tempfile.TemporaryDirectory(prefix="pages-") as folder:
        for page in pages():
            for name, text in modules_of(page).items():
                Path(folder, name).write_text(text)
        command = [sys.executable, "-m", "mypy", *_FLAGS, "."]
        environment = os.environ | {"MYPYPATH": str(ROOT / "src")}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
