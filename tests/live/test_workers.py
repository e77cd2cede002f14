"""Several workers, each with a queue of its own: whoever dies or hangs, those that wait there are answered."""

import asyncio
import itertools
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from stagedoor._commands.listening import listening_fault
from tests.kinds import kinds
from tests.live.load import Client, Shot, told
from tests.live.test_door import Process, fetch, running
from tests.live.test_stops import workers_of

pytestmark = pytest.mark.live

ONCE = "Connection: close\r\n"
LATE_SECONDS = 12.0  # that a successor takes to start here: whoever waits for it is seen


def slow_start(folder: Path) -> None:
    """Let those that start from now on take long."""
    (folder / "slow").write_text(str(LATE_SECONDS))


async def asked(port: int, *, rate: float, seconds: float) -> list[Shot]:
    """Ask at a steady rate, each time over a new connection."""
    client, loop, began = Client(port), asyncio.get_running_loop(), time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(began + number / rate - time.monotonic())
        at = time.monotonic()
        tasks.append(loop.create_task(client.get("/slow?0.01", at=at, headers=ONCE)))
    return list(await asyncio.gather(*tasks))


async def test_a_worker_that_is_killed_loses_only_what_it_had_accepted(tmp_path: Path) -> None:
    """F2, issue 17.4: SIGKILL under 100 a second; whoever comes later is answered before a successor serves."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        slow_start(tmp_path)
        loading = asyncio.create_task(asked(process.port, rate=100, seconds=2.5))
        await asyncio.sleep(0.8)
        killed = time.monotonic()
        workers_of(process)[0].kill()
        shots = await loading

    later = [shot for shot in shots if shot.at > killed]
    print(told("killed", shots))
    assert {shot.status for shot in later} == {200}
    assert max(shot.seconds for shot in shots) < LATE_SECONDS / 2
    assert Counter(shot.status for shot in shots)[0] < 50


async def test_a_successor_answers_those_that_waited_for_its_predecessor(tmp_path: Path) -> None:
    """Issue 17.4: with nobody left to serve, they are let in all the same, and answered in the end."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        await asyncio.sleep(1.0)  # or they are young, and not replaced at once
        for worker in workers_of(process):
            worker.kill()
        shots = await asyncio.gather(*(Client(process.port).get("/", headers=ONCE) for _ in range(40)))

    assert Counter(shot.status for shot in shots) == {200: 40}


@pytest.mark.parametrize("how", kinds("killed", "renewed"))
async def test_f1_a_parent_that_can_start_nobody_keeps_those_that_run(tmp_path: Path, how: str) -> None:
    """F1: without a descriptor, process or memory left it ended itself, and all the others with it."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        parent = psutil.Process(process.popen.pid)
        before = resource.prlimit(parent.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (parent.num_fds() + 1, before[1]))
        await asyncio.sleep(1.0)  # or they are young, and not replaced at once
        if how == "killed":
            workers_of(process)[0].kill()
        else:
            parent.send_signal(signal.SIGHUP)
        shots = await asked(process.port, rate=20, seconds=3.0)
        alive = parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, before)
        async with asyncio.timeout(30):
            await until_both_serve(process)

    assert alive
    assert (
        Counter(shot.status for shot in shots)[200] >= 58
    )  # of 60: who was with the one that was killed is lost


async def test_f1_a_successor_that_cannot_start_leaves_the_others_at_work(tmp_path: Path) -> None:
    """F1: what keeps it from starting may pass; the parent ended of it, and those that served with it."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        await asyncio.sleep(1.0)  # or they are young, and not replaced at once
        (tmp_path / "broken").touch()
        workers_of(process)[0].kill()
        await asyncio.sleep(0.5)
        shots = await asked(process.port, rate=20, seconds=3.0)
        alive = process.popen.poll() is None
        (tmp_path / "broken").unlink()
        async with asyncio.timeout(30):
            await until_both_serve(process)

    assert alive
    assert Counter(shot.status for shot in shots) == {200: 60}


async def test_workers_none_of_which_can_start_end_with_the_code_of_a_failed_start(tmp_path: Path) -> None:
    """Somebody is to be told, and there is nobody to be kept."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        await asyncio.sleep(1.0)  # or they are young, and not replaced at once
        (tmp_path / "broken").touch()
        for worker in workers_of(process):
            worker.kill()
        code = await asyncio.to_thread(process.popen.wait, 30)

    assert code == 3


async def test_a_worker_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It is killed after five seconds; its queue is looked into long before."""
    with running(tmp_path, workers=2) as process:
        await until_both_serve(process)
        hung = workers_of(process)[0]
        hung.suspend()
        await asyncio.sleep(0.1)
        shots = await asked(process.port, rate=40, seconds=1.0)
        hung.resume()

    print(told("hung", shots))
    assert Counter(shot.status for shot in shots) == {200: 40}
    assert max(shot.seconds for shot in shots) < 4.5  # before it is killed


async def test_no_worker_has_over_sixty_percent_of_a_thousand_connections(tmp_path: Path) -> None:
    """Issue 17: neither who is quicker, nor who was there first: they begin together."""
    with running(tmp_path, workers=2) as process:  # until one has answered
        client = Client(process.port)
        shots: list[Shot] = []
        for _ in range(20):
            await client.open(50)
            shots += await asyncio.gather(*(client.get("/") for _ in range(50)))  # each over one of its own
            client.close()
    served = Counter(shot.body for shot in shots)

    assert len(served) == 2
    assert max(served.values()) <= 0.6 * len(shots)


def test_of_two_that_start_at_once_one_serves(tmp_path: Path) -> None:
    """Issue 17.4: neither is listening yet when the other looks; 69 is the other's exit code."""
    with running(tmp_path, workers=2) as process:
        script = [sys.executable, str(tmp_path / "door_app.py"), str(process.port), "2"]
        second = subprocess.run(script, capture_output=True, check=False, text=True, timeout=60)
        served = fetch(process.port)

    assert second.returncode == 69
    assert str(process.port) in second.stderr
    assert served


def test_the_port_of_a_parent_that_was_killed_is_free_when_its_workers_have_gone(tmp_path: Path) -> None:
    """Nothing is left that claims it."""
    with running(tmp_path, workers=2) as process:
        workers = workers_of(process)
        process.popen.kill()
        process.popen.wait()
        psutil.wait_procs(workers, timeout=60)
        fault = listening_fault("127.0.0.1", process.port)

    assert fault is None


async def until_both_serve(process: Process) -> None:
    """Ask until two have answered."""
    client, seen = Client(process.port), set()
    for _ in itertools.count():
        seen.add((await client.get("/", headers=ONCE)).body)
        if len(seen) == 2:
            return
        await asyncio.sleep(0.02)
