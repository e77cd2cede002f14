"""Write docs/reference/ from the docstrings, or with `--check` say which pages are not up to date.

A page for `stagedoor` and one for each of its public submodules: every name of its `__all__`, wherever it lives, with
its signature and docstring, below a table of what each is for. All else is the kit's own, and in no page. The sources
are read, not imported: a page depends on nothing but the text it is made of. Settings come from `.env.example`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "src/stagedoor"
SETTINGS = ROOT / ".env.example"
PAGES = ROOT / "docs/reference"
PUBLIC = ("stagedoor", "stagedoor.policies", "stagedoor.testing", "stagedoor.search", "stagedoor.errors")
GROUPS = {  # in the order in which a reader meets them
    "stagedoor": {
        "Declare": "Gateway Service Aggregate Cache tag OrFallback batched Backend Extension",
        "Say who may come in": "Guard Jwt ApiKeys Sessions JwtSettings ApiKeySettings SessionSettings",
        "Read what a client sent": "Header Cookie Query Headers Last",
        "What a handler answers": "Answer Problem NotFound Response Stream Operation",
        "Serve and set": "serve Settings DocumentSet",
        "Look at a gateway at work": "Running Result Verdict Report Delivery Component",
        "Write a policy or a transport": "Call Send Policy Transport Store Env Event",
    },
    "stagedoor.policies": {
        "Round every service, outermost first": "Retry CircuitBreaker AdaptiveLimit Bulkhead Timeout",
        "Where you want them": "Deadline Hedge Cached SingleFlight Budget Account Policy",
        "Round any function": "retry circuit_breaker",
    },
    "stagedoor.search": {
        "Declare an index": "Index Keyword Text Number Integer Date Boolean Nested Field Shorter Higher More",
        "Ask": "Query Term AnyOf Between Exists Phrase Match Begins Same Not Either All Clause Order Result Document "
        "Scalar ID WINDOW",
        "Write an engine": "Engine Writer Put Delete Ready Change Prepare Refused WriterError",
    },
    "stagedoor.errors": {
        "Your mistake": "StagedoorError ConfigError",
        "A call that brought no value": "UpstreamError UpstreamTimeout UpstreamUnavailable CircuitOpen Overloaded "
        "UpstreamRejected UpstreamGarbled Reason",
    },
    "stagedoor.testing": {
        "Run a gateway with scripted services": "Stage Script Asked Reply",
        "Test a policy or a transport": "ManualClock settle ScriptedTransport call_of Faults Events Client",
    },
}
_NOTE = "<!-- made by `make reference` from the sources: change those -->\n"
_WIDE = 100  # columns beyond which a signature is broken into lines
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# What a gateway makes, not its users, and what the kit's own modules ask of a gateway.
_MADE = "Aggregate Backend Delivery Guard Headers Response Result Running Service Stream Verdict"
_INNER = {
    "Account": "account draw earn",
    "Aggregate": "name",
    "Answer": "private",
    "Backend": "transport",
    "Cache": "key_of names tagged",
    "Cached": "name_of tags_of",
    "Gateway": "all_guards all_lifespans all_services all_sources inspected lifespan_of looked_at made own_paths "
    "served serving",
    "Guard": "authenticator given missing prefix security variables",
    "Sessions": "built",
    "SessionSettings": "origin",
    "JwtSettings": "pinned",
    "Operation": "documentation parameters",
    "Problem": "said",
    "Running": "drain opened refused remote remotes screen source sourcings",
    "Service": "pass_on sees_credentials",
    "Settings": "form level networks quota quotas",
    "Stage": "failed",
    "Script": "hear word",
    "Stream": "aclose",
}
# What the kit asks of every policy and transport: told once, of `Policy` and `Transport`.
_PLUMBING = frozenset({"aclose", "cost", "idempotent", "key_of", "send", "wrap"})


def pages() -> dict[str, str]:
    """Return every generated page by its file name."""
    found = {f"{name.rpartition('.')[2]}.md": page(name) for name in PUBLIC}
    return found | {"settings.md": settings_page(SETTINGS.read_text())}


def page(module: str) -> str:
    """Return the page of one public module: what it is for, a table of its names, then each name."""
    tree = ast.parse(file_of(module).read_text())
    names, homes = literal("__all__", tree), homes_of(module, tree)
    lines = [_NOTE, f"# `{module}`", "", prose(ast.get_docstring(tree) or ""), ""]
    anchors = anchors_of([name for _, group in grouped(names, GROUPS.get(module, {})) for name in group])
    for heading, group in grouped(names, GROUPS.get(module, {})):
        lines += [*([f"## {heading}", ""] if heading else []), "| name | what it is |", "|---|---|"]
        lines += [f"| [`{name}`](#{anchors[name]}) | {gist(name, homes)} |" for name in group] + [""]
        lines += [line for name in group for line in entry(name, *homes[name])]
    return "\n".join(lines).rstrip() + "\n"


def anchors_of(names: list[str]) -> dict[str, str]:
    """Return the anchor of each heading: in lower case, numbered where an earlier one has it already."""
    lower = [name.lower() for name in names]
    return {
        name: f"{low}-{lower[:at].count(low)}" if low in lower[:at] else low
        for at, (name, low) in enumerate(zip(names, lower, strict=True))
    }


def grouped(names: list[str], groups: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return headings with their names, as readers look for them; what no group has comes last."""
    found = [
        (heading, [name for name in group.split() if name in names]) for heading, group in groups.items()
    ]
    placed = {name for _, group in found for name in group}
    left = [name for name in names if name not in placed]
    return [*found, ("More" if groups else "", left)] if left else found


def file_of(module: str) -> Path:
    """Return the file of a module or package of the kit."""
    path = KIT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def homes_of(module: str, tree: ast.Module) -> dict[str, tuple[ast.Module, str]]:
    """Return where each public name of a module is defined: the syntax tree, and its source."""
    places = literal("_PLACES", tree) or {
        node.module: [one.name for one in node.names]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stagedoor")
    }
    homes = {name: home for home, names in places.items() for name in names}
    sources = {name: file_of(homes.get(name, module)).read_text() for name in literal("__all__", tree)}
    return {name: (ast.parse(source), source) for name, source in sources.items()}


def gist(name: str, homes: dict[str, tuple[ast.Module, str]]) -> str:
    """Return the first sentence that is said of a name: by its docstring, below it, or behind it."""
    tree, source = homes[name]
    for node in tree.body:
        if isinstance(node, _Function | ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if name in assigned(node):
            behind = source.splitlines()[node.lineno - 1].partition("  # ")[2]
            return next(said_after(node, tree), behind).partition("\n")[0].replace("|", "\\|")
    return ""


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
            behind = list(unlisted_bases(node, tree, source))
            told = "\n\n".join(prose(ast.get_docstring(one) or "") for one, _ in [(node, source), *behind])
            yield f"### `{name}`\n\n{code(outline(node, source, behind))}\n\n{told.strip()}\n"
            yield from members(node, [base for base, _ in behind])
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
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def unlisted_bases(node: ast.ClassDef, tree: ast.Module, source: str) -> Iterator[tuple[ast.ClassDef, str]]:
    """Yield the bases of a class that no page tells of: what they have is told of the class itself."""
    places = {
        one.name: item.module
        for item in tree.body
        if isinstance(item, ast.ImportFrom) and (item.module or "").startswith("stagedoor.")
        for one in item.names
    }
    for name in [name for name in map(ast.unparse, node.bases) if name not in told_elsewhere()]:
        text = file_of(places[name] or "").read_text() if name in places else source
        module = ast.parse(text)
        for item in module.body:
            if isinstance(item, ast.ClassDef) and item.name == name:
                yield item, text
                yield from unlisted_bases(item, module, text)


@cache
def told_elsewhere() -> frozenset[str]:
    """Return every public name."""
    return frozenset(
        name for module in PUBLIC for name in literal("__all__", ast.parse(file_of(module).read_text()))
    )


def outline(node: ast.ClassDef, source: str, behind: list[tuple[ast.ClassDef, str]]) -> str:
    """Return a class as its reader sees it: bases, fields with their comments, how it is made."""
    unlisted = {base.name for base, _ in behind}
    bases = ", ".join(name for name in map(ast.unparse, node.bases) if name not in unlisted)
    head = f"class {node.name}({bases}):".replace("():", ":")
    inits = [
        item for one in [node, *(base for base, _ in behind)] for item in one.body if called(item, "__init__")
    ]
    shown = inits[:1] if node.name not in _MADE.split() else []
    made = [f"    {line}" for item in shown for line in signature(item).splitlines()]
    fields = [line for one, text in [*behind, (node, source)] for line in fields_of(one, text)]
    decorators = [f"@{ast.unparse(item)}" for item in node.decorator_list]
    return "\n".join([*decorators, head, *(fields + made or ["    ..."])])


def fields_of(node: ast.ClassDef, source: str) -> list[str]:
    """Return the lines of a class that declare fields, but for those of the kit's own use."""
    lines = source.splitlines()
    return [
        line
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and not ast.unparse(item.target).startswith("_")
        and not ast.unparse(item.annotation).startswith("ClassVar[bool]")
        for line in lines[item.lineno - 1 : item.end_lineno]
    ]


def called(node: ast.stmt, name: str) -> bool:
    """Tell whether a statement defines a function of this name."""
    return isinstance(node, _Function) and node.name == name


def members(node: ast.ClassDef, behind: list[ast.ClassDef]) -> Iterator[str]:
    """Yield the public methods that say something of themselves, with each way to call them."""
    ways: dict[str, list[str]] = {}
    inner = _INNER.get(node.name, "").split()
    for item in [item for one in [*reversed(behind), node] for item in one.body]:
        if not isinstance(item, _Function) or (item.name.startswith("_") and item.name != "__call__"):
            continue
        if item.name in inner or (item.name in _PLUMBING and not is_protocol(node)):
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


def is_protocol(node: ast.ClassDef) -> bool:
    """Tell whether a class says what others have to have."""
    return any(ast.unparse(base).startswith("Protocol") for base in node.bases)


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
