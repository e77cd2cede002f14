"""What a backup says of itself: written last, so that a folder without it is no backup."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cinema.etl.state import replace_file
from cinema.faults import Fault

__all__ = ["BackupManifest", "BackupRefused", "digest_of", "read_manifest", "write_manifest"]

_FILE: Final = "manifest.json"
_FORMAT: Final = 1
_PIECE: Final = 2**20


class BackupRefused(Fault):
    """Tell in one line why nothing is taken or put back."""


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """Which release took it and when, how many rows each table has, and the digest of each file."""

    version: str
    revision: str
    taken: str
    rows: Mapping[str, int]
    files: Mapping[str, str]
    without_picture: Sequence[str] = ()  # memes whose picture the source itself did not have


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Make a folder a backup."""
    replace_file(
        folder / _FILE, json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=2, ensure_ascii=False)
    )


def read_manifest(folder: Path) -> BackupManifest:
    """Return what a backup says of itself, once every file is what it was.

    Raises:
        BackupRefused: the folder is no backup, or a file in it is missing or has changed.

    """
    try:
        held = json.loads((folder / _FILE).read_text())
        if held.pop("format") != _FORMAT:
            raise BackupRefused(f"{folder}: a backup of another form; use the release that took it")
        manifest = BackupManifest(**held)
        _validate(manifest)
    except FileNotFoundError:
        raise BackupRefused(f"{folder}: no backup, or one that was not finished: it has no {_FILE}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupRefused(f"{folder}: {_FILE} cannot be read ({type(error).__name__})") from error
    for name, digest in manifest.files.items():
        file = folder / name
        if not file.is_file() or digest_of(file) != digest:
            raise BackupRefused(f"{file}: missing, or not what was taken")
    return manifest


def _validate(manifest: BackupManifest) -> None:
    """Raise `TypeError` unless a manifest is of its types: somebody may have written into it."""
    texts = (manifest.version, manifest.revision, manifest.taken, *manifest.files, *manifest.files.values())
    if not all(isinstance(one, str) for one in texts):
        raise TypeError
    if not all(type(count) is int for count in manifest.rows.values()):
        raise TypeError
