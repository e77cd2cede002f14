"""A real Chromium without a window, driven by its DevTools protocol.

    async with Browser.open("chromium", folder) as browser, browser.page(width=390) as page:
        await page.go("http://127.0.0.1:8000/memes")
        await page.click("summary")
        assert page.faults == []

Each page has a profile of its own, and notes what the console calls an error and which URLs it asks for. The protocol:
https://chromedevtools.github.io/devtools-protocol/.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.servers import parental

__all__ = ["Browser", "Page"]

SECONDS = 30.0
OPTIONS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "Escape": 27}
TEXT_OF_KEYS = {"Enter": "\r", "Space": " "}


class Browser:
    """The program, and the one connection to it."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self._line = line
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._pages: dict[str, Page] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, program: str, folder: Path) -> AsyncIterator[Self]:
        """Start it with a profile in a folder; it ends with the block."""
        process = _started(program, folder)
        try:
            address = await _address(folder, process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as line,
            ):
                browser = cls(line)
                reading = asyncio.create_task(browser.read())
                yield browser
                reading.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await asyncio.to_thread(process.wait)

    async def read(self) -> None:
        """Hand answers to who asked, and events to their page."""
        async for message in self._line:
            said = json.loads(message.data)
            if "id" in said:
                asked = self._asked.pop(said["id"])
                if not asked.done():
                    asked.set_result(said)
            elif page := self._pages.get(said.get("sessionId", "")):
                page.hear(said["method"], said["params"])

    async def ask(self, method: str, session: str = "", /, **params: Any) -> Any:
        number, asked = next(self._ids), asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        where = {"sessionId": session} if session else {}
        await self._line.send_json({"id": number, "method": method, "params": params, **where})
        async with asyncio.timeout(SECONDS):
            said = await asked
        assert "error" not in said, (method, said["error"])
        return said["result"]

    @asynccontextmanager
    async def page(
        self, width: int = 1_280, height: int = 900, *, dark: bool = False, script: bool = True
    ) -> AsyncIterator["Page"]:
        """Open a page as a device of this size shows it; below 600 it is a phone."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        target = await self.ask("Target.createTarget", url="about:blank", browserContextId=context)
        session = (await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            await page.ask(f"{domain}.enable")
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        await page.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        await page.ask("Emulation.setEmulatedMedia", features=[scheme, still])
        await page.ask("Emulation.setScriptExecutionDisabled", value=not script)
        yield page
        del self._pages[session]
        await self.ask("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One page: `faults` is what its console calls an error, `asked` are the URLs that it has asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loads = 0
        self.faults: list[str] = []
        self.asked: list[str] = []

    def hear(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loads += 1
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.faults.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "assert", "warning"}:
                self.faults.append(json.dumps(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.faults.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    async def ask(self, method: str, /, **params: Any) -> Any:
        return await self._browser.ask(method, self._session, **params)

    async def go(self, url: str) -> None:
        """Open a URL, and wait until all of it is there."""
        async with self.loading():
            await self.ask("Page.navigate", url=url)

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Wait at the end of the block for the page that it has led to."""
        before = self._loads
        yield
        await self.until(lambda: self._loads > before)

    async def until(self, seen: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while not seen():
            assert time.monotonic() < end, self.faults
            await asyncio.sleep(0.01)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, whatever the page's policy and whether its scripts run."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        said = await self.ask("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def run(self, script: str) -> None:
        """Run a script that leaves nothing to be returned."""
        await self.evaluate(f"{script}\n;undefined")

    async def shows(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + SECONDS
        while not await self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < end, (expression, self.faults)
            await asyncio.sleep(0.02)

    async def click(self, selector: str) -> None:
        """Click with the mouse in the middle of an element."""
        x, y = await self._middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def _middle(self, selector: str) -> tuple[float, float]:
        found = f"document.querySelector({json.dumps(selector)})"
        await self.run(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = await self.evaluate(
            f"(box => [box.x + box.width / 2, box.y + box.height / 2])({found}.getBoundingClientRect())"
        )
        return box[0], box[1]

    async def write(self, selector: str, text: str) -> None:
        """Click into a field, and write in place of what is in it."""
        await self.click(selector)
        await self.run(f"document.querySelector({json.dumps(selector)}).select()")
        await self.ask("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """Press a key: Tab, Enter, Space or Escape."""
        pressed = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": TEXT_OF_KEYS[key]} if key in TEXT_OF_KEYS else {}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **pressed, **text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **pressed)

    async def choose(self, selector: str, file: Path) -> None:
        """Choose a file."""
        root = (await self.ask("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.ask("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.ask("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    async def drawn(self) -> bytes:
        """Return what it looks like, from its beginning to its end, as a PNG."""
        taken = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])


def _started(program: str, folder: Path) -> "subprocess.Popen[bytes]":
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [*parental(), program, *OPTIONS, *sandbox, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, process_group=0)


async def _address(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    """Wait for the file in which it says where it listens."""
    end = time.monotonic() + SECONDS
    while len(said := _said(folder / "DevToolsActivePort")) < 2:
        assert process.poll() is None, _said(folder / "log")[-3:]
        assert time.monotonic() < end, _said(folder / "log")[-3:]
        await asyncio.sleep(0.02)
    port, path = said
    return f"ws://127.0.0.1:{port}{path}"


def _said(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines() if file.exists() else []
