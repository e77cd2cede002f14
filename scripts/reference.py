"""Write docs/reference/ from the docstrings, or with `--check` say which pages are not up to date.

One page a package, one section a module, every name of its `__all__` with its signature and docstring. What `stagedoor`
itself offers is a page of its own; underscored packages are nobody's to import. The sources are read, not imported: a
page depends on nothing but the text it is made of. Settings come from `.env.example`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "src/stagedoor"
SETTINGS = ROOT / ".env.example"
PAGES = ROOT / "docs/reference"
_NOTE = "<!-- made by `make reference` from the sources: change those -->\n"
_WIDE = 100  # columns beyond which a signature is broken into lines
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# What a gateway makes, not its users, and what the kit's own modules ask of a gateway.
_MADE = frozenset(
    {
        "Aggregate",
        "Backend",
        "Delivery",
        "Headers",
        "Response",
        "Result",
        "Running",
        "Service",
        "Stream",
        "Verdict",
    }
)
_INNER = frozenset(
    {
        "Aggregate.name",
        "Answer.private",
        "Cache.names",
        "Cache.tagged",
        "Gateway.all_lifespans",
        "Gateway.all_services",
        "Gateway.all_sources",
        "Gateway.inspected",
        "Gateway.lifespan_of",
        "Gateway.looked_at",
        "Gateway.made",
        "Gateway.own_paths",
        "Gateway.served",
        "Gateway.serving",
        "Problem.said",
        "Running.drain",
        "Running.opened",
        "Running.refused",
        "Running.remote",
        "Running.remotes",
        "Running.screen",
        "Running.source",
        "Running.sourcings",
        "Service.pass_on",
        "Settings.form",
        "Settings.level",
        "Settings.networks",
        "Settings.quota",
        "Stream.aclose",
    }
)


def pages() -> dict[str, str]:
    """Return every generated page by its file name."""
    found = {f"{package.name}.md": package_page(package) for package in packages()}
    found["face.md"] = face_page()
    found["core.md"] = page(
        "stagedoor.call and beside it",
        "The core: one signature and the data it carries.",
        sorted(KIT.glob("*.py")),
    )
    found["settings.md"] = settings_page(SETTINGS.read_text())
    return found


def packages() -> list[Path]:
    """Return the public packages of the kit, in order of their names."""
    return sorted(path.parent for path in KIT.glob("[!_]*/__init__.py"))


def face_page() -> str:
    """Return the page of what `stagedoor` itself offers, name by name."""
    tree = ast.parse((KIT / "__init__.py").read_text())
    homes = {name: module for module, names in literal("_PLACES", tree).items() for name in names}
    body: list[str] = []
    elsewhere: dict[str, list[str]] = {}
    for name in literal("__all__", tree):
        path = homes[name].split(".")[1:]
        if path[0].startswith("_"):
            source = KIT.joinpath(*path).with_suffix(".py").read_text()
            body += entry(name, joined(ast.parse(source)), source)
        else:
            elsewhere.setdefault(f"[`{homes[name]}`]({page_of(path)})", []).append(f"`{name}`")
    others = "; ".join(f"{', '.join(names)} of {home}" for home, names in elsewhere.items())
    text = f"{prose(ast.get_docstring(tree) or '')}\n\nFor extensions also {others}."
    return "\n".join([_NOTE, "# `stagedoor`", "", text, "", *body]).rstrip() + "\n"


def joined(tree: ast.Module) -> ast.Module:
    """Return a module whose classes hold what those they are made of define: users see one class."""
    for node in tree.body:
        above = list(made_of(node, tree)) if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.ClassDef) and above:
            words, *own = node.body
            ways = [item for one in above for item in one.body if isinstance(item, _Function)]
            start = [item for item in [*ways, *own] if called(item, "__init__")][-1]
            node.body = [words, start, *[item for item in [*ways, *own] if not called(item, "__init__")]]
            node.bases = []
    return tree


def made_of(node: ast.ClassDef, tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Yield the classes of the face's other modules that a class inherits from, the furthest first."""
    homes = {
        one.name: item.module for item in tree.body if isinstance(item, ast.ImportFrom) for one in item.names
    }
    for base in map(ast.unparse, node.bases):
        path = (homes.get(base) or "").split(".")[1:]
        if path[:1] == ["_face"]:
            there = ast.parse(KIT.joinpath(*path).with_suffix(".py").read_text())
            for item in there.body:
                if isinstance(item, ast.ClassDef) and item.name == base:
                    yield from made_of(item, there)
                    yield item


def page_of(path: list[str]) -> str:
    """Return the page that tells of a module, by its path in the kit."""
    return f"{path[0]}.md" if (KIT / path[0]).is_dir() else "core.md"


def package_page(package: Path) -> str:
    """Return the page of one package."""
    tree = ast.parse((package / "__init__.py").read_text())
    return page(f"stagedoor.{package.name}", ast.get_docstring(tree) or "", sorted(package.rglob("*.py")))


def page(title: str, text: str, files: list[Path]) -> str:
    """Return a page with a section for each file that shows something."""
    body = [part for file in files for part in section(file)]
    return "\n".join([_NOTE, f"# `{title}`", "", prose(text), "", *body]).rstrip() + "\n"


def section(file: Path) -> Iterator[str]:
    """Yield the lines of one module: its own docstring, then what it defines of its public names.

    A package only has what its `__init__` defines itself, under no further docstring: that one opens the page.
    """
    source = file.read_text()
    tree = ast.parse(source)
    shown = [line for name in public(tree) for line in entry(name, tree, source)]
    if not shown:
        return
    module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    text = "" if file.stem == "__init__" else prose(ast.get_docstring(tree) or "")
    yield f"## `{module}`\n\n{text}\n" if text else f"## `{module}`\n"
    yield from shown


def public(tree: ast.Module) -> list[str]:
    """Return what a module's `__all__` lists."""
    return list(literal("__all__", tree) or ())


def literal(name: str, tree: ast.Module) -> Any:  # noqa: ANN401 - whatever is written there
    """Return the value that a module gives to a name; None if it gives none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None


def entry(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    """Yield heading, signature and docstring of one name; names that come from elsewhere are told there."""
    for node in tree.body:
        if isinstance(node, _Function) and node.name == name:
            yield f"### `{name}`\n\n{code(signature(node))}\n\n{prose(ast.get_docstring(node) or '')}\n"
            return
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield f"### `{name}`\n\n{code(outline(node, source))}\n\n{prose(ast.get_docstring(node) or '')}\n"
            yield from members(node)
            return
        if name in assigned(node):
            yield f"### `{name}`\n\n{code(ast.get_source_segment(source, node) or '')}\n"
            yield from said_after(node, tree)
            return


def said_after(node: ast.stmt, tree: ast.Module) -> Iterator[str]:
    """Yield the text that stands below an assignment and explains it."""
    below = tree.body[tree.body.index(node) + 1 :][:1]
    for item in below:
        if (
            isinstance(item, ast.Expr)
            and isinstance(item.value, ast.Constant)
            and isinstance(item.value.value, str)
        ):
            yield f"{prose(item.value.value)}\n"


def assigned(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns to."""
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return [target.id for target in targets if isinstance(target, ast.Name)]


def outline(node: ast.ClassDef, source: str) -> str:
    """Return a class as its reader sees it: bases, fields with their comments, how it is made."""
    lines = source.splitlines()
    head = f"class {node.name}({', '.join(map(ast.unparse, node.bases))}):".replace("():", ":")
    made = [
        f"    {line}"
        for item in node.body
        if called(item, "__init__") and node.name not in _MADE
        for line in signature(item).splitlines()
    ]
    fields = [
        line
        for item in node.body
        if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_")
        for line in lines[item.lineno - 1 : item.end_lineno]
    ]
    decorators = [f"@{ast.unparse(item)}" for item in node.decorator_list]
    return "\n".join([*decorators, head, *(fields + made or ["    ..."])])


def called(node: ast.stmt, name: str) -> bool:
    """Tell whether a statement defines a function of this name."""
    return isinstance(node, _Function) and node.name == name


def members(node: ast.ClassDef) -> Iterator[str]:
    """Yield the public methods that say something of themselves, with each way to call them."""
    ways: dict[str, list[str]] = {}
    for item in node.body:
        if not isinstance(item, _Function) or (item.name.startswith("_") and item.name != "__call__"):
            continue
        if f"{node.name}.{item.name}" in _INNER:
            continue
        if "overload" in map(ast.unparse, item.decorator_list):
            ways.setdefault(item.name, []).append(signature(item))
            continue
        text = ast.get_docstring(item)
        if text:
            name = f"{node.name}.{item.name}".removesuffix(".__call__") + (
                "()" if item.name == "__call__" else ""
            )
            shown = "\n".join(ways.get(item.name) or [signature(item)])
            yield f"#### `{name}`\n\n{code(shown)}\n\n{prose(text)}\n"


def signature(node: ast.stmt) -> str:
    """Return `def name(arguments) -> result`, broken into lines where it is long."""
    if not isinstance(node, _Function):
        return ""
    names = {ast.unparse(decorator) for decorator in node.decorator_list} & {
        "property",
        "staticmethod",
        "classmethod",
    }
    above = "".join(f"@{name}\n" for name in sorted(names))
    start = ("async " if isinstance(node, ast.AsyncFunctionDef) else "") + f"def {node.name}"
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = arguments_of(node.args)
    line = f"{start}({', '.join(arguments)}){result}"
    if len(line) > _WIDE:
        line = "\n".join([f"{start}(", *(f"    {argument}," for argument in arguments), f"){result}"])
    return above + line


def arguments_of(given: ast.arguments) -> list[str]:
    """Return the arguments as written, `self` left out."""
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    shown = [
        argument(item, default)
        for item, default in zip(positional, defaults + list(given.defaults), strict=True)
    ]
    if given.posonlyargs:
        shown.insert(len(given.posonlyargs), "/")
    if given.vararg:
        shown.append(f"*{argument(given.vararg, None)}")
    elif given.kwonlyargs:
        shown.append("*")
    shown += [
        argument(item, default) for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    ]
    if given.kwarg:
        shown.append(f"**{argument(given.kwarg, None)}")
    if shown[:1] == ["self"]:
        shown = shown[2:] if shown[1:2] == ["/"] else shown[1:]
    return shown


def argument(item: ast.arg, default: ast.expr | None) -> str:
    """Return one argument as it would be written."""
    kind = f": {ast.unparse(item.annotation)}" if item.annotation else ""
    if default is None:
        return item.arg + kind
    return f"{item.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def code(text: str) -> str:
    """Return a block; `text`, since a signature is no example to be run."""
    return f"```text\n{text}\n```"


def prose(text: str) -> str:
    """Return a docstring as Markdown: its drawings, which are indented, become blocks."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        drawn = line.startswith("    ") or (inside and not line.strip())
        if drawn != inside:
            lines.append("```text" if drawn else "```")
            inside = drawn
        lines.append(line[4:] if drawn else line)
    if inside:
        lines.append("```")
    return re.sub(r"\n+```\n", "\n```\n\n", "\n".join(lines)).strip()


def settings_page(example: str) -> str:
    """Return the table of the platform's settings, from the file that shows each with its default."""
    lines = [
        _NOTE,
        "# Settings of cinema",
        "",
        "A setting is an environment variable, or a line of `.env` in the folder where `cinema` starts. The",
        "environment wins, and an empty value is no value. A bad value, or a name that looks like one of these and",
        "is none, stops the start with one line that says what would be right. `_MS` is milliseconds, `_S` seconds.",
    ]
    for line in example.splitlines():
        title = re.fullmatch(r"# --- (.*) ---", line)
        row = re.fullmatch(r"#([A-Z][A-Z0-9_]*)=(\S*)(?:\s+# (.*))?", line)
        if title:
            heading = title[1][:1].upper() + title[1][1:]
            lines += ["", f"## {heading}", "", "| setting | default | meaning |", "|---|---|---|"]
        elif row:
            default = f"`{row[2]}`" if row[2] else "none"
            lines.append(f"| `{row[1]}` | {default} | {row[3] or ''} |")
    return "\n".join(lines) + "\n"


def stale() -> list[str]:
    """Return the pages that differ from what the sources say, and those that nothing makes any more."""
    wanted = pages()
    here = {path.name: path.read_text() for path in PAGES.glob("*.md") if path.read_text().startswith(_NOTE)}
    return sorted(name for name in wanted.keys() | here.keys() if wanted.get(name) != here.get(name))


def main() -> int:
    """Write the pages, or check them."""
    old = stale()
    if "--check" in sys.argv[1:]:
        print(
            "\n".join(f"docs/reference/{name} is not up to date: make reference" for name in old)
            or "up to date"
        )
        return bool(old)
    wanted = pages()
    PAGES.mkdir(parents=True, exist_ok=True)
    for name in old:
        if name in wanted:
            (PAGES / name).write_text(wanted[name])
        else:
            (PAGES / name).unlink()
    print("\n".join(f"wrote docs/reference/{name}" for name in old) or "up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
