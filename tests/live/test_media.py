"""The media service as a process: hostile uploads cost it nothing, and leave nothing behind (T11, T12, contract 6)."""

import contextlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.cinema.pictures import drawn
from tests.live.platform import PATIENT, Platform, Program, Reply, ask
from tests.servers import LOOPBACK

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(400)]

TOKEN = "shared"
BOUNDARY = "a7c3"
LARGE = 20_000_000


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Give media and a gateway, with a temporary folder of their own."""
    folder = tmp_path_factory.mktemp("media")
    (folder / "tmp").mkdir()
    given: dict[str, str | float] = {
        "MEDIA_TOKEN": TOKEN,
        "GATEWAY_RATE_LIMIT": "0",
        "TMPDIR": str(folder / "tmp"),
        **PATIENT,
    }
    with Platform(folder, "", **given) as platform:
        platform.start("media", "gateway")
        yield platform


@pytest.fixture
def media(platform: Platform) -> Program:
    """Give the service's process."""
    return platform["media"]


@contextlib.contextmanager
def measured(program: Program) -> Iterator[list[int]]:
    """Give the most memory that a process has meanwhile, over what it has now."""
    process, peak, stop = psutil.Process(program.pid), [0], threading.Event()
    rest = process.memory_info().rss

    def watch() -> None:
        while not stop.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss - rest)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        stop.set()
        watching.join()


def form(file: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="../../x.php"\r\n\r\n'
    return head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(media: Program, file: bytes) -> Reply:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    fields = {"authorization": f"Bearer {TOKEN}", "content-type": kind}
    return ask(media.port, "/api/files/upload", "POST", fields, form(file))


def stored(platform: Platform) -> set[str]:
    return {path.name for path in (platform.folder / "data" / "media").iterdir()}


def noise(octets: int) -> bytes:
    """Draw a picture whose file has about so many octets."""
    side = int((octets / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(file, "PNG", compress_level=0)
    return file.getvalue()


def bombs() -> dict[str, tuple[bytes, int]]:
    """Draw what is small and wants to be large; with the status that each is answered with."""
    jpeg, gif = drawn.saved("jpg", progressive=True), drawn.saved("gif", Image.new("P", (1, 1)))
    scan, frame = jpeg[jpeg.rindex(b"\xff\xda") : -2], gif[gif.index(b",") : -1]
    control = drawn.chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 1, 0, 0))
    claimed = drawn.chunk(b"acTL", struct.pack(">II", 100_000, 0))
    return {
        "pixels": (drawn.png_of(65_535, 65_535), 422),
        "frames of a GIF": (gif[:-1] + frame * 100_000 + b";", 422),
        "frames of an APNG": (drawn.png_of(1, 1, claimed, control * 100_000, rows=b"\0\0"), 422),
        "scans": (jpeg[:-2] + scan * 10_000 + jpeg[-2:], 422),
        "rows": (drawn.png_of(1, 1, rows=bytes(1 << 28)), 422),
        "profile": (
            drawn.png_of(1, 1, drawn.chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 28))), rows=b"\0\0"),
            422,
        ),
        "text": (
            drawn.with_chunks(
                drawn.saved("png"), drawn.chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 28)))
            ),
            201,
        ),
        "chunks": (drawn.png_of(1, 1, drawn.chunk(b"tEXt", b"") * 1_600_000, rows=b"\0\0"), 422),
        "fill": (jpeg[:2] + b"\xff" * 19_000_000 + jpeg[2:], 201),
        "polyglot": (drawn.saved("gif") + b"<script>alert(1)</script>", 201),
        "a zip before it": (b"PK\x03\x04" + drawn.saved("png"), 415),
        "too long": (drawn.saved("png") + bytes(20_971_520), 413),
    }


@pytest.mark.long
def test_t11_bombs_are_answered_soon_and_cost_the_service_nothing(platform: Platform, media: Program) -> None:
    """T11 and T12: 4xx in time, own memory within 64 MB of rest, nothing left but what was taken."""
    upload(media, drawn.saved("png"))  # the process that decodes is there, and the code is loaded
    before, found, slowest = stored(platform), {}, 0.0
    with measured(media) as peak:
        for name, (file, _) in bombs().items():
            started = time.monotonic()
            found[name] = upload(media, file).status
            slowest = max(slowest, time.monotonic() - started)

    print(f"slowest {slowest:.2f} s, memory +{peak[0] >> 20} MB")
    assert found == {name: status for name, (_, status) in bombs().items()}
    assert peak[0] < 64 << 20
    assert len(stored(platform) - before) == sum(status == 201 for status in found.values())
    assert list((platform.folder / "tmp").iterdir()) == []


def test_t11_a_client_that_dies_leaves_nothing(platform: Platform, media: Program) -> None:
    """T11: at any of 50 offsets: neither in the store, nor in a temporary folder, nor open files."""
    body, before, process = form(noise(LARGE)), stored(platform), psutil.Process(media.pid)
    files = process.num_fds()
    head = (
        f"POST /api/files/upload HTTP/1.1\r\nHost: media\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for step in range(50):
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, media.port)) as line:
            line.sendall(head.encode() + body[: len(body) * step // 50])

    end = time.monotonic() + 60
    while process.num_fds() > files and time.monotonic() < end:
        time.sleep(0.05)
    assert process.num_fds() <= files
    assert stored(platform) == before
    assert list((platform.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"authorization": "Bearer other"}, b"401"),
        ({"content-type": "image/png"}, b"415"),
        ({"content-type": "multipart/form-data"}, b"400"),
        ({"content-length": "99999999"}, b"413"),
        ({}, b"100"),
    ],
)
def test_a_refused_upload_hears_so_before_its_octets_travel(
    media: Program, fields: dict[str, str], status: bytes
) -> None:
    """Issue 13: token, type and length are in the head; `100 Continue` is for what may come."""
    said = {
        "host": "media",
        "authorization": f"Bearer {TOKEN}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": "1000",
        "expect": "100-continue",
    } | fields
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    with socket.create_connection((LOOPBACK, media.port), timeout=60) as line:
        line.sendall(f"POST /api/files/upload HTTP/1.1\r\n{lines}\r\n".encode())
        answer = line.recv(64)

    assert answer.split()[1] == status


def test_a_body_without_end_is_refused_at_its_bound(media: Program) -> None:
    """Contract 6: 413 as soon as the limit is passed, without keeping the rest."""
    head = (
        f"POST /api/files/upload HTTP/1.1\r\nHost: media\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    first = form(b"")[: -len(BOUNDARY) - 8]
    with measured(media) as peak, socket.create_connection((LOOPBACK, media.port), timeout=60) as line:
        line.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(first), first))
        with contextlib.suppress(OSError):
            for _ in range(200):
                line.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        answer = line.recv(64)

    assert answer.split()[1] == b"413"
    assert peak[0] < 64 << 20


def test_fifty_clients_of_twenty_megabytes_cost_the_gateway_little(
    platform: Platform, media: Program
) -> None:
    """Issue 13: back-pressure all the way: below 100 MB for 1 GB, half of it to clients that are slow."""
    name = json.loads(upload(media, noise(LARGE)).body)["filename"]
    whole = ask(media.port, f"/api/files/download/{name}", headers={"authorization": f"Bearer {TOKEN}"}).body
    taken: list[int] = []
    with measured(platform["gateway"]) as gateway, measured(media) as behind:
        clients = [threading.Thread(target=take, args=(platform.port, name, i % 2, taken)) for i in range(50)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    print(f"gateway +{gateway[0] >> 20} MB, media +{behind[0] >> 20} MB")
    assert taken == [len(whole)] * 50
    assert gateway[0] < 100 << 20
    assert behind[0] < 64 << 20


def take(port: int, name: str, slow: int, taken: list[int]) -> None:
    """Download a picture, and note how many octets came."""
    with socket.create_connection((LOOPBACK, port), timeout=60) as line:
        line.sendall(f"GET /api/files/{name} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
        answer = line.makefile("rb")
        while answer.readline().strip():
            pass
        size = 0
        while piece := answer.read(262_144):
            size += len(piece)
            time.sleep(0.005 * slow)
    taken.append(size)


def test_x1_a_client_that_leaves_ends_the_transfer_behind(platform: Platform, media: Program) -> None:
    """D6 and X1: cancelled upstream at once, and every connection is given back."""
    name = json.loads(upload(media, noise(LARGE)).body)["filename"]
    for _ in range(20):
        with socket.create_connection((LOOPBACK, platform.port)) as line:
            line.sendall(f"GET /api/files/{name} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
            line.recv(65_536)

    end = time.monotonic() + 60
    while platform.runtime()["upstream_connections"] and time.monotonic() < end:
        time.sleep(0.05)
    assert platform.runtime()["upstream_connections"] == 0


def test_a_killed_service_leaves_no_process(platform: Platform, tmp_path: Path) -> None:
    """No orphan: the process that decodes ends with the service, whatever ended that."""
    with Platform(tmp_path, "", MEDIA_TOKEN=TOKEN) as other:
        other.start("media")
        upload(other["media"], drawn.saved("png"))
        children = psutil.Process(other["media"].pid).children(recursive=True)
        other["media"].signal(9)  # type: ignore[arg-type]
        gone, alive = psutil.wait_procs(children, timeout=60)

    assert (len(gone), alive) == (1, [])


@pytest.mark.long
def test_h10_schemathesis_finds_nothing(media: Program, tmp_path: Path) -> None:
    """Issue 13: all phases, all checks over the service's own document."""
    options = "--phases examples,coverage,fuzzing,stateful --mode all --seed 1 --checks all -n 10 --no-color"
    command = [
        str(Path(sys.executable).with_name("st")),
        "run",
        f"http://{LOOPBACK}:{media.port}/openapi.json",
    ]
    done = subprocess.run(
        [*command, *options.split(), "-H", f"Authorization: Bearer {TOKEN}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
