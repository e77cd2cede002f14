"""What lies in the folder of the embedded engine, and who may change it.

    movies-000003/      one version of an index: Tantivy's files, `format` that names what it was made for and the
                        secret of its keywords, and `mark`
    movies.name         the version that the name "movies" stands for; replaced whole, so that readers see old or new
    generation          replaced after each commit and each switch: readers look at it to know that they must look again

Readers need no lock. A version may be removed under a reader: what it has open stays until it closes it.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

from stagedoor.search.schema import Index
from stagedoor.search.tantivy.keywords import SECRET_BYTES

__all__ = ["Folder"]

_FORMAT: Final = "12"  # raised when the physical fields of an index change their meaning
_is_secret = re.compile(rb"[0-9a-f]{%d}" % (2 * SECRET_BYTES)).fullmatch
_VERSION = re.compile(r"(?P<name>.+)-(?P<number>\d{6,})")


class Folder:
    """The folder of a search engine; methods touch the disk and nothing else."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, version: str) -> Path:
        """Return where a version lies, or would."""
        return self.root / version

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of an index, oldest first."""
        found = [match for path in self.root.glob(f"{name}-*") if (match := _VERSION.fullmatch(path.name))]
        mine = [match for match in found if match["name"] == name]
        return tuple(match[0] for match in sorted(mine, key=lambda match: int(match["number"])))

    def create(self, index: Index, secret: bytes) -> str:
        """Make an empty folder for a new version and return the version's name."""
        name = self.root / f"{index.name}.name"
        if name.is_dir():
            raise IsADirectoryError(f"{name.name} is a folder and has to be a file: move it away")
        newest = self.versions(index.name)
        number = int(newest[-1].rpartition("-")[2]) if newest else 0
        version = f"{index.name}-{number + 1:06}"
        self.path(version).mkdir(parents=True)
        (self.path(version) / "format").write_text(f"{_made_for(index)} {secret.hex()}")
        return version

    def current(self, name: str) -> str | None:
        """Return the version a name stands for; None if there is none."""
        try:
            version = (self.root / f"{name}.name").read_text(errors="replace").strip()
        except FileNotFoundError:
            return None
        match = _VERSION.fullmatch(version)
        return version if match and match["name"] == name and self.path(version).is_dir() else None

    def secret(self, version: str, index: Index) -> bytes | None:
        """Return what a version's keywords are drawn by; None if it was made for another declaration or release."""
        try:
            said = (self.path(version) / "format").read_bytes()
        except FileNotFoundError:
            return None
        made_for, _, secret = said.rpartition(b" ")
        if made_for != _made_for(index).encode() or not _is_secret(secret):
            return None
        return bytes.fromhex(secret.decode())

    def switch(self, name: str, version: str) -> None:
        """Let a name stand for a version, in one step."""
        _replace(self.root / f"{name}.name", version)

    def mark(self, version: str, text: str) -> None:
        """Keep a text with a version."""
        _replace(self.path(version) / "mark", text)

    def marked(self, version: str) -> str:
        """Read the text that a version was marked with; an empty one if it was not."""
        try:
            return (self.path(version) / "mark").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def drop(self, version: str) -> None:
        """Remove a version."""
        shutil.rmtree(self.path(version), ignore_errors=True)

    def generation(self) -> int:
        """Return a number that changes with each `advance`; 0 before the first."""
        try:
            found = (self.root / "generation").stat()
        except FileNotFoundError:
            return 0
        return found.st_mtime_ns ^ found.st_ino << 64

    def advance(self) -> None:
        """Tell readers to look again."""
        path = self.root / "generation"
        count = 0
        with contextlib.suppress(FileNotFoundError, ValueError):
            count = int(path.read_text())
        _replace(path, str(count + 1))


def _made_for(index: Index) -> str:
    return f"{_FORMAT} {index.fingerprint}"


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after a crash."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
