"""A gateway in a process of its own whose kept answers leave at the door: each is counted and logged."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import free_port

pytestmark = pytest.mark.live

APP = """
from stagedoor import Cache, Gateway

app = Gateway("shop")

@app.get("/kept/{name}", cache=Cache(max_age=60, tags=["kept:{name}"]), etag=True)
async def kept(name: str) -> dict[str, str]:
    return {"name": name, "text": "x" * 1_800}

@app.post("/kept/{name}", purges=["kept:{name}"])
async def change(name: str) -> dict[str, str]:
    return {"name": name}
"""
CONNECTIONS, EACH = 8, 250


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Run the gateway until the block ends, with its log in a file."""
    (folder / "near_shop.py").write_text(APP)
    port = free_port()
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, "-m", "stagedoor", "run", "near_shop:app", "--port", str(port)]
        child = subprocess.Popen(argv, cwd=folder, stdout=log, env={**os.environ, "PYTHONPATH": str(folder)})
        try:
            _wait(port)
            yield port
        finally:
            child.terminate()
            assert child.wait(60) == 0


def _wait(port: int, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the gateway does not answer")


async def _ask(port: int, number: int) -> list[bytes]:
    """Ask over one connection, every other time with a head like no other; return the status lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses = []
    for count in range(EACH):
        own = f"X-Request-ID: {number}-{count}\r\n" if count % 2 else ""
        writer.write(f"GET /kept/a HTTP/1.1\r\nHost: a\r\n{own}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        statuses.append(head.partition(b"\r\n")[0])
    writer.close()
    return statuses


async def _asked(port: int) -> list[bytes]:
    told = await asyncio.gather(*[_ask(port, number) for number in range(CONNECTIONS)])
    return [status for each in told for status in each]


def test_answers_lines_and_counts_are_equal_in_number(tmp_path: Path) -> None:
    """Issue 17: nothing is dropped, whoever answers, and a line has the id that came in."""
    with serving(tmp_path) as port:
        statuses = asyncio.run(_asked(port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            metrics = page.read().decode()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    told = [line for line in lines if line.get("route") == "/kept/{name}"]

    assert statuses == [b"HTTP/1.1 200 OK"] * (CONNECTIONS * EACH)
    assert f'endpoint="/kept/{{name}}",method="GET",status="200"}} {CONNECTIONS * EACH}.0' in metrics
    assert len(told) == CONNECTIONS * EACH
    assert {line["request_id"] for line in told} >= {f"3-{count}" for count in range(1, EACH, 2)}
