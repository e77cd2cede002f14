"""The media service over each kind of store."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from cinema.services.media.app import build
from cinema.settings import Settings
from tests.cinema.services.asking import Asker, Reply, started
from tests.kinds import kinds
from tests.servers import S3_BUCKET, S3_KEY, S3_SECRET, Server

TOKEN = "the-shared-token"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
BOUNDARY = "a7c3"


def of_s3(url: str, bucket: str = S3_BUCKET) -> dict[str, str]:
    """Return the settings of a bucket."""
    return {
        "media_store": "s3",
        "media_s3_endpoint": url,
        "media_s3_bucket": bucket,
        "media_s3_region": "us-east-1",
        "media_s3_access_key": S3_KEY,
        "media_s3_secret_key": S3_SECRET,
    }


@asynccontextmanager
async def answering(answers: Mapping[str, tuple[int, bytes, int]]) -> AsyncIterator[str]:
    """Give the address of a store that has one answer for each method: status, octets, and the length it says."""
    asking: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asking[writer] = asyncio.current_task()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                status, octets, length = answers[head.partition(" ")[0]]
                whole = re.search(r"range: bytes=0-(\d+)", head)
                fields = f"content-range: bytes 0-{whole[1]}/{int(whole[1]) + 1}\r\n" if whole else ""
                fields += 'etag: "a"\r\nlast-modified: Mon, 05 Jan 2026 10:00:00 GMT\r\n'
                writer.write(
                    f"HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{fields}\r\n".encode() + octets
                )

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in asking:
            writer.close()
        await asyncio.gather(*filter(None, asking.values()))


def emptied(url: str) -> None:
    """Leave nothing in the bucket."""
    store = S3Store(
        S3_BUCKET,
        endpoint=url,
        region="us-east-1",
        access_key_id=S3_KEY,
        secret_access_key=S3_SECRET,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    for rows in obstore.list(store):
        for row in rows:
            obstore.delete(store, row["path"])


@pytest.fixture(params=kinds("local", "s3"))
def places(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Give the settings of each kind of store, with nothing in it."""
    if request.param == "local":
        return {"media_dir": str(tmp_path / "media")}
    server: Server = request.getfixturevalue("s3")
    emptied(server.url)
    return of_s3(server.url)


@pytest.fixture
def settings(places: dict[str, str]) -> Settings:
    """Give the settings of a service that asks for a token."""
    return Settings.model_validate({**places, "media_token": TOKEN})


@pytest.fixture
async def media(settings: Settings) -> AsyncIterator[Asker]:
    """Ask the media service."""
    async with started(build(settings, stream=io.BytesIO())) as asker:
        yield asker


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a multipart body; a name of `file` is one."""
    lines = []
    for name, body in parts:
        said = f'form-data; name="{name}"' + ('; filename="../../x.php"' if name == "file" else "")
        lines.append(f"--{BOUNDARY}\r\nContent-Disposition: {said}\r\n\r\n".encode() + body + b"\r\n")
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


async def upload(media: Asker, file: bytes, **fields: str) -> Reply:
    """Upload a picture."""
    return await posted(media, form(("file", file)), **fields)


async def posted(media: Asker, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> Reply:
    """Send a body."""
    fields = {**AUTHORIZED, "content-type": kind, "content-length": str(len(body))}
    return await media("/api/files/upload", "POST", body, fields)


async def get(media: Asker, name: str, query: str = "", method: str = "GET", **fields: str) -> Reply:
    """Download a picture."""
    headers = {name.replace("_", "-"): said for name, said in fields.items()}
    return await media(f"/api/files/download/{name}{query}", method, headers={**AUTHORIZED, **headers})


async def names(media: Asker, query: str = "") -> list[str]:
    """Return what lies in the store."""
    return [row["filename"] for row in (await media(f"/api/files{query}", headers=AUTHORIZED)).json]
