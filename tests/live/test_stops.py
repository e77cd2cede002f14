"""A stop in the middle of traffic loses nobody: one worker, several, and each way one of them is replaced (F2)."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.kinds import kinds
from tests.live.test_door import Process, ask_slowly, fetch, running

pytestmark = pytest.mark.live

ASKED = b"GET /slow?0.005 HTTP/1.1\r\nHost: a\r\n\r\n"


class Clients:
    """Clients that keep their connections as long as they may, and begin anew until nobody lets them in."""

    def __init__(self, port: int, size: int) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self.pids: Counter[int] = Counter()
        self.stopped = False
        self.met: set[asyncio.StreamWriter] = set()  # the connections that have been answered
        self._clients = [asyncio.create_task(self._visit()) for _ in range(size)]

    async def _visit(self) -> None:
        while not self.stopped:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.seen["refused"] += 1
                return
            try:
                while await self._ask(reader, writer) and not self.stopped:
                    pass
            except (OSError, asyncio.IncompleteReadError):
                self.seen["cut"] += 1
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(ASKED)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        self.pids[int(await reader.readexactly(int(length)))] += 1
        last = b"connection: close" in head
        self.seen["last" if last else "answered"] += 1
        self.met.add(writer)
        return not last

    async def served(self) -> None:
        """Wait until each has been answered."""
        async with asyncio.timeout(60.0):
            while len(self.met) < len(self._clients):  # noqa: ASYNC110 - the other side is another process
                await asyncio.sleep(0.02)

    async def gone(self, *, seconds: float = 60.0) -> None:
        """Wait until all have left."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._clients)


def workers_of(process: Process) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.popen.pid).children() if serves(child)]


def serves(child: psutil.Process) -> bool:
    """Tell a worker from the tracker of resources, and from one that has ended."""
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one
        return False


async def stopped(process: Process) -> int:
    return await asyncio.to_thread(process.popen.wait, 60)


@pytest.mark.parametrize(("workers", "size"), kinds((2, 48), (1, 16)))
async def test_f2_a_stop_cuts_nobody(tmp_path: Path, workers: int, size: int) -> None:
    """F2: 16 of 16 were cut with one worker, 48 of 48 with two; each is told, and refused when it comes again."""
    with running(tmp_path, workers) as process:
        clients = Clients(process.port, size)
        await clients.served()
        process.popen.send_signal(signal.SIGTERM)
        await clients.gone()
        code = await stopped(process)

    assert code == 0
    assert clients.seen["cut"] == 0
    assert clients.seen["refused"] == size
    assert clients.seen["last"] >= size


async def test_f2_one_process_that_is_hung_up_on_cuts_nobody(tmp_path: Path) -> None:
    """Issue 15.5: it has no successor, but ends in order: a SIGHUP that nobody heard would cut whoever is waiting."""
    with running(tmp_path) as process:
        clients = Clients(process.port, 8)
        await clients.served()
        process.popen.send_signal(signal.SIGHUP)
        await clients.gone()
        code = await stopped(process)

    assert (code, clients.seen["cut"]) == (0, 0)


def hang_up(process: Process) -> None:
    process.popen.send_signal(signal.SIGHUP)


def stop_one(process: Process) -> None:
    workers_of(process)[0].terminate()


@pytest.mark.parametrize(("act", "replaced"), [(hang_up, 2), (stop_one, 1)])
async def test_f2_x6_a_worker_that_is_replaced_loses_and_refuses_nobody(
    tmp_path: Path, act: Callable[[Process], None], replaced: int
) -> None:
    """F2 and X6: by SIGHUP, one after the other; or one that is told to stop by somebody."""
    with running(tmp_path, workers=2) as process:
        before = {worker.pid for worker in workers_of(process)}
        clients = Clients(process.port, 24)
        act(process)
        until = time.monotonic() + 50
        while len(before & {worker.pid for worker in workers_of(process)}) > 2 - replaced:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        while len(workers_of(process)) < 2:  # a worker that has not lived a second is not replaced at once
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        clients.stopped = True
        await clients.gone()
        after = {worker.pid for worker in workers_of(process)}
        process.popen.send_signal(signal.SIGTERM)
        code = await stopped(process)

    assert code == 0
    assert (clients.seen["cut"], clients.seen["refused"]) == (0, 0)
    assert len(before - after) == replaced
    assert len(after) == 2


def until_refused(port: int) -> None:
    """Wait until nobody new is let in."""
    end = time.monotonic() + 8.0  # in the grace
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
            assert time.monotonic() < end
            time.sleep(0.02)


async def test_f2_an_idle_connection_is_answered_until_the_grace_ends(tmp_path: Path) -> None:
    """Contract 17: it stays until its next answer, seconds into the stop; nobody new is let in meanwhile."""
    with running(tmp_path) as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        process.popen.send_signal(signal.SIGTERM)
        await asyncio.to_thread(until_refused, process.port)
        await asyncio.sleep(1.0)
        writer.write(ASKED)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        began = time.monotonic()
        code = await stopped(process)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert code == 0
    assert time.monotonic() - began < 6.0  # the grace has more left


@pytest.mark.long
def test_f2_the_grace_bounds_a_stop_that_nobody_lets_end(tmp_path: Path) -> None:
    """Contract 17: 10 s, then the idle are closed, who waits is answered 503, and the exit code is 0."""
    with running(tmp_path) as process:
        idle = socket.create_connection(("127.0.0.1", process.port))
        idle.sendall(ASKED)
        idle.recv(65_536)
        busy = socket.create_connection(("127.0.0.1", process.port))
        busy.sendall(b"GET /slow?60 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert process.popen.stdout is not None
        assert process.popen.stdout.readline() == "slow\n"
        began = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        code = process.popen.wait(60)
        took = time.monotonic() - began
        with idle, busy:
            heard = [idle.recv(65_536), busy.recv(65_536)]

    assert code == 0
    assert 9.5 < took < 40.0
    assert heard[0] == b""
    assert heard[1].startswith(b"HTTP/1.1 503 ")


TWICE = {
    "a group of workers": (2, True, (signal.SIGTERM,)),
    "a terminal that closes": (1, False, (signal.SIGHUP, signal.SIGHUP)),
    "systemd with SendSIGHUP": (1, True, (signal.SIGTERM, signal.SIGHUP)),
}


@pytest.mark.parametrize("case", kinds(*TWICE))
def test_f2_a_stop_that_is_told_twice_cuts_nobody(tmp_path: Path, case: str) -> None:
    """F2, X6: who signals a group tells the workers as well, as their parent does; that was taken for "at once"."""
    workers, group, numbers = TWICE[case]
    with running(tmp_path, workers=workers) as process:
        client = ask_slowly(process, 1.5)
        for number in numbers:
            (os.killpg if group else os.kill)(process.popen.pid, number)
            time.sleep(0.2)
        answer = client.recv(65_536)
        client.close()
        code = process.popen.wait(timeout=60)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert code == 0


def test_x6_a_second_signal_ends_workers_at_once_too(tmp_path: Path) -> None:
    """X6: also where both came before the parent had looked at the first; the grace is two seconds longer."""
    with running(tmp_path, workers=2) as process:
        client = ask_slowly(process, 100.0)
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.popen.send_signal(number)
        began = time.monotonic()
        answer = client.recv(65_536)
        took = time.monotonic() - began
        client.close()
        code = process.popen.wait(timeout=60)

    assert (answer[:13], code) == (b"HTTP/1.1 503 ", 0)
    assert took < 8.0


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Contract 17: no orphan; nobody is left to stop them."""
    with running(tmp_path, workers=2) as process:
        workers = workers_of(process)
        process.popen.kill()
        process.popen.wait()
        _, left = psutil.wait_procs(workers, timeout=60)

    assert left == []


def test_a_worker_that_the_system_has_stopped_is_replaced(tmp_path: Path) -> None:
    """Two workers: one that hangs takes its clients along, and after five seconds there are two again."""
    with running(tmp_path, workers=2) as process:
        hung = psutil.Process(int(fetch(process.port)))  # it has answered: it is not about to begin
        time.sleep(0.6)  # and has said so
        hung.suspend()
        _, left = psutil.wait_procs([hung], timeout=60)
        served = int(fetch(process.port))

    assert left == []
    assert served != hung.pid
    assert os.getpid() != served
