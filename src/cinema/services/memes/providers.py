"""Which object lives how long: one of the process, or one of each request, closed at its end.

The spool of a request and what writes through it belong to that request alone; a container gives each its own, and
takes them back whatever happens.
"""

from collections.abc import AsyncIterator
from random import Random

from dishka import Provider, Scope, provide

from cinema.database import Database
from cinema.services.memes.cleanup import Cleanup
from cinema.services.memes.cursors import Cursors
from cinema.services.memes.keys import Turns
from cinema.services.memes.media import Media
from cinema.services.memes.spool import Spool
from cinema.services.memes.wall.routes import WallPage
from cinema.services.memes.writing import Writing
from cinema.settings import Settings
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor._events import Observer
from stagedoor._tracing import Tracer

__all__ = ["Lifetimes"]


class Lifetimes(Provider):
    """All that the routes are given."""

    def __init__(
        self, settings: Settings, database: Database, observe: Observer, tracer: Tracer | None = None
    ) -> None:
        super().__init__()
        self._settings = settings
        self._database = database
        self._env = Env(SystemClock(), Random().random, observe, tracer)  # noqa: S311 - for pauses, not for secrets

    @provide(scope=Scope.APP)
    def settings(self) -> Settings:
        """Give what the operator decided."""
        return self._settings

    @provide(scope=Scope.APP)
    def database(self) -> Database:
        """Give the database, which the frame closes."""
        return self._database

    @provide(scope=Scope.APP)
    def cursors(self) -> Cursors:
        """Give what writes cursors; whoever knows the database may write its own."""
        return Cursors(self._settings.database_url)

    @provide(scope=Scope.APP)
    def page(self, cursors: Cursors) -> WallPage:
        """Give what shows the wall."""
        most, writers = self._settings.media_max_bytes, self._settings.gateway_auth
        return WallPage(self._database, cursors, most, writers)

    @provide(scope=Scope.APP)
    def turns(self) -> Turns:
        """Give the turns of keys."""
        return Turns()

    @provide(scope=Scope.APP)
    async def media(self) -> AsyncIterator[Media]:
        """Give the client of the media service."""
        media = Media(self._settings, self._env)
        yield media
        await media.aclose()

    @provide(scope=Scope.APP)
    async def cleanup(self, media: Media) -> AsyncIterator[Cleanup]:
        """Give what removes pictures."""
        cleanup = Cleanup(self._database, media, self._env.clock, self._env.rng)
        yield cleanup
        await cleanup.aclose()

    @provide(scope=Scope.REQUEST)
    async def spool(self) -> AsyncIterator[Spool]:
        """Give a request the place for its picture."""
        spool = Spool()
        yield spool
        await spool.close()

    @provide(scope=Scope.REQUEST)
    def writing(self, media: Media, cleanup: Cleanup, turns: Turns, spool: Spool) -> Writing:
        """Give a request what changes memes."""
        patience = float(self._settings.gateway_upload_timeout_s)
        return Writing(self._database, media, cleanup, turns, self._env.clock, spool, patience)
