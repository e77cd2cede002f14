"""The ETL as a process: wire it, run a pass, and in watch mode another one whenever the interval is over."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.database.engine import PostgresDatabase
from cinema.etl.changes import ChangeLog, has_change_log
from cinema.etl.checkpoints import consumer_beside
from cinema.etl.feed import Feed, SourceReplaced
from cinema.etl.load import Loader
from cinema.etl.lock import sole_writer, sole_writer_anywhere
from cinema.etl.manifest import figures_key, manifest_path
from cinema.etl.modified import Modified
from cinema.etl.pages import collect_rarely
from cinema.etl.passes import Etl, clear, found, update
from cinema.etl.purge import Invalidator, WithManifest, WithRedis
from cinema.etl.rebuild import rebuild
from cinema.etl.report import EtlReport, paced, report_for
from cinema.etl.retrying import Retrying
from cinema.indices import INDICES, MOVIES
from cinema.settings import Settings
from cinema.telemetry import sentry_of
from stagedoor._cache.redis import RedisServer
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor._observers.lines import where
from stagedoor._observers.sentry import Sentry
from stagedoor._supervision import supervised
from stagedoor._transports.http import HttpTransport
from stagedoor._upstream import Upstream
from stagedoor.policies import Timeout
from stagedoor.search import Writer, WriterError

__all__ = ["LIVE_SECONDS", "Job", "job_of", "run"]

LIVE_SECONDS = 5.0
_READERS = 3  # a page, what is asked meanwhile, and the lock
_CONNECTIONS = 2
_CONNECT_SECONDS = 2.0
_REQUEST_SECONDS = 30.0  # a node that takes longer for a batch is away


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a pass needs but the feed, which the database decides."""

    settings: Settings
    env: Env
    report: EtlReport
    database: Database
    invalidator: Invalidator
    open_writer: Callable[[], Writer]
    sentry: Sentry | None = None

    async def once(self, *, anew: bool = False) -> int:
        """Make one pass, however often that takes; return how many documents were written.

        Raises:
            WriterError: the engine refuses, and asking again does not help.
            SQLAlchemyError: the source has no such tables.

        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(anew=anew)
            except SourceReplaced as error:
                await self.retrying.pause(attempt, "database", error)
            except (DatabaseUnavailable, WriterError) as error:
                if isinstance(error, WriterError) and not error.retryable:
                    raise
                await self.retrying.pause(attempt, "index", error)

    async def watch(self) -> None:
        """Make passes for ever, and say every few seconds that they are made; nothing but a cancellation ends it."""
        living = asyncio.create_task(
            supervised(self._live, self.env.clock, "etl sign of life", self._fell), name="etl sign of life"
        )
        try:
            await supervised(self._passes, self.env.clock, "etl", self._fell)
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            with suppress(OSError):  # who writes the next batch says what is wrong with the folder
                await self.invalidator.live(self.env.clock.wall())
            await self.env.clock.sleep(LIVE_SECONDS)

    async def _passes(self) -> None:
        while True:
            try:
                await self.once()
            except (WriterError, SQLAlchemyError, OSError) as error:
                self._failed(error, _reason(error))
            await self.env.clock.sleep(self.settings.search_etl_interval_s)

    @property
    def retrying(self) -> Retrying:
        """Return how outages are borne."""
        return Retrying(self.env, self._lost)

    async def aclose(self) -> None:
        """Close what is open."""
        await self.invalidator.aclose()
        await self.database.close()
        if self.sentry is not None:
            await self.sentry.aclose()
        self.report.close()

    async def _attempt(self, *, anew: bool) -> int:
        async with self._alone():
            writer = self.open_writer()
            try:
                return await self._pass(writer, anew=anew)
            finally:
                with suppress(WriterError):  # what matters was committed
                    await writer.aclose()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Keep other writers out: of this folder always, and of the cluster where the source can see to it."""
        settings, clock = self.settings, self.env.clock
        async with AsyncExitStack() as stack:
            lock = settings.search_etl_state.with_name(f"{settings.search_etl_state.name}.lock")
            await stack.enter_async_context(sole_writer(lock, clock, self._not_yet))
            if settings.search_url is not None and isinstance(self.database, PostgresDatabase):
                await stack.enter_async_context(sole_writer_anywhere(self.database, clock, self._not_yet))
            yield

    def _not_yet(self, holder: str) -> None:
        self.report.note("info", "etl_queues", behind=holder)

    async def _pass(self, writer: Writer, *, anew: bool) -> int:
        began = self.env.clock.now()
        feed = await self.retrying.keep("database", self._feed)
        settings = self.settings
        etl = Etl(
            self.database,
            partial(open_database, settings.database_url, mapped=True),
            feed,
            self.invalidator,
            self.retrying,
            self.report,
            settings.search_etl_state,
            settings.search_etl_batch,
        )
        loader = Loader(writer, self.retrying, self.report)
        state, reason, source = await found(etl, writer)
        if state is None or anew:
            self.report.note("warning" if reason else "info", "etl_rebuild", reason=reason or "asked for")
            state = await rebuild(etl, loader, source, state.position if state else None)
        else:
            loader.set_aside.update(state.set_aside)
            await clear(writer)
        await update(etl, loader, state)
        self._tell(loader, self.env.clock.now() - began)
        return loader.written.total()

    def _tell(self, loader: Loader, seconds: float) -> None:
        documents, films = loader.written.total(), loader.written[MOVIES.name]
        self.report.note(
            "info",
            "etl_pass",
            documents=documents,
            set_aside=len(loader.set_aside),
            **paced(documents, seconds),
            films_per_second=paced(films, seconds)["per_second"],
        )

    async def _feed(self) -> Feed:
        logged = await self.database.read(has_change_log)
        consumer = await asyncio.to_thread(consumer_beside, self.settings.search_etl_state)
        return ChangeLog(self.env.clock, consumer) if logged else Modified()

    def _fell(self, _: str, error: BaseException) -> None:
        self._failed(error, where(error))

    def _failed(self, error: BaseException, reason: str) -> None:
        self.report.note("error", "etl_failed", reason=reason)
        self.tell(error)

    def tell(self, error: BaseException) -> None:
        """Tell Sentry of an error that is not merely waited for, if anybody is to be told."""
        if self.sentry is not None:
            self.sentry.tell(error, "etl_failed", "cinema.etl")

    def _lost(self, what: str, error: BaseException, pause: float) -> None:
        self.report.note("warning", "etl_waits", lost=what, reason=_reason(error), seconds=round(pause, 2))


def job_of(settings: Settings, report: EtlReport | None = None) -> Job:
    """Wire what the settings describe; nothing connects yet."""
    clock = SystemClock()
    env = Env(clock, random.random, lambda _: None)
    shown = report or report_for(clock, text=settings.log_format == "text", least=settings.log_level)
    invalidator = _invalidator_of(settings)
    database = open_database(settings.database_url, _READERS)
    sentry = sentry_of(settings, "etl")
    return Job(settings, env, shown, database, invalidator, _writer_of(settings, env), sentry)


def _invalidator_of(settings: Settings) -> Invalidator:
    beside = WithManifest(manifest_path(settings.search_dir))
    if settings.redis_url is None:
        return beside
    server = RedisServer(settings.redis_url, prefix=settings.redis_prefix)
    return WithRedis(beside, server, figures_key(server.prefix))


def _writer_of(settings: Settings, env: Env) -> Callable[[], Writer]:
    if settings.search_url is None:
        from stagedoor.search.tantivy import TantivyWriter  # noqa: PLC0415 - only where it is in use

        return lambda: TantivyWriter(settings.search_dir, INDICES)

    from stagedoor.search.elastic import ElasticWriter  # noqa: PLC0415 - the same

    user, password = settings.search_user or "", settings.search_password or ""
    url = settings.search_url

    def remote() -> Writer:
        transport = HttpTransport(
            url, pool_size=_CONNECTIONS, connect_timeout=_CONNECT_SECONDS, clock=env.clock
        )
        # Named as in the gateway. What is to be repeated is repeated here, with more patience than a policy has.
        upstream = Upstream("search", transport, Timeout(attempt=_REQUEST_SECONDS), env=env)
        return ElasticWriter(upstream, INDICES, user=user, password=password)

    return remote


def run(settings: Settings, *, watch: bool = False, anew: bool = False) -> None:
    """Run one pass, or one after the other until a signal; one pass that a signal ends was none, and says so."""
    collect_rarely()
    try:
        asyncio.run(_run(settings, watch=watch, anew=anew))
    except asyncio.CancelledError:
        if not watch:
            raise SystemExit(128 + signal.SIGTERM) from None


async def _run(settings: Settings, *, watch: bool, anew: bool) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    job = job_of(settings)
    try:
        if anew or not watch:
            await job.once(anew=anew)
        if watch:
            await job.watch()
    except Exception as error:
        job.tell(error)
        raise
    finally:
        await job.aclose()


def _reason(error: BaseException) -> str:
    """Say what kind of failure it was; texts of drivers may name hosts and users."""
    if isinstance(error, WriterError):
        return str(error)[:300]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path
    return type(error.__cause__ or error).__name__
