"""Fifty clients move 20 MB each through the gateway at once: `python -m tests.deep.transfers --store s3`.

All upload a picture, all download one (half of them slowly), then half do the one and half the other. Every picture
must come back as it went in.

Bound: memory of each process at most 100 MB above rest (resident, and what of it is not shared).
"""

import argparse
import contextlib
import hashlib
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil

from tests import servers
from tests.cinema.services.media.conftest import of_s3
from tests.live.platform import PATIENT, Platform, ask, seeded
from tests.live.test_media import noise
from tests.servers import LOOPBACK

LARGE = 20_000_000
BOUNDS = {"gateway": 100, "memes": 100, "media": 100}
BOUNDARY = "f00d"
SLOWLY = 0.005  # seconds between two pieces


class Watch:
    """The most that a process has meanwhile, over what it has now: resident, and without what others share."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._rest = self._now()
        self.peak = (0, 0)

    def _now(self) -> tuple[int, int]:
        info = self._process.memory_full_info()
        return info.rss, info.pss

    def look(self) -> None:
        rss, pss = self._now()
        self.peak = max(self.peak[0], rss - self._rest[0]), max(self.peak[1], pss - self._rest[1])


@contextlib.contextmanager
def watching(platform: Platform) -> Iterator[dict[str, Watch]]:
    """Watch the processes as long as the block runs."""
    watches, stop = {name: Watch(platform[name].pid) for name in BOUNDS}, threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for one in watches.values():
                one.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield watches
    finally:
        stop.set()
        thread.join()


def upload(port: int, picture: bytes) -> str:
    """Add a meme; return where its picture is, or the status."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nlarge\r\n'
        for name in ("title", "description")
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    before, behind = "".join([*parts, head]).encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
    length = len(before) + len(picture) + len(behind)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    with socket.create_connection((LOOPBACK, port), timeout=600) as line:
        asked = f"POST /api/memes HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n"
        line.sendall(f"{asked}Content-Length: {length}\r\n\r\n".encode() + before)
        with contextlib.suppress(OSError):
            line.sendall(picture)
            line.sendall(behind)
        said = b"".join(iter(lambda: line.recv(65_536), b""))
    status, body = said.split(b" ", 2)[1].decode(), said.partition(b"\r\n\r\n")[2]
    return str(json.loads(body)["image_url"]) if status == "201" else status


def download(port: int, path: str, pause: float) -> str:
    """Fetch a picture; return the digest of what came."""
    seen = hashlib.sha256()
    with socket.create_connection((LOOPBACK, port), timeout=600) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = line.makefile("rb")
        while answer.readline().strip():
            pass
        while piece := answer.read(262_144):
            seen.update(piece)
            time.sleep(pause)
    return seen.hexdigest()


def at_once(works: Sequence[Callable[[], str]]) -> list[str]:
    """Do all of it at the same time; return what came of each."""
    found: list[str] = []

    def do(work: Callable[[], str]) -> None:
        found.append(work())

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def run(platform: Platform, clients: int) -> list[str]:
    """Move everything; return what was wrong."""
    picture, port, faults = noise(LARGE), platform.port, []
    path = upload(port, picture)
    size = len(ask(port, path).body)
    digest = download(port, path, 0.0)
    ups = [partial(upload, port, picture)] * clients
    downs = [partial(download, port, path, pause) for pause in [0.0, SLOWLY] * (clients // 2)]
    print(f"{clients} clients, {size:,} octets")
    for name, works in {"up": ups, "down": downs, "both": [*ups[::2], *downs[::2]]}.items():
        began = time.monotonic()
        with watching(platform) as watches:
            found = at_once(works)
        wrong = [one for one in found if one != digest and not one.startswith("/api/files/")]
        faults += [f"{name}: {len(wrong)} failed: {sorted(set(wrong))}"] if wrong else []
        for service, watch in watches.items():
            rss, pss = (value / 2**20 for value in watch.peak)
            if min(rss, pss) > BOUNDS[service]:
                faults.append(f"{name}: {service} +{pss:.0f} MB, not {BOUNDS[service]}")
            print(f"{name:5} {service:8} RSS +{rss:4.0f} MB, PSS +{pss:4.0f} MB")
        print(f"{name:5} took {time.monotonic() - began:.1f} s")
    return faults


def main(options: Sequence[str]) -> int:
    """Run it; the exit code tells whether all bounds were kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.deep.transfers", description=__doc__)
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--clients", type=int, default=50)
    asked = parser.parse_args(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        given: dict[str, str | float] = {
            "MEDIA_TOKEN": "shared",
            "GATEWAY_RATE_LIMIT": "0",
            "GATEWAY_UPLOAD_TIMEOUT_S": "600",
            "MEMES": "0",
            **PATIENT,
        }
        if asked.store == "s3":
            url = stack.enter_context(servers.temporary(servers.s3)).url
            given |= {name.upper(): said for name, said in of_s3(url).items()}
        platform = stack.enter_context(Platform(folder, seeded(folder), **given))
        platform.start(*BOUNDS)
        faults = run(platform, asked.clients)
    print("\n".join(faults) or "nothing is wrong")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
