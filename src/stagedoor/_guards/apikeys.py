"""Keys that machines bring along, known by their hashes only.

A file has a line a key: the SHA-256 of the key in hexadecimal, and the name of who has it. Empty lines, and those that
begin with `#`, are for people. Two keys of one name are one subject, so that a key can be changed without a gap.

    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  acme

Keys are random and long, so a fast hash without salt gives nothing away. They are looked up by a keyed hash of their
hash, which is different in every process: how long it takes tells nothing about what is in the file.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final, Protocol

from stagedoor._deadline import DueTime
from stagedoor._guards.denials import Denied
from stagedoor._guards.visitors import Known, only_line
from stagedoor._requests import Headers

__all__ = ["ApiKeyCheck", "KeyTable", "Tables", "hash_of", "read_lines"]

_LINE: Final = re.compile(r"(?:sha256:)?([0-9A-Fa-f]{64})(?:\s+(\S{1,256}))?")
_LONGEST = 1_024


def hash_of(key: str) -> str:
    """Return what the file has of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_lines(lines: Iterable[str]) -> dict[bytes, str]:
    """Return the names by their hashes; raises `ValueError` with the number of the line that is none.

    A key without a name is called by the beginning of its hash.
    """
    found: dict[bytes, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(f"line {number} is no SHA-256 of 64 hexadecimal digits with a name")
        digest = bytes.fromhex(match[1])
        if digest in found:
            raise ValueError(f"line {number} repeats a key")
        found[digest] = match[2] if match[2] not in {None, "-"} else match[1][:16].lower()
    return found


class KeyTable:
    """Who has which key."""

    __slots__ = ("_names", "_pepper")

    def __init__(self, names: dict[bytes, str]) -> None:
        self._pepper = secrets.token_bytes(32)
        self._names = {self._blind(digest): (digest, name) for digest, name in names.items()}

    def _blind(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._pepper, digest_size=32).digest()

    def owner(self, key: bytes) -> str | None:
        """Return the name of who has a key; None if nobody has it."""
        digest = hashlib.sha256(key).digest()
        known, name = self._names.get(self._blind(digest), (b"", None))
        return name if hmac.compare_digest(known, digest) else None

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<KeyTable {len(self._names)}>"


class Tables(Protocol):
    """Where the table comes from."""

    async def current(self, deadline: DueTime) -> KeyTable:
        """Return the table as it is now; it waits until the deadline, and no longer."""
        ...

    def held(self) -> KeyTable:
        """Return the table as it was read last."""
        ...

    async def aclose(self) -> None:
        """Read no more."""
        ...


class ApiKeyCheck:
    """Tells who asks by a key in a field; `source` has the keys, as they are or as a file says now."""

    def __init__(self, header: bytes, source: "KeyTable | Tables") -> None:
        self._header = header
        self._source = source

    async def authenticate(self, fields: Headers, deadline: DueTime) -> Known:
        try:
            key = only_line(fields, self._header)
        except ValueError:
            raise Denied("invalid", "there is more than one key") from None
        if not key:
            raise Denied("missing", "a key is needed")
        source = self._source
        table = source if isinstance(source, KeyTable) else await source.current(deadline)
        name = table.owner(key) if len(key) <= _LONGEST else None
        if name is None:
            raise Denied("invalid", "the key is unknown")
        return Known(name)

    def subject(self, fields: Headers) -> str:
        """Return who asks as far as that can be told at once; "" for anybody else."""
        lines = [said for name, said in fields if name == self._header]
        if len(lines) != 1 or len(lines[0]) > _LONGEST:
            return ""
        source = self._source
        return (source if isinstance(source, KeyTable) else source.held()).owner(lines[0]) or ""

    def permits(self, method: str, fields: Headers) -> bool:
        return True

    def start(self) -> None:
        """Wait for nothing."""

    async def aclose(self) -> None:
        if not isinstance(self._source, KeyTable):
            await self._source.aclose()
