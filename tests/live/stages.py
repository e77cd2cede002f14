"""Three gateways over one foreign film set: one for each search engine, each index made by the real commands."""

import json
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.live.load import Client, Shot, volley
from tests.live.platform import PATIENT, Platform, run
from tests.servers import LOOPBACK

__all__ = ["Stage", "finished", "ids_in", "links_in", "total_of"]

_LINK = re.compile(r'<([^>]+)>; rel="(\w+)"')


class Stage(Platform):
    """A gateway, its database and its index."""

    def __init__(self, folder: Path, database: str, search_url: str = "") -> None:
        own = {
            "SEARCH_DIR": str(folder / "index"),
            "SEARCH_URL": search_url,
            "SEARCH_ETL_STATE": str(folder / "state.json"),
            "SEARCH_TIMEOUT_MS": "2000",
            "GATEWAY_RATE_LIMIT": "0",
        }
        folder.mkdir()
        super().__init__(folder, database, **PATIENT, **own)
        self.connect()

    def connect(self) -> None:
        """Begin with new connections, since those of another event loop are of no use."""
        self.client = Client(self.port)

    def cinema(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command of the platform."""
        return subprocess.Popen(
            run(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def engine_calls(self) -> float:
        """Return how often the engine was asked until now."""
        series = 'upstream_request_duration_seconds_count{service_name="search"}'
        return self.metrics().get(series, 0.0)

    def raw(self, target: bytes) -> int:
        """Return the status of an answer to these bytes, which need not be a URI; 0 if there is none."""
        if b"\r" in target or b"\n" in target:  # the end of the request line is not what is tried
            target = target.replace(b"\r", b"%0D").replace(b"\n", b"%0A")
        with socket.create_connection((LOOPBACK, self.port), timeout=20) as line, line.makefile("rb") as said:
            line.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
            return int([*said.readline().split(b" "), b"0", b"0"][1])

    async def ask(self, path: str) -> Shot:
        """Ask once; an answer that does not come in time is one without a status."""
        return await self.client.get(path)

    async def said(self, path: str) -> Any:
        """Return the JSON of an answer that is well."""
        shot = await self.ask(path)
        assert shot.status == 200, (path, shot.body)
        return json.loads(shot.body)

    async def ask_all(self, paths: Sequence[str]) -> dict[str, Shot]:
        """Ask for everything, two at a time."""
        return {shot.path: shot for shot in await volley(self.client, paths, 2)}


def finished(*commands: subprocess.Popen[str]) -> list[str]:
    """Wait for commands, all of which succeed, and return what they said."""
    said = [command.communicate(timeout=120)[0] for command in commands]
    failed = [words[-2_000:] for command, words in zip(commands, said, strict=True) if command.returncode]
    assert not failed, "\n".join(failed)
    return said


def ids_in(shot: Shot) -> list[str]:
    """Return the ids of a list in either dialect."""
    body = json.loads(shot.body)
    return [one["id"] for one in body["results"]] if isinstance(body, dict) else [one["uuid"] for one in body]


def links_in(shot: Shot) -> dict[str, str]:
    """Return where the other pages are, by relation."""
    return {name: target for target, name in _LINK.findall(shot.headers.get("link", ""))}


def total_of(shot: Shot) -> int:
    """Return the number of matches."""
    return int(shot.headers["x-total-count"])
