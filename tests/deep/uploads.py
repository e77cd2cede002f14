"""Uploads that mean no good, through the gateway: `python -m tests.deep.uploads --pictures FOLDER`.

Bombs of pixels, frames, scans and inflated octets, files that are cut off, other formats, polyglots, floods of parts,
parts within parts, lying lengths, bodies without end and bodies that trickle, names of every nasty kind, clients that
leave in the middle; then every file of a folder, as it lies there (Pillow's own test images are worth it).

Bounds: the status that is promised, an answer within 2 s of the last octet, memory of gateway, memes and media at most
64 MB above rest, no 500, and in the end nothing in the store or among temporary files.
"""

import argparse
import contextlib
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.cinema.pictures import drawn
from tests.live.platform import PATIENT, Platform, Reply, ask, seeded
from tests.live.test_media import bombs, measured
from tests.servers import LOOPBACK

SECONDS = 2.0
MORE = 64 << 20
SERVICES = ("media", "memes", "gateway")
BOUNDARY = b"f00d"
TAKEN, REFUSED = {201}, {413, 415, 422}
END = b"--%b--\r\n" % BOUNDARY
NAMES = (
    b"../../x.php",
    b"..\\..\\x",
    b"a.jpg%00.php",
    b"a.jpg\x00.php",
    b"/etc/passwd",
    b"C:\\x.png",
    b"x" * 7_000,
    "дом 🏠.png".encode(),
    b"\xff\xfe.png",
    b"a.png;b=.php",
    b".htaccess",
    b"con",
    b"",
    b'a\\"b.png',
    b"${jndi:ldap://x}",
    b"<script>.svg",
)


def part(name: bytes, content: bytes, more: bytes = b"") -> bytes:
    """Return one part."""
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n' % (BOUNDARY, name, more)
    return head + content + b"\r\n"


TEXTS = part(b"title", b"A hostile one") + part(b"description", b"that should not be here")


def form(image: bytes, more: bytes = b'; filename="x"') -> bytes:
    """Return a whole form with a picture."""
    return TEXTS + part(b"image", image, more) + END


@dataclass(frozen=True)
class Case:
    """What is sent, and the statuses that may answer it; 0 is a connection that ends without an answer."""

    body: bytes
    statuses: frozenset[int] | set[int]
    kind: bytes = b"multipart/form-data; boundary=" + BOUNDARY
    fields: bytes = b""
    length: int | None = None


def cases() -> Iterator[tuple[str, Case]]:
    """Yield what comes in one go."""
    for name, (file, status) in bombs().items():
        yield f"bomb: {name}", Case(form(file), {status})
    for kind in drawn.FORMATS:
        whole = drawn.saved(kind)
        for share in (0.02, 0.3, 0.6, 0.9, 0.99):
            cut = whole[: max(1, int(len(whole) * share))]
            # The last octets of some formats are no part of the picture.
            yield f"cut: {kind} at {share}", Case(form(cut), {415, 201} if share > 0.9 else {415})
    yield from others()
    yield from floods()
    for number, said in enumerate(NAMES):
        more = b'; filename="' + said + b'"'
        yield f"name: {number}", Case(form(drawn.saved("png"), more), {201, 400})


def others() -> Iterator[tuple[str, Case]]:
    """Yield what is no picture that is taken, and what is more than one."""
    png = drawn.saved("png")
    for name, file in {
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "html": b"<html><script>alert(1)</script>",
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04",
        "bmp": b"BM" + bytes(100),
        "tiff": b"II*\0" + bytes(100),
        "ico": b"\0\0\1\0\1\0" + bytes(100),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999999 9999999\n",
        "nothing": b"",
        "one octet": b"\x89",
        "php before": b"<?php ?>" + png,
    }.items():
        yield f"other: {name}", Case(form(file), {415})
    for name, file in {
        "html behind": png + b"<script>",
        "zip behind": png + b"PK\x05\x06" + bytes(18),
    }.items():
        yield f"polyglot: {name}", Case(form(file), TAKEN)


def floods() -> Iterator[tuple[str, Case]]:
    """Yield bodies whose form is the attack."""
    png = drawn.saved("png")
    picture, nested = part(b"image", png, b'; filename="x"'), b"multipart/mixed; boundary=in"
    inner = b"--in\r\nContent-Type: image/png\r\n\r\n" + png + b"\r\n--in--\r\n"
    more = b'; filename="x"\r\nContent-Type: ' + nested
    length = b"Content-Length: 7\r\n"
    yield "17 parts", Case(part(b"x", b"") * 15 + TEXTS + picture + END, {413})
    yield "10,000 parts", Case(part(b"x", b"") * 10_000 + END, {413})
    yield "10,000 pictures", Case(picture * 10_000 + END, {413})
    yield "nested", Case(TEXTS + part(b"image", inner, more) + END, {415})
    yield (
        "nested a thousand times",
        Case(form((b"--in\r\nContent-Type: " + nested + b"\r\n\r\n") * 1_000), {415}),
    )
    yield "a boundary within", Case(form(b"\r\n--" + BOUNDARY + b"x\r\n"), {400, 415})
    yield "no end", Case(TEXTS + picture, {400})
    yield "only an end", Case(END, {422})
    yield "nothing", Case(b"", {400, 422})
    yield "no boundary", Case(form(png), {400}, kind=b"multipart/form-data")
    yield "an odd boundary", Case(form(png), {400}, kind=b"multipart/form-data; boundary=" + b"x" * 71)
    yield "another type", Case(form(png), {415}, kind=b"application/octet-stream")
    yield "a header of 1 MB", Case(part(b"title", b"abc", b"\r\nX: " + b"x" * 1_000_000) + END, {413})
    yield "a header without end", Case(b"--" + BOUNDARY + b"\r\n" + b"x" * 100_000, {413})
    yield "a preamble of 1 MB", Case(b"x" * 1_000_000 + form(png), {400})
    yield "an epilogue of 1 MB", Case(form(png) + b"x" * 1_000_000, {201, 413})
    yield "a text of 65 KiB", Case(part(b"title", b"x" * 66_560) + picture + END, {413})
    yield "a text of no UTF-8", Case(part(b"title", b"\xff" * 9) + picture + END, {422})
    yield "a text with NUL", Case(part(b"title", b"a\0bc") + picture + END, {422})
    yield (
        "length of another part",
        Case(TEXTS + part(b"image", png, b'; filename="x"\r\n' + length[:-2]) + END, TAKEN),
    )
    yield "too long by its length", Case(b"", {413}, length=10**12)
    yield "too short by its length", Case(form(png), {400}, length=300)
    yield "coded", Case(form(png), {201, 415}, fields=b"Content-Encoding: gzip\r\n")
    yield (
        "base64",
        Case(TEXTS + part(b"image", b"AAAA", b"\r\nContent-Transfer-Encoding: base64") + END, {400}),
    )


def sent(port: int, case: Case) -> tuple[int, float]:
    """Send a case; return the status, and the seconds from the last octet to the answer."""
    length = len(case.body) if case.length is None else case.length
    asked = b"POST /api/memes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    head = asked + b"Content-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=40) as line:
        with contextlib.suppress(OSError):
            line.sendall(head % (case.kind, length, case.fields) + case.body)
        began = time.monotonic()
        return answered(line), time.monotonic() - began


def answered(line: socket.socket) -> int:
    """Return the status of what comes; 0 if nothing does."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(line.recv(65_536).split()[1])
    return 0


def endless(port: int) -> int:
    """Send a body that never ends, as fast as it goes."""
    head = b"POST /api/memes HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=%b\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=30) as line:
        first = TEXTS + part(b"image", drawn.saved("png"), b'; filename="x"')[:-2]
        with contextlib.suppress(OSError):
            line.sendall(
                head % BOUNDARY + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(first), first)
            )
            for _ in range(400):
                line.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        return answered(line)


def trickling(port: int, seconds: float) -> int:
    """Send a body octet by octet, or nothing of it."""
    head = b"POST /api/memes HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=%b\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=60) as line:
        line.sendall(head % BOUNDARY + b"Content-Length: 100000\r\n\r\n")
        line.settimeout(0.5)
        end = time.monotonic() + seconds
        for octet in form(bytes(90_000)):
            with contextlib.suppress(TimeoutError):
                said = line.recv(64)
                return int(said.split()[1]) if said else 0
            if time.monotonic() > end:
                return -1
            with contextlib.suppress(OSError):
                line.sendall(bytes([octet]))
    return -1


def leaving(port: int, rng: random.Random) -> None:
    """Leave in the middle of an upload."""
    body = form(drawn.saved("png", drawn.noise(600, 600), compress_level=0))
    head = b"POST /api/memes HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=%b\r\n"
    with socket.create_connection((LOOPBACK, port), timeout=10) as line:
        line.sendall(head % BOUNDARY + b"Content-Length: %d\r\n\r\n" % len(body))
        line.sendall(body[: rng.randrange(len(body))])


class Run:
    """One run: what was answered, and what was wrong with it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self.slowest = (0.0, "")

    def look(self, name: str, case: Case) -> None:
        """Send a case, and judge what comes."""
        status, seconds = sent(self.platform.port, case)
        self.statuses[status] += 1
        self.slowest = max(self.slowest, (seconds, name))
        if status not in case.statuses:
            self.faults.append(f"{name}: {status}, not {sorted(case.statuses)}")
        if seconds > SECONDS:
            self.faults.append(f"{name}: answered after {seconds:.1f} s")

    def expect(self, name: str, status: int, statuses: set[int]) -> None:
        """Judge a status."""
        self.statuses[status] += 1
        if status not in statuses:
            self.faults.append(f"{name}: {status}, not {sorted(statuses)}")

    def left_over(self) -> None:
        """Remove every meme, sweep, and look what is left."""
        while rows := ask(self.platform.port, "/api/memes").json():
            for row in rows:
                ask(self.platform.port, f"/api/memes/{row['id']}", "DELETE")
        swept: Reply = ask(self.platform.ports["memes"], "/sweep?older_than=0", "POST")
        if swept.status != 200:
            self.faults.append(f"the sweep: {swept.status}")
        for folder in ("data/media", "tmp"):
            found = [path.name for path in (self.platform.folder / folder).iterdir()]
            self.faults += [f"left in {folder}: {name}" for name in found[:5]]


def all_at_once(count: int, work: Callable[[], object]) -> None:
    """Do something in so many threads."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def attack(run: Run, pictures: Path | None, seed: int) -> None:
    """Send everything."""
    port, rng = run.platform.port, random.Random(seed)
    for name, case in cases():
        run.look(name, case)
    run.expect("endless", endless(port), {413})
    for _ in range(50):
        leaving(port, rng)
    for file in sorted(pictures.iterdir()) if pictures else ():
        octets = file.read_bytes()
        if len(octets) < 21_000_000:
            run.look(f"file: {file.name}", Case(form(octets), TAKEN | REFUSED))
    all_at_once(4, lambda: run.expect("trickling", trickling(port, 45.0), {0, 408}))


def judged(run: Run, peaks: Sequence[list[int]]) -> int:
    """Print what was seen; return 1 if a bound is broken."""
    for name, peak in zip(SERVICES, peaks, strict=True):
        if peak[0] > MORE:
            run.faults.append(f"{name}: memory +{peak[0] >> 20} MB")
    more = ", ".join(f"{name} +{peak[0] >> 20} MB" for name, peak in zip(SERVICES, peaks, strict=True))
    print(f"answers {dict(sorted(run.statuses.items()))}")
    print(f"slowest {run.slowest[0]:.2f} s ({run.slowest[1]}); memory {more}")
    print("\n".join(run.faults) or "nothing is wrong")
    return 1 if run.faults else 0


def main(options: Sequence[str]) -> int:
    """Run it; the exit code tells whether all bounds were kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.deep.uploads", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="a folder whose files are sent too")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "tmp").mkdir()
        given: dict[str, str | float] = {
            "MEDIA_TOKEN": "shared",
            "GATEWAY_RATE_LIMIT": "0",
            "TMPDIR": str(folder / "tmp"),
            "MEMES": "0",
            **PATIENT,
        }
        platform = stack.enter_context(Platform(folder, seeded(folder), **given))
        platform.start(*SERVICES)
        run = Run(platform)
        run.look("the first", Case(form(drawn.saved("png")), TAKEN))  # the code is loaded, decoding has begun
        with ExitStack() as measuring:
            peaks = [measuring.enter_context(measured(platform[name])) for name in SERVICES]
            attack(run, asked.pictures, asked.seed)
        run.left_over()
        return judged(run, peaks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
