"""The pages in a real Chromium: the wall is used as people do, and everybody can use it (issue 13).

What each page looks like lies in `reports/wall` afterwards.
"""

import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from bench import node
from cinema.settings import Settings
from cinema.stack.parts import parts_of
from cinema.stack.terminal import table_of
from tests.live.browser import Browser, Page
from tests.live.platform import PATIENT, ROOT, Platform, seeded, until
from tests.servers import LOOPBACK
from tests.tools import tool_of

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow, pytest.mark.timeout(400)]

AXE = Path(__file__).parent / "axe"
REPORTS = ROOT / "reports" / "wall"
LOOKS = {"desktop": (1_280, 900, "light"), "phone": (390, 844, "light"), "dark": (1_280, 900, "dark")}
# What is grave, in the words of axe; the rest is advice.
GRAVE = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.target.join(" ")).join(", ")}`))"""


@pytest.fixture(scope="module")
def chromium() -> str:
    """Find the browser, and what installs what judges pages."""
    tool_of("npm", "npm")
    return tool_of("chromium", "chromium")


@pytest.fixture(scope="module")
def platform(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Give a wall of twelve memes behind a gateway."""
    folder = tmp_path_factory.mktemp("wall")
    given: dict[str, str | float] = {"MEDIA_TOKEN": "shared", "GATEWAY_RATE_LIMIT": "0", **PATIENT}
    with Platform(folder, seeded(folder), **given) as platform:
        platform.start("media", "memes", "gateway")
        until(lambda: platform.get("/api/memes").headers.get("x-total-count") == "12")
        yield platform


@pytest.fixture
async def browser(chromium: str, tmp_path: Path) -> AsyncIterator[Browser]:
    (tmp_path / "profile").mkdir()
    async with Browser.open(chromium, tmp_path / "profile") as browser:
        yield browser


@pytest.fixture(scope="module")
def axe(chromium: str) -> str:
    """Give the program that judges pages."""
    node.install(AXE)
    return (AXE / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Give a picture to be chosen, large enough that its way can be seen."""
    file = io.BytesIO()
    Image.frombytes("RGB", (900, 600), os.urandom(900 * 600 * 3)).save(file, "PNG")
    path = tmp_path / "noise.png"
    path.write_bytes(file.getvalue())
    return path


def url(platform: Platform, path: str) -> str:
    return f"http://{LOOPBACK}:{platform.port}{path}"


def foreign(page: Page, platform: Platform) -> list[str]:
    """Return what the page has asked of anybody but us."""
    ours = {f"{LOOPBACK}:{platform.port}", ""}
    return [one for one in page.asked if urlsplit(one).netloc not in ours]


def keep(name: str, drawn: bytes) -> None:
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{name}.png").write_bytes(drawn)


def titled(title: str) -> str:
    """Return the expression of the card with a title."""
    return f"[...document.querySelectorAll('.card')].find(one => one.querySelector('h2').textContent === '{title}')"


async def add(page: Page, picture: Path, title: str) -> None:
    """Fill in the form that adds a meme, and send it."""
    await page.click(".panel > summary")
    await page.choose(".panel input[type=file]", picture)
    await page.write("#title-new", title)
    await page.write("#description-new", "drawn by chance")


async def opened(page: Page, title: str, *summaries: str) -> str:
    """Open a card's forms; return a selector of the card."""
    card = f"#{await page.evaluate(f'{titled(title)}.id')}"
    for summary in summaries:
        await page.click(f"{card} {summary}")
    return card


CHANGE = "details > summary"
PICTURE, DELETE = "details details:nth-of-type(1) > summary", "details details:nth-of-type(2) > summary"


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_the_wall_takes_changes_and_removes_a_meme(
    platform: Platform, browser: Browser, picture: Path, *, script: bool
) -> None:
    """Issue 13: all that a person does there, and neither a fault in the console nor a request to anybody else."""
    async with browser.page(script=script) as page:
        await page.go(url(platform, "/memes"))
        await add(page, picture, "Written first")
        if script:
            await page.shows("document.querySelector('.panel .preview').naturalWidth === 900")
        async with page.loading():
            await page.click(".panel button")
        await page.shows(f"{titled('Written first')}.querySelector('img').naturalWidth === 320")

        card = await opened(page, "Written first", CHANGE)
        await page.write(f"{card} input[name=title]", "Written then")
        async with page.loading():
            await page.click(f"{card} form[action$=edit] button")
        first = await page.evaluate(f"{titled('Written then')}.querySelector('img').src")

        card = await opened(page, "Written then", CHANGE, PICTURE)
        await page.choose(f"{card} input[type=file]", picture)
        async with page.loading():
            await page.click(f"{card} form[action$=image] button")
        await page.shows(f"{titled('Written then')}.querySelector('img').naturalWidth === 320")
        then = await page.evaluate(f"{titled('Written then')}.querySelector('img').src")

        card = await opened(page, "Written then", CHANGE, DELETE)
        async with page.loading():
            await page.click(f"{card} form[action$=delete] button")
        gone = await page.evaluate(f"!{titled('Written then')}")

        assert first != then
        assert gone
        assert page.faults == []
        assert foreign(page, platform) == []


async def test_a_refused_upload_is_told_where_it_was_sent(
    platform: Platform, browser: Browser, tmp_path: Path
) -> None:
    """Issue 13: with script what was written stays; the words are a person's."""
    (tmp_path / "not.png").write_bytes(b"not a picture")
    async with browser.page() as page:
        await page.go(url(platform, "/memes"))
        await add(page, tmp_path / "not.png", "No picture")
        await page.click(".panel button")
        await page.shows("document.querySelector('#status-new').textContent.includes('picture')")

        assert await page.evaluate("document.querySelector('#title-new').value") == "No picture"
        assert not await page.evaluate("document.querySelector('.panel button').disabled")


async def test_the_wall_is_used_with_the_keyboard_alone(platform: Platform, browser: Browser) -> None:
    """Issue 13: the first stop leads past everything else; forms open and close; what has the focus is seen."""
    async with browser.page() as page:
        await page.go(url(platform, "/memes"))
        await page.press("Tab")
        skip = await page.evaluate("document.activeElement.textContent")
        await page.press("Tab")
        outlined = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        await page.press("Enter")
        is_open = await page.evaluate("document.querySelector('.panel').open")
        for _ in range(2):
            await page.press("Tab")

        assert skip == "Skip to the memes"
        assert (outlined, is_open) == ("solid", True)
        assert await page.evaluate("document.activeElement.id") == "title-new"


@pytest.mark.parametrize("path", ["/memes", "/"])
async def test_axe_finds_nothing_grave(platform: Platform, browser: Browser, axe: str, path: str) -> None:
    """Issue 13: on any device and in either scheme, closed and open; what it looks like is kept."""
    for look, (width, height, scheme) in LOOKS.items():
        async with browser.page(width, height, dark=scheme == "dark") as page:
            await page.go(url(platform, path))
            await page.run("document.querySelectorAll('img').forEach(one => { one.loading = 'eager' })")
            await page.shows("[...document.images].every(one => one.complete)")
            name = f"{path.strip('/') or 'start'}-{look}"
            keep(name, await page.drawn())
            await page.run(axe)
            found = await page.evaluate(GRAVE)
            await page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
            keep(f"{name}-open", await page.drawn())
            found += await page.evaluate(GRAVE)
            wider = await page.evaluate("document.documentElement.scrollWidth > innerWidth")

            assert (name, found, wider) == (name, [], False)
            assert page.faults == []
            assert foreign(page, platform) == []


async def test_pages_of_documents_need_nobody_else(platform: Platform, browser: Browser) -> None:
    """Contract 8: they draw themselves without the internet, and the console is silent."""
    for path in ("/docs", "/redoc"):
        async with browser.page() as page:
            await page.go(url(platform, path))
            await page.shows("/Show one meme|v1.films/.test(document.body.innerText)")

            assert page.faults == []
            assert foreign(page, platform) == []


# How Swagger UI and ReDoc nest their controls and name their selects is theirs; colours, titles and language are ours.
THEIRS = frozenset({"nested-interactive", "select-name"})


@pytest.mark.long
@pytest.mark.parametrize(("path", "title"), [("/docs", "Try the API of"), ("/redoc", "The API of")])
async def test_axe_finds_nothing_grave_in_documents_where_we_decide(
    platform: Platform, browser: Browser, axe: str, path: str, title: str
) -> None:
    """Issue 16, B7: read by everybody; the dark mode turns the light round, which keeps its contrasts."""
    for dark in (False, True):
        async with browser.page(dark=dark) as page:
            await page.go(url(platform, path))
            await page.shows("/Show one meme|v1.films/.test(document.body.innerText)")
            keep(f"{path.strip('/')}-{'dark' if dark else 'light'}", await page.drawn())
            turned = await page.evaluate("getComputedStyle(document.querySelector('main')).filter !== 'none'")
            await page.run("document.querySelector('main').style.filter = 'none'")
            await page.run(axe)
            found = [one for one in await page.evaluate(GRAVE) if one.partition(":")[0] not in THEIRS]

            assert turned == dark
            assert (await page.evaluate("document.title")).startswith(title)
            assert (dark, found) == (dark, [])


@pytest.mark.long
async def test_the_table_of_cinema_up_is_kept_as_a_picture(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 16, B6: calm, whole and in colours, as a terminal of 100 columns shows it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    *services, gateway = parts_of(Settings())
    states = dict.fromkeys((part.name for part in (gateway, *services)), "ready")
    paper = Console(record=True, file=io.StringIO(), width=100)
    paper.print(Text.from_ansi(table_of(gateway, services, states, "cinema is ready")))
    (tmp_path / "table.html").write_text(paper.export_html(theme=MONOKAI))

    async with browser.page(1_000, 420) as page:
        await page.go((tmp_path / "table.html").as_uri())
        keep("cinema-up", await page.drawn())
        lines = (await page.evaluate("document.body.innerText")).splitlines()

    assert [name for name in states if not any(name in line and "ready" in line for line in lines)] == []
