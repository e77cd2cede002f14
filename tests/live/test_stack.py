"""`cinema up`: one command starts the platform, keeps it up and leaves nothing behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.platform import PATIENT, until
from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SERVICES = ("users", "orders", "products", "memes", "media")


def setting(name: str) -> str:
    own = {"media": "MEDIA_URL", "ghibli": "GHIBLI_BASE_URL"}
    return own.get(name, f"GATEWAY_{name.upper()}_URL")


class Stack:
    """Run `cinema up` on free ports over a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: free_port() for name in ("gateway", "ghibli", *SERVICES)}
        self.folder = folder
        self.log = folder / "log"
        self._processes: list[psutil.Process] = []

    def environment(self) -> dict[str, str]:
        urls = {setting(name): f"http://127.0.0.1:{self.ports[name]}" for name in ("ghibli", *SERVICES)}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GATEWAY_", "DATABASE_", "MEDIA_"))
        }
        own = {"GATEWAY_PORT": str(self.ports["gateway"]), "FILMS": "50", "MEMES": "3"}
        return kept | urls | own | {name: str(value) for name, value in PATIENT.items()}

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cinema", "up", *options],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        return self.process

    def doctor(self) -> tuple[int, list[tuple[str, str]]]:
        """Return the doctor's exit code and findings."""
        command = [sys.executable, "-m", "cinema", "doctor", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)["findings"]
        return done.returncode, [(one["subject"], one["kind"]) for one in found]

    def ask(self, name: str, path: str) -> tuple[int, bytes]:
        """Return status and body; status 0 if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def says(self) -> str:
        return self.log.read_text()

    def until_ready(self) -> None:
        until(lambda: "cinema: try: curl" in self.says() or self.process.poll() is not None, self.says)
        assert self.process.poll() is None, self.says()
        self._processes = psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if words_of(child)[-1:] == [name])

    def survivors(self) -> list[psutil.Process]:
        return [process for process in self._processes if lives(process)]

    def until_gone(self) -> None:
        """Wait until nobody is left: what the kernel ends with its parent goes a moment after that."""
        until(lambda: not self.survivors(), self.survivors)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for process in self.survivors():
            process.kill()


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one
        return []


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # in between
        return False


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Give a platform that has not been started."""
    stack = Stack(tmp_path)
    yield stack
    stack.close()


def test_one_command_starts_everything_and_a_signal_ends_it(stack: Stack) -> None:
    """Issue 3: migrated, seeded, ready, logs followed, stopped in order, exit 0, no orphan."""
    stack.start()
    stack.until_ready()
    status, body = stack.ask("gateway", "/api/profile/user456")
    said = stack.says()

    stack.process.send_signal(signal.SIGTERM)
    code = stack.process.wait(60)

    assert status == 200
    assert json.loads(body)["user"]["full_name"] == "Анна Смирнова"
    assert json.loads(body)["products"].keys() == {"prod1"}
    assert "cinema: database migrated\ncinema: demo data seeded\n" in said
    assert f"cinema: orders ready at http://127.0.0.1:{stack.ports['orders']}" in said
    assert code == 0
    stack.until_gone()
    assert 'orders   | {"timestamp"' in stack.says()


@pytest.mark.long
def test_a_second_start_finds_everything_done(stack: Stack) -> None:
    """Issue 3: later starts change nothing; a closed terminal, which says so twice, and Ctrl-C end it in order too."""
    stack.start()
    stack.until_ready()
    slow = stack.child("orders")
    slow.suspend()
    stack.process.send_signal(signal.SIGHUP)
    until(lambda: "cinema: stopping" in stack.says(), stack.says)
    stack.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    slow.resume()  # it has not been killed
    stack.process.wait(60)

    stack.start()
    stack.until_ready()
    said = stack.says()
    well = stack.doctor()
    stack.process.send_signal(signal.SIGINT)

    assert stack.process.wait(60) == 0
    assert well == (0, [])
    assert "migrated" not in said
    assert "seeded" not in said


def test_a_killed_service_is_started_again(stack: Stack) -> None:
    """Issue 3: `kill -9` of orders heals by itself, and one line says so."""
    stack.start()
    stack.until_ready()

    stack.child("orders").kill()
    until(lambda: "orders ended (killed by SIGKILL); starting it again in 0.5 s" in stack.says(), stack.says)
    until(lambda: stack.ask("orders", "/health")[0] == 200, stack.says)

    assert stack.ask("orders", "/orders/user/user123")[0] == 200

    # F3: a crash inside a driver's parser is a death like any other, and the profile is partial until then.
    stack.child("products").send_signal(signal.SIGSEGV)
    until(lambda: "products ended (killed by SIGSEGV); starting it again" in stack.says(), stack.says)
    status, body = stack.ask("gateway", "/api/profile/user123")
    until(lambda: stack.ask("products", "/health")[0] == 200, stack.says)

    assert status == 200
    assert json.loads(body)["products"] == {}
    assert len(json.loads(body)["orders"]) == 2


@pytest.mark.long
def test_f3_a_service_that_comes_back_only_at_the_second_try_does_not_take_the_others_along(
    stack: Stack,
) -> None:
    """F3: it had run, so that what keeps it from starting now may pass; the whole platform was stopped."""
    stack.start()
    stack.until_ready()

    stack.child("orders").kill()
    until(lambda: "orders ended (killed by SIGKILL)" in stack.says(), stack.says)
    with socket.create_server(("127.0.0.1", stack.ports["orders"])):
        until(lambda: "orders ended (exit code 69); starting it again in 1 s" in stack.says(), stack.says)
        assert stack.ask("products", "/health")[0] == 200
    until(lambda: stack.ask("orders", "/health")[0] == 200, stack.says)

    assert stack.ask("orders", "/orders/user/user123")[0] == 200
    assert stack.process.poll() is None


@pytest.mark.long
def test_a_killed_service_stays_down_if_asked_to(stack: Stack) -> None:
    """An operator may want to see the platform without it; the doctor names it, and what hangs, and nothing else."""
    stack.start("--no-restart")
    stack.until_ready()

    stack.child("orders").kill()
    until(lambda: "orders ended (killed by SIGKILL); it stays down" in stack.says(), stack.says)
    stack.child("products").suspend()
    found = stack.doctor()
    stack.child("products").resume()
    stack.process.send_signal(signal.SIGTERM)

    assert found == (69, [("orders", "down"), ("products", "hung")])
    assert stack.process.wait(60) == 0


@pytest.mark.long
def test_x6_a_killed_parent_leaves_no_orphan(stack: Stack) -> None:
    """X6 and issue 3: nobody is left to stop the children, so the kernel does."""
    stack.start()
    stack.until_ready()

    stack.process.kill()
    stack.process.wait()

    stack.until_gone()


@pytest.mark.long
def test_a_service_that_hangs_is_killed_in_the_end(stack: Stack) -> None:
    """Contract 17: stopping takes about ten seconds at most, and leaves no orphan."""
    stack.start()
    stack.until_ready()

    stack.child("products").suspend()
    stack.process.send_signal(signal.SIGTERM)
    code = stack.process.wait(60)

    assert code == 0
    stack.until_gone()


@pytest.mark.long
def test_a_second_signal_stops_at_once(stack: Stack) -> None:
    """X6: who presses Ctrl-C twice has waited long enough."""
    stack.start()
    stack.until_ready()

    stack.child("products").suspend()
    stack.process.send_signal(signal.SIGINT)
    until(lambda: "cinema: stopping" in stack.says(), stack.says)
    stack.process.send_signal(signal.SIGINT)

    assert stack.process.wait(9) == 0
    stack.until_gone()


def test_a_taken_port_is_named_with_its_setting(stack: Stack) -> None:
    """Found before anything is started, in one line."""
    with socket.create_server(("127.0.0.1", stack.ports["products"])):
        code = stack.start().wait(60)

    port = stack.ports["products"]
    assert code == 69
    assert stack.says() == (
        f"cinema: GATEWAY_PRODUCTS_URL: port {port} is taken; stop what listens there, "
        "or set CINEMA_PORTS=9000 to move all\n"
    )


def test_a_bad_setting_stops_the_start_in_one_line(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 16, G2: exit code 78 and the variable's name."""
    monkeypatch.setenv("GHIBLI_TTL_S", "61")

    code = stack.start().wait(60)

    assert code == 78
    assert stack.says() == "cinema: GHIBLI_TTL_S: must be a whole number from 1 to 60, not '61'\n"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_alone_and_ends_with_0(stack: Stack, name: str) -> None:
    """Issue 3 and contract 17: each service is a command of its own; without a database it answers 503."""
    health = 200 if name == "media" else 503
    stack.process = subprocess.Popen(
        [sys.executable, "-m", "cinema", name],
        cwd=stack.folder,
        env=os.environ | {setting(name): f"http://127.0.0.1:{stack.ports[name]}"},
        stdout=subprocess.DEVNULL,
    )
    until(lambda: stack.ask(name, "/health")[0] == health)

    stack.process.terminate()

    assert stack.process.wait(60) == 0
