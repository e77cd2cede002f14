"""Write memes: the steps of each change in their order; `changes` says why in this one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from cinema.database import Database
from cinema.services.memes import changes, keys, queries
from cinema.services.memes.changes import NameTaken
from cinema.services.memes.cleanup import Cleanup
from cinema.services.memes.entities import as_json, as_meme, not_found, validate_match
from cinema.services.memes.keys import Kept, KeyTaken, Scope, Turns
from cinema.services.memes.media import Media
from cinema.services.memes.models import Texts
from cinema.services.memes.spool import Spool
from stagedoor import _problems as problems
from stagedoor._clock import Clock
from stagedoor._web.routes import RequestRefused

__all__ = ["Writing"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Writing:
    """What a request may change; it lives as long as that request does.

    Each method raises `RequestRefused` for what the client did wrong, `UpstreamError` for a media service and
    `DatabaseUnavailable` for a database that does not answer; then nothing has changed.
    """

    database: Database
    media: Media
    cleanup: Cleanup
    turns: Turns
    clock: Clock
    spool: Spool
    patience: float

    async def create(self, texts: Texts, scope: Scope | None) -> bytes:
        """Write a meme with the picture in the spool; return its JSON, or what was answered under its key before."""
        if scope is None:
            return await self._create(texts, None)
        fingerprint = keys.fingerprint_of(texts, self.spool.digest)
        async with self.turns.taken(scope, self.patience):
            kept = await self._recall(scope)
            if kept is None:
                try:
                    return await self._create(texts, (scope, fingerprint))
                except KeyTaken:
                    kept = await self._winners(scope)
            return keys.validate_same(kept, fingerprint).answer.encode()

    async def replace(self, meme_id: str, if_match: str | None) -> tuple[dict[str, Any], str]:
        """Give a meme the picture in the spool; return its row and the name of the old picture."""
        row = await self.database.read(partial(queries.find, meme_id=meme_id))
        if row is None:
            raise not_found(meme_id)
        validate_match(row, if_match)  # once more in the transaction: this spares the upload
        name = await self.media.upload(self.spool)
        work = partial(changes.replace, meme_id=meme_id, name=name, if_match=if_match, now=self._now())
        fresh, old = await self._or_discarded(name, work)
        await self.cleanup.promptly(old)
        return fresh, old

    async def rewrite(self, meme_id: str, texts: Texts, if_match: str | None) -> dict[str, Any]:
        """Give a meme other texts; return its row."""
        return await self.database.write(
            partial(changes.rewrite, meme_id=meme_id, texts=texts, if_match=if_match)
        )

    async def remove(self, meme_id: str, if_match: str | None) -> str:
        """Delete a meme; return the name of its picture."""
        work = partial(changes.remove, meme_id=meme_id, if_match=if_match, now=self._now())
        name = await self.database.write(work)
        await self.cleanup.promptly(name)
        return name

    async def _create(self, texts: Texts, key: tuple[Scope, str] | None) -> bytes:
        name = await self.media.upload(self.spool)
        now = self._now()
        written = {"title": texts.title, "description": texts.description}
        row = {"id": str(uuid4()), **written, "image_name": name, "created_at": now}
        answer = as_json(as_meme(row))

        def work(connection: Connection) -> None:
            changes.create(connection, row)
            if key is not None:
                keys.keep(connection, key[0], Kept(key[1], 201, answer.decode()), now)

        await self._or_discarded(name, work)
        return answer

    async def _or_discarded(self, name: str, work: Callable[[Connection], T]) -> T:
        """Write; if that fails, or nobody knows, see to it that no picture is left over."""
        try:
            return await self.database.write(work)
        except NameTaken:
            raise RequestRefused(problems.upstream_unavailable(1.0)) from None
        except BaseException:
            self.cleanup.discard(name)
            raise

    async def _winners(self, scope: Scope) -> Kept:
        """Return what another process has answered, which was first."""
        kept = await self._recall(scope)
        if kept is None:
            raise RequestRefused(problems.conflict())
        return kept

    async def _recall(self, scope: Scope) -> Kept | None:
        return await self.database.read(partial(keys.recall, scope=scope, now=self._now()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC)
