"""Answer a repeated write with what was answered first (Idempotency-Key; H12).

Theory. What was answered lies in `meme_key`, written in the transaction that inserts the meme: both are there or
neither. Its scope is route and subject, its fingerprint covers texts and the picture's octets, and it counts for 24
hours. Requests with one key take turns in this process, so that fifty at once upload once; between processes the
primary key decides, and who loses answers what the winner has written. Only success is written down: a refusal of the
same request comes out the same, and after an outage the client is to try again.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select
from sqlalchemy.exc import IntegrityError
from starlette.datastructures import Headers

from cinema.database.tables import meme_key
from cinema.services.memes.models import Texts, wrong
from cinema.subjects import subject_in
from stagedoor import _problems as problems
from stagedoor._web.routes import RequestRefused

__all__ = [
    "Kept",
    "KeyTaken",
    "Scope",
    "Turns",
    "fingerprint_of",
    "keep",
    "prune",
    "recall",
    "scope_of",
    "validate_same",
]

LIFETIME: Final = timedelta(hours=24)
_LONGEST: Final = 255


class KeyTaken(Exception):
    """Another process has written the answer of this key meanwhile."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Within which a key means one write."""

    key: str
    route: str
    subject: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered, and to what."""

    fingerprint: str
    status: int
    answer: str


def scope_of(headers: Headers) -> Scope | None:
    """Return the scope of a request that adds a meme, however it wants to be answered; None if it names no key.

    Raises:
        RequestRefused: 422, the field holds no key: 1 to 255 visible characters.

    """
    lines = headers.getlist("idempotency-key")
    if not lines:
        return None
    plain = ", ".join(lines).strip(" \t")  # RFC 9110 5.3: what stands on two lines is a list, and no key
    if not plain or len(plain) > _LONGEST or not all("\x21" <= one <= "\x7e" for one in plain):
        said = f"must be 1 to {_LONGEST} visible ASCII characters"
        raise RequestRefused(
            problems.validation(wrong("header", "Idempotency-Key", msg=said, kind="idempotency_key"))
        )
    return Scope(plain, "POST /memes", subject_in(headers))


def fingerprint_of(texts: Texts, octets: str) -> str:
    """Return what two equal requests share; `octets` is the digest of the picture."""
    digest = hashlib.sha256()
    for part in (texts.title, texts.description, octets):
        digest.update(b"%d:" % len(part) + part.encode())
    return digest.hexdigest()


def validate_same(kept: Kept, fingerprint: str) -> Kept:
    """Return what was answered to the same request; raises `RequestRefused`, 422, for another one under its key."""
    if kept.fingerprint != fingerprint:
        said = "was used for another request"
        raise RequestRefused(
            problems.validation(wrong("header", "Idempotency-Key", msg=said, kind="idempotency_key"))
        )
    return kept


def recall(connection: Connection, scope: Scope, now: datetime) -> Kept | None:
    """Return what was answered under a key; None if nothing was, or too long ago."""
    columns = (meme_key.c.fingerprint, meme_key.c.status, meme_key.c.answer)
    found = connection.execute(select(*columns).where(_is(scope), meme_key.c.expires_at > now)).first()
    return None if found is None else Kept(*found)


def keep(connection: Connection, scope: Scope, kept: Kept, now: datetime) -> None:
    """Write down what is answered, in the caller's transaction; raises `KeyTaken`."""
    connection.execute(delete(meme_key).where(_is(scope), meme_key.c.expires_at <= now))
    names = {"key": scope.key, "route": scope.route, "subject": scope.subject, "expires_at": now + LIFETIME}
    said = {"fingerprint": kept.fingerprint, "status": kept.status, "answer": kept.answer}
    try:
        connection.execute(insert(meme_key).values({**names, **said}))
    except IntegrityError as error:
        raise KeyTaken(scope.key) from error


def prune(connection: Connection, now: datetime) -> None:
    """Forget what was answered too long ago."""
    connection.execute(delete(meme_key).where(meme_key.c.expires_at <= now))


def _is(scope: Scope) -> ColumnElement[bool]:
    columns = meme_key.c
    return and_(columns.key == scope.key, columns.route == scope.route, columns.subject == scope.subject)


class Turns:
    """Let one request of a scope run at a time."""

    def __init__(self) -> None:
        self._locks: dict[Scope, asyncio.Lock] = {}
        self._wanted: Counter[Scope] = Counter()

    def __repr__(self) -> str:
        return f"<Turns of {len(self._locks)} keys>"

    @asynccontextmanager
    async def taken(self, scope: Scope, seconds: float) -> AsyncIterator[None]:
        """Wait for the turn, so many seconds at most; raises `RequestRefused`, 409, if it does not come."""
        lock = self._locks.setdefault(scope, asyncio.Lock())
        self._wanted[scope] += 1
        try:
            try:
                await asyncio.wait_for(lock.acquire(), seconds)
            except TimeoutError:
                raise RequestRefused(problems.conflict()) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            self._wanted[scope] -= 1
            if not self._wanted[scope]:
                del self._wanted[scope], self._locks[scope]
