"""Write docs/modules.md: every module of the kit and the platform with the first sentence of its docstring.

The map of the house for whoever works on it; `make reference` writes it together with the reference.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
PAGE = ROOT / "docs/modules.md"
_NOTE = "<!-- made by `make reference` from the sources: change those -->\n"


def text() -> str:
    """Return the page: a table for each folder, a line for each module that says something of itself."""
    lines = [
        _NOTE,
        "# Every module in a line",
        "",
        "By folder. Where to begin: [ARCHITECTURE](../ARCHITECTURE.md).",
    ]
    above = None
    for file in sorted(SOURCES.rglob("*.py"), key=lambda file: (file.parent.parts, file.name)):
        said = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0].replace("|", "/")
        if not said or file.name == "__main__.py" or "versions" in file.parts:
            continue
        if file.parent != above:
            above = file.parent
            heading = above.relative_to(SOURCES).as_posix()
            lines += ["", f"## {heading}", "", "| module | what it is |", "|---|---|"]
        lines.append(f"| `{file.name}` | {said} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
