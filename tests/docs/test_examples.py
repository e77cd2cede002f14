"""Every example of every page is executed: an example that does not run teaches something false."""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from cinema.gateway.app import build
from cinema.settings import Settings
from stagedoor import Settings as GatewaySettings
from stagedoor._guards.sessions.settings import SESSIONS
from stagedoor._web.routes import UNMATCHED, Router
from tests.docs import pages, typed
from tests.docs.pages import ROOT, Block, blocks, blocks_of, commands, name_of

PAGES = pages.pages()
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
GENERATED = "<!-- made by `make reference`"


def slug(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield where each link of a page leads: file, anchor, and the link as written; foreign ones are left out."""
    for link in _LINK.findall(prose(page)):
        if not link.startswith(("http://", "https://", "mailto:")):
            path, _, anchor = link.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor, link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings; of equal ones each but the first is numbered."""
    slugs = [slug(line.lstrip("#")) for line in prose(page).splitlines() if line.startswith("#")]
    return {f"{one}-{slugs[:at].count(one)}" if one in slugs[:at] else one for at, one in enumerate(slugs)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_example_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in order, as its reader would type them, and print what the page says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    pages.run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    """A page never tells its reader to type what is not there."""
    shown = [command for block in blocks(page) if block.kind == "console" for command, _ in commands(block)]

    assert [command for command in shown if not pages.understood(command)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links are relative, their files exist, and their anchors are headings there."""
    broken = [
        link
        for there, anchor, link in links(page)
        if not there.exists() or (anchor and anchor not in anchors(there))
    ]

    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    """A page that nobody is led to is one that nobody keeps true."""
    reached: set[Path] = set()
    ahead = [ROOT / "README.md", ROOT / "docs/README.md"]  # the README links the folder
    while ahead:
        page = ahead.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            ahead += [there for there, _, _ in links(page) if there.is_file()]

    assert [name_of(page) for page in PAGES if page not in reached] == []


def test_every_block_of_every_page_is_run_or_says_why_not() -> None:
    """12.5: each is run, compared, typed in or parsed, or it is a fragment with a reason; none is only shown."""
    loose = [
        f"{name_of(page)}:{block.line}: {why}"
        for page in PAGES
        if not page.read_text().startswith(GENERATED)
        for before, block in pairwise([Block((), "", 0), *blocks(page)])
        if (why := pages.unheld(block, before.kind))
    ]

    assert loose == []


@pytest.mark.parametrize(
    "words", ["", "text", "pyhton", "graphql", "python fragment", "python fragment (no)", "output"]
)
def test_a_block_that_nobody_runs_is_found(words: str) -> None:
    """12.5: a misspelt kind, a fragment without a reason, an output of nothing."""
    assert pages.unheld(Block(tuple(words.split()), "", 1), "console") != ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_block_reaches_the_type_checker(page: Path) -> None:
    """12.5: `make types` reads what the pages show, line by line."""
    modules = "".join(typed.modules_of(page).values())
    run = [block for block in blocks(page) if block.kind == "python" and "fragment" not in block.words]
    lines = [
        line for block in run for line in block.text.splitlines() if not re.match(r"\s*(from|import) ", line)
    ]

    assert [line for line in lines if line not in modules] == []


def test_only_pages_that_extend_the_kit_import_what_is_not_public() -> None:
    """12.5: how-tos and the guide stand on the face; whoever writes a transport needs more, and those pages say so."""
    extend = (pages.HOW_TO.read_text().partition("## Extend it")[2]).partition("## cinema")[0]
    exempt = {
        pages.HOW_TO,
        *((pages.HOW_TO.parent / name) for name in re.findall(r"\]\(([\w-]+\.md)\)", extend)),
    }
    public = re.compile(r"stagedoor(\.(policies|testing|search|errors))?")
    inner = [
        (name_of(page), module)
        for page in PAGES
        if page.parent.name in {"guide", "how-to", "coming-from"} and page not in exempt
        for block in blocks(page)
        if block.kind == "python"
        for module in re.findall(r"^\s*(?:from|import) (stagedoor[\w.]*)", block.text, re.MULTILINE)
        if not public.fullmatch(module)
    ]

    assert inner == []


def test_a_module_of_a_page_is_not_that_of_another(tmp_path: Path) -> None:
    """12.5: every page has its own `shop.py`."""
    page = pages.ROOT / "docs/tutorial.md"
    found = typed.modules_of(page)

    assert set(found) == {f"docs_tutorial__{name}.py" for name in ("shop", "services", "test_shop")}
    assert "from docs_tutorial__shop import Home, accounts" in found["docs_tutorial__test_shop.py"]


def test_every_file_that_the_architecture_names_exists() -> None:
    """Its table answers where something lives, and truly."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(
        r"`((?:cinema|stagedoor)/[\w/]*(?:\.py)?|[\w/]+\.py)`", page
    )  # short ones are named nowhere

    assert [path for path in named if not (ROOT / "src" / path).exists()] == []
    assert len([path for path in named if path.endswith(".py")]) > 100


def test_every_folder_is_a_room_of_the_architecture() -> None:
    """12.5: a stranger finds the room first, then the file."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = set(re.findall(r"`((?:cinema|stagedoor)/\w+/)`", page))
    there = {
        f"{file.parent.parent.name}/{file.parent.name}/" for file in (ROOT / "src").glob("*/*/__init__.py")
    }

    assert rooms == there


def test_every_address_to_try_is_served() -> None:
    """What the README tells its reader to ask for has a route."""
    router = Router(build(Settings()).inspected().routes)
    paths = re.findall(r"localhost:8000(/[^\s?']*)", (ROOT / "README.md").read_text())

    assert [path for path in paths if router.match("GET", path.encode()).route.path == UNMATCHED] == []
    assert paths != []


def test_every_setting_and_metric_that_a_page_names_exists() -> None:
    """Names in prose go stale first."""
    text = "\n".join(prose(page) for page in PAGES)
    settings = set(re.findall(r"`((?:GATEWAY|REDIS|LOG|DATABASE|SEARCH|MEDIA|GHIBLI)_[A-Z0-9_]+)", text))
    metrics = set(re.findall(r"`(\w+_(?:total|duration_seconds|breaker_state))\b", text))

    assert settings - {name.upper() for name in Settings.model_fields} == set()
    assert metrics - {row.split("`")[1] for row in rows_of(ROOT / "docs/reference/metrics.md")} == set()


def test_every_setting_of_a_gateway_that_a_page_names_exists() -> None:
    """`SHOP_...` is read by name: a page that misspells it would set nothing. Some are shown because they are none."""
    none = {"RATE_LIMT", "CARTS_SERVICE_HOST", "CARTS_PORT"}
    named = {name for page in PAGES for name in re.findall(r"\bSHOP_([A-Z_]*[A-Z])\b", page.read_text())}
    known = {one.name.upper() for one in fields(GatewaySettings)}
    of_sessions = {f"WEB_{name}" for name, _, _ in SESSIONS}

    assert [name for name in named - known - of_sessions - none if not name.endswith("_URL")] == []
    assert [
        name for name in known if f"`SHOP_{name}`" not in (ROOT / "docs/guide/settings.md").read_text()
    ] == []


def rows_of(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith("| `")]


def test_blocks_are_found_with_their_words_and_lines() -> None:
    """The reader of pages, on a page of its own."""
    text = "a\n```python fragment\nx = 1\n```\n```\nplain\n```\n"

    assert blocks_of(text) == [Block(("python", "fragment"), "x = 1\n", 3), Block((), "plain\n", 6)]


@pytest.mark.parametrize(
    "command", ["make nothing", "cinema nothing", "stagedoor check --nothing app:app", "cinema"]
)
def test_a_command_that_does_not_exist_is_noticed(command: str) -> None:
    """Nothing passes because nobody looked."""
    assert not pages.understood(command)


def test_a_page_that_is_wrong_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A false output, a failing test of a shown file, a fragment that imports what is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    wrong = {
        "output.md": "```python\nprint(1)\n```\n```output\n2\n```\n",
        "failing.md": "```python\n# test_shown.py\ndef test_it(clock):\n    assert clock.now() == 0\n```\n",
        "fragment.md": "```python fragment\nfrom stagedoor._call import Nothing\n```\n",
    }
    for name, text in wrong.items():
        page = tmp_path / name
        page.write_text(text)
        with pytest.raises((AssertionError, ImportError)):
            pages.run_page(page, tmp_path)
