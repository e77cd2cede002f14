"""The door in processes of its own: signals, workers, and many connections."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers import free_port

pytestmark = pytest.mark.live

APP = """
import asyncio, os, pathlib, sys, time
from stagedoor._door import ServerHooks, serve

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if pathlib.Path(__file__).with_name("broken").exists():
            await send({"type": "lifespan.startup.failed", "message": "broken"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("closed", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        if float(scope["query_string"] or 1) >= 1:
            print("slow", flush=True)
        await asyncio.sleep(float(scope["query_string"] or 1))
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

def make():
    slow = pathlib.Path(__file__).with_name("slow")  # how many seconds the next start takes
    time.sleep(float(slow.read_text()) if slow.exists() else 0.0)
    return ServerHooks(app=app, drain=lambda: print("draining", flush=True))

if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    os.environ["PYTHONPATH"] = sys.path[0]
    serve(factory="door_app:make", port=port, workers=workers)
"""


def fetch(port: int, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        body: bytes = answer.read()
        return body


class Process:
    def __init__(self, popen: "subprocess.Popen[str]", port: int) -> None:
        self.popen = popen
        self.port = port


@contextmanager
def running(folder: os.PathLike[str], workers: int = 1) -> Iterator[Process]:
    script = os.path.join(folder, "door_app.py")  # noqa: PTH118
    with open(script, "w") as file:  # noqa: PTH123
        file.write(APP)
    port = free_port()
    popen = subprocess.Popen(
        [sys.executable, script, str(port), str(workers)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for _ in range(1_200):
            with contextlib.suppress(OSError):
                fetch(port)
                break
            time.sleep(0.1)
        yield Process(popen, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.communicate()


def ask_slowly(process: Process, seconds: float) -> socket.socket:
    """Ask for what takes so long; return once that has begun."""
    client = socket.create_connection(("127.0.0.1", process.port))
    client.sendall(b"GET /slow?%f HTTP/1.1\r\nHost: a\r\n\r\n" % seconds)
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == "slow\n"
    return client


def test_x6_a_stop_finishes_what_is_under_way_and_exits_with_0(tmp_path: os.PathLike[str]) -> None:
    """X6: SIGTERM; the request under way is answered, the lifespan ends, the exit code is 0."""
    with running(tmp_path) as process:
        client = ask_slowly(process, 1.0)
        process.popen.send_signal(signal.SIGTERM)
        answer = client.recv(65_536)
        client.close()
        code = process.popen.wait(timeout=60)
        said = process.popen.stdout.read() if process.popen.stdout else ""

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert code == 0
    assert said.split() == ["draining", "closed"]


def test_x6_a_second_signal_stops_at_once(tmp_path: os.PathLike[str]) -> None:
    """X6: who asks twice does not want to wait."""
    with running(tmp_path) as process:
        client = ask_slowly(process, 30.0)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        started = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        process.popen.wait(timeout=60)
        took = time.monotonic() - started
        client.close()

    assert took < 8.0  # the grace is two seconds longer


def test_several_workers_share_a_port_and_leave_no_orphan(tmp_path: os.PathLike[str]) -> None:
    """GATEWAY_WORKERS: each is a process of its own; a stop takes all of them along."""
    with running(tmp_path, workers=2) as process:
        workers = {int(fetch(process.port)) for _ in range(200)}
        process.popen.send_signal(signal.SIGTERM)
        code = process.popen.wait(timeout=60)

    assert process.popen.pid not in workers
    assert code == 0
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        found = re.search(r"VmRSS:\s+(\d+) kB", file.read())
    assert found is not None
    return int(found[1]) * 1_024


def descriptors() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if soft != hard else soft


@pytest.mark.slow
@pytest.mark.skipif(descriptors() < 11_000, reason="the system allows fewer than 11,000 descriptors")
def test_a12_ten_thousand_idle_connections_cost_little_and_keep_nobody_out(
    tmp_path: os.PathLike[str],
) -> None:
    """10,000 connections: none refused, others answered, under 16 kB of memory each."""
    with running(tmp_path) as process:
        fetch(process.port)
        before = resident(process.popen.pid)
        clients = []
        for number in range(10_000):
            client = socket.create_connection(("127.0.0.1", process.port))
            if number % 2:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            clients.append(client)
        answered = [client.recv(1_024)[:13] for client in clients[1::2]]
        started = time.monotonic()
        fetch(process.port)
        took = time.monotonic() - started
        each = (resident(process.popen.pid) - before) / len(clients)
        for client in clients:
            client.close()

    print(json.dumps({"bytes_per_connection": round(each), "answer_s": round(took, 4)}))
    assert set(answered) == {b"HTTP/1.1 200 "}
    assert took < 10.0
    assert each < 16_384
