"""Two gateways on two machines: each in a network of its own, with one Redis between them. Needs root, for networks."""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from email.message import Message
from itertools import count
from json import loads
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.kinds import kinds
from tests.live.platform import PATIENT, SERVICES, Platform, clean, run, until
from tests.servers import Recipe, Server, free_port, temporary

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(len(kinds("", "deep")) == 1, reason="in CI and with DEEP=1"),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]

LIST, LIMITED = "/api/v1/genres", "/api/profile/user123"
CLIENTS = count()  # somebody else each time: the limit is not what most of this is about
KEY = "a-key-for-this-test-alone"
LIMIT = 30
CLIENT = {"X-Forwarded-For": "192.0.2.7"}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """A network of its own, joined to ours by a cable; Redis is on an address beyond it."""

    name: str
    ours: str
    its: str
    redis: str

    def within(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def cut_off(self) -> None:
        """Swallow what it sends to Redis, as a broken switch does."""
        subprocess.run(self.within("ip", "route", "add", "blackhole", f"{self.redis}/32"), check=True)

    def join(self) -> None:
        subprocess.run(self.within("ip", "route", "del", "blackhole", f"{self.redis}/32"), check=True)


@contextmanager
def machine(number: int) -> Iterator[Machine]:
    """Make one."""
    net, ident = f"10.{100 + os.getpid() % 100}", f"c{os.getpid() % 100_000}{number}"
    made = Machine(f"n{ident}", f"{net}.{number}.1", f"{net}.{number}.2", f"{net}.9.1")
    ip("netns", "add", made.name)
    try:
        ip("link", "add", f"{ident}a", "type", "veth", "peer", "name", f"{ident}b", "netns", made.name)
        ip("addr", "add", f"{made.ours}/24", "dev", f"{ident}a")
        ip("link", "set", f"{ident}a", "up")
        for words in (f"addr add {made.its}/24 dev {ident}b", f"link set {ident}b up", "link set lo up"):
            ip("-n", made.name, *words.split())
        ip("-n", made.name, "route", "add", "default", "via", made.ours)
        yield made
    finally:
        ip("netns", "del", made.name)  # its end of the cable goes along, and with it ours


@contextmanager
def address(given: str) -> Iterator[None]:
    ip("addr", "add", f"{given}/32", "dev", "lo")
    try:
        yield
    finally:
        ip("addr", "del", f"{given}/32", "dev", "lo")


def valkey_on(host: str) -> Callable[[], Recipe]:
    """Return a Valkey that listens beyond loopback, too."""

    def find() -> Recipe:
        plain = servers.valkey()
        more = ["--bind", "127.0.0.1", host, "--protected-mode", "no"]
        return replace(plain, command=lambda folder, port: [*plain.command(folder, port), *more])

    return find


class Gateway:
    """A gateway on a machine, asked from ours."""

    def __init__(self, place: Machine, platform: Platform, valkey: Server, folder: Path, index: Path) -> None:
        self.place = place
        self.port = free_port()
        urls = {
            f"GATEWAY_{name.upper()}_URL": f"http://{place.ours}:{platform.ports[name]}" for name in SERVICES
        }
        own = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_ADMIN_KEY": KEY,
            "GATEWAY_TRUSTED_PROXIES": place.ours,
            "GATEWAY_RATE_LIMIT": f"{LIMIT}/60",
            "REDIS_URL": f"redis://{place.redis}:{valkey.port}/0",
            "REDIS_TIMEOUT_MS": "500",
            "SEARCH_DIR": str(index),
        }
        settings = {name: str(value) for name, value in PATIENT.items()}
        self.log = folder / f"{place.name}.log"
        home = folder / place.name
        home.mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                place.within(sys.executable, "-m", "cinema", "gateway", "--host", "0.0.0.0"),
                cwd=home,
                env=clean() | urls | own | settings,
                stdout=log,
                stderr=log,
            )
        until(lambda: self.ask("/health/ready")[0] == 200, self.log.read_text)
        until(self.shares, self.log.read_text)

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, Message, bytes]:
        kind = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(
            f"http://{self.place.its}:{self.port}{path}", body, {**kind, **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()
        except OSError:
            return 0, Message(), b""

    def kept(self) -> bool:
        """Ask for a list; tell whether the answer was there already."""
        status, headers, body = self.ask(LIST, {"X-Forwarded-For": f"198.51.100.{next(CLIENTS) % 250}"})
        assert status == 200, body
        return "hit" in headers["Cache-Status"]

    def purge(self) -> None:
        status, _, body = self.ask("/admin/purge", {"X-Admin-Key": KEY}, b'{"tags": ["genres"]}')
        assert status == 204, body

    def shares(self) -> bool:
        """Tell whether Redis is in use."""
        with suppress(ValueError, KeyError):
            return bool(self.told()["api_gateway"]["redis_connected"])
        return False

    def rests(self) -> bool:
        """Tell whether nothing is under way."""
        with suppress(ValueError, KeyError):
            return not any(self.told()["runtime"].values())
        return False

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = loads(self.ask("/api/system/info")[2])
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, demo: str) -> Iterator[tuple[Gateway, Gateway]]:
    """Run two gateways on two machines; the services and Redis are on a third, ours."""
    folder = tmp_path_factory.mktemp("machines")
    with ExitStack() as stack:
        places = [stack.enter_context(machine(number)) for number in (1, 2)]
        stack.enter_context(address(places[0].redis))
        valkey = stack.enter_context(temporary(valkey_on(places[0].redis)))
        platform = stack.enter_context(Platform(folder, demo, **PATIENT))
        for name in SERVICES:
            platform.run(name, *run(name), "--host", "0.0.0.0", ready="/health")
        index = {"SEARCH_DIR": str(folder / "index"), "SEARCH_ETL_STATE": str(folder / "state.json")}
        subprocess.run(
            run("etl"), env=platform.environment | index, cwd=folder, check=True, capture_output=True
        )
        gateways = []
        for place in places:
            gateways.append(Gateway(place, platform, valkey, folder, folder / "index"))
            stack.callback(gateways[-1].process.wait)
            stack.callback(gateways[-1].process.terminate)
        yield gateways[0], gateways[1]


def test_k_an_answer_of_one_is_given_by_the_other_until_either_purges_it(
    pair: tuple[Gateway, Gateway],
) -> None:
    """Issue 15.6: what one has fetched the other does not fetch again; a purge reaches both."""
    one, other = pair
    one.purge()
    first = one.kept()
    until(one.rests, one.log.read_text)  # what it has fetched is stored behind the answer
    seen = [first, other.kept(), one.kept()]
    other.purge()

    assert seen == [False, True, True]
    until(lambda: not one.kept())


def test_s_the_limit_of_a_client_is_one_over_both(pair: tuple[Gateway, Gateway]) -> None:
    """Issue 15.6 and contract 17: never more than the limit in all, and nearly all of it given out."""
    statuses = [pair[number % 2].ask(LIMITED, CLIENT)[0] for number in range(2 * LIMIT)]

    assert set(statuses) == {200, 429}
    assert 0.9 * LIMIT <= statuses.count(200) <= LIMIT


def test_k_who_is_cut_off_from_redis_serves_on_and_has_missed_no_purge_afterwards(
    pair: tuple[Gateway, Gateway],
) -> None:
    """Issue 15.6: packets are swallowed, not refused; nothing that was purged meanwhile is given out later."""
    one, other = pair
    one.kept()
    other.kept()
    other.place.cut_off()
    until(lambda: not other.shares(), other.log.read_text)
    alone = [other.kept() for _ in range(5)]
    one.purge()
    other.place.join()
    until(other.shares, other.log.read_text)

    assert len(alone) == 5
    assert not other.kept()
