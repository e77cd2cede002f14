"""Read Markdown pages and run what they show.

The `python` blocks of a page share one namespace and one event loop, in order, and may await at top level, as in
`python -m asyncio`. What they print is compared with an `output` block that follows. A block whose first line is
`# name.py` is that file, in a folder of the page's own; `# name.py, continued` adds to it. Each `test_...` of a file
is called, with the fixtures of `stagedoor.testing.plugin` that it names. A `python fragment (reason)` is compiled, its
imports of the kit are resolved, and it is not run; the reason says why. `json` and `ini` are parsed. Of the `console`
blocks, `stagedoor` is run, and what it prints is compared with what the page shows; `make`, `cinema`, `pytest` and
`stagedoor run`, which would not end, have to know what they are asked for. Any other block is a fragment, too, and says
why nobody runs it. `typed.py` has a type checker read all Python.
"""

import ast
import asyncio
import configparser
import importlib
import importlib.util
import inspect
import io
import json
import random
import re
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import typer
from typer.testing import CliRunner

import cinema.cli
from stagedoor._call import Env
from stagedoor._cli import app as stagedoor_app
from stagedoor.testing import Events, ManualClock

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to/README.md"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
FILE = re.compile(r"# (?P<name>[a-z_]+\.py)(?P<more>, continued)?")
HELD = frozenset({"python", "console", "json", "ini"})
_SHOWN = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the words after the fence, its text, and the line on which the text begins."""

    words: tuple[str, ...]
    text: str
    line: int

    @property
    def kind(self) -> str:
        return self.words[0] if self.words else ""


def pages() -> list[Path]:
    """Return every page that a reader may open."""
    return [ROOT / name for name in _SHOWN] + sorted((ROOT / "docs").rglob("*.md"))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found: list[Block] = []
    start, words, lines = 0, (), []  # type: int, tuple[str, ...], list[str]
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not start:
            start, words, lines = number + 1, tuple(fence["info"].split()), []
        elif fence:
            found.append(Block(words, "\n".join(lines) + "\n", start))
            start = 0
        elif start:
            lines.append(line)
    assert not start, f"the block of line {start - 1} has no end"
    return found


def blocks(page: Path) -> list[Block]:
    return blocks_of(page.read_text())


class Reading:
    """One page as a reader follows it, in a folder of its own, which is the current one."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self._folder = folder
        self._module = ModuleType(f"page_{re.sub(r'[^a-z]', '_', name_of(page).lower())}")
        self._said = ""

    @property
    def names(self) -> dict[str, Any]:
        """Return what the page's examples have defined so far."""
        return self._module.__dict__

    async def follow(self) -> None:
        """Run the page; raises whatever its code raises, with the page's own line numbers."""
        sys.modules[self._module.__name__] = self._module
        for text, name in self._before():
            await self._run(compiled(text, name, 1))
        for block in blocks(self.page):
            await self._block(block)

    def close(self) -> None:
        """Forget the page's modules."""
        sys.modules.pop(self._module.__name__, None)
        for file in self._folder.glob("*.py"):
            sys.modules.pop(file.stem, None)

    def _before(self) -> Iterator[tuple[str, str]]:
        if self.page.parent == HOW_TO.parent and self.page != HOW_TO:
            yield from ((block.text, str(HOW_TO)) for block in blocks(HOW_TO) if block.kind == "python")

    async def _block(self, block: Block) -> None:
        file = FILE.fullmatch(block.text.partition("\n")[0])
        if block.kind == "output":
            assert self._said.rstrip() == block.text.rstrip(), (
                f"{name_of(self.page)}:{block.line}: {self._said}"
            )
        elif block.kind != "python":
            parsed(block)
        elif "fragment" in block.words:
            await resolve(block.text, str(self.page), block.line)
        elif file:
            await self._write(file, block.text)
        else:
            await self._run(compiled(block.text, str(self.page), block.line))

    async def _run(self, code: CodeType) -> None:
        with redirect_stdout(io.StringIO()) as said:
            going = eval(code, self._module.__dict__)  # the page is ours
            if inspect.iscoroutine(going):
                await going
        self._said = said.getvalue()

    async def _write(self, file: re.Match[str], text: str) -> None:
        path = self._folder / file["name"]
        path.write_text(path.read_text() + text if file["more"] else text)
        importlib.invalidate_caches()
        with redirect_stdout(io.StringIO()) as said:
            known = sys.modules.get(path.stem)
            module = importlib.reload(known) if known else importlib.import_module(path.stem)
            for name, test in list(vars(module).items()):
                if name.startswith("test_"):
                    await tried(test)
        self._said = said.getvalue()

    async def check(self, command: str, shown: str) -> None:
        """Hold a `stagedoor` command to what the page shows of it."""
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(stagedoor_app, words)
        assert result.exit_code == 0, (command, result.output, result.exception)
        if shown:
            assert lines_of(result.output) == lines_of(shown), result.output


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def compiled(text: str, file: str, line: int) -> CodeType:
    """Compile a block as the page has it, awaits at top level allowed; a loop runs already, so `run` is one."""
    text = re.sub(r"^asyncio\.run\((.+)\)$", r"await \1", text, flags=re.MULTILINE)
    code: CodeType = compile("\n" * (line - 1) + text, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


async def resolve(text: str, file: str, line: int) -> None:
    """Compile a fragment and run nothing of it but its imports of what is installed."""
    compiled(text, file, line)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) and importlib.util.find_spec(_package(node)):
            exec(ast.unparse(node), {})


def _package(node: ast.Import | ast.ImportFrom) -> str:
    name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    return (name or "").partition(".")[0]


def parsed(block: Block) -> None:
    """Read a block of data; raises what its reader raises."""
    if block.kind == "json":
        json.loads(block.text)
    elif block.kind == "ini":
        configparser.ConfigParser().read_string(block.text)


def unheld(block: Block, before: str) -> str:
    """Say why nothing holds a block to the truth; "" if something does. `before` is the kind of the one above it."""
    if "fragment" in block.words:
        return (
            "" if re.search(r"fragment \(.{8,}\)$", " ".join(block.words)) else "a fragment without a reason"
        )
    if block.kind == "output":
        return "" if before == "python" else "an output of nothing"
    return "" if block.kind in HELD else f"{block.kind or 'a block without a kind'} is held to nothing"


async def tried(test: Callable[..., Awaitable[None] | None]) -> None:
    """Call a page's test with the fixtures it names."""
    clock, events = ManualClock(), Events()
    known = {"clock": clock, "events": events, "env": Env(clock, random.Random(20260105).random, events)}
    going = test(**{name: known[name] for name in inspect.signature(test).parameters})
    if inspect.isawaitable(going):
        await going


def commands(block: Block) -> list[tuple[str, str]]:
    """Return the commands of a `console` block with what is shown of their output.

    Commands begin with `$ `; if no line does, every line is one.
    """
    lines = [line for line in block.text.splitlines() if line.strip()]
    if not any(line.startswith("$ ") for line in lines):
        return [(line.partition(" #")[0].strip(), "") for line in lines]
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:].partition(" #")[0].strip(), ""))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def targets() -> set[str]:
    """Return what `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def known_to(app: typer.Typer, words: list[str]) -> bool:
    """Tell whether a command line names a command of the app and options that it has."""
    group: Any = typer.main.get_command(app)
    if words and words[0].startswith("-"):
        return True
    command = group.commands.get(words[0]) if words else None
    if command is None:
        return False
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return {word.partition("=")[0] for word in words[1:] if word.startswith("--")} <= options | {"--help"}


def understood(command: str) -> bool:
    """Tell whether a command of a page exists; of foreign programs nothing is known."""
    words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_0-9]+=.*|c=[a-z0-9-]+|&", word)]
    program = Path(words[0]).name if words else ""
    if program == "make":
        return set(words[1:]) <= targets()
    if program in {"stagedoor", "cinema"}:
        return known_to(stagedoor_app if program == "stagedoor" else cinema.cli.app, words[1:])
    return True


def run_page(page: Path, folder: Path) -> None:
    """Follow a page from top to bottom, then try its `stagedoor` commands in its folder."""
    reading = Reading(page, folder)
    try:
        asyncio.run(reading.follow())
        for block in blocks(page):
            for command, shown in commands(block) if block.kind == "console" else ():
                if command.startswith("stagedoor ") and not command.startswith("stagedoor run "):
                    asyncio.run(reading.check(command, shown))
    finally:
        reading.close()
