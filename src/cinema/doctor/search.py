"""Ask whether there is a search engine, whether it lets us in, and whether its index is where the database is."""

import asyncio
import base64
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from cinema.checks import refusal
from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.doctor.asking import SECONDS, Reply, asked
from cinema.doctor.clocks import Clocks
from cinema.doctor.finding import Finding
from cinema.etl.changes import ChangeLog, has_change_log
from cinema.etl.checkpoints import consumer_beside
from cinema.etl.manifest import Manifest, figures_key, manifest_of, manifest_path, read_manifest
from cinema.etl.run import LIVE_SECONDS
from cinema.etl.state import StateBroken, read_state
from cinema.faults import FULL
from cinema.indices import INDICES
from cinema.settings import Settings
from stagedoor._cache.redis import RedisServer
from stagedoor._cache.server import StoreDown
from stagedoor._clock import SystemClock
from stagedoor.search import WriterError

__all__ = ["of_engine", "of_index"]

_ENGINE: Final = "search"
_INDEX: Final = "search index"
_LEAST: Final = {"elasticsearch": (7, 10), "opensearch": (2, 0)}
_BUILD: Final = "Run: cinema etl (or keep cinema etl --watch running)."
_RED: Final = (
    "Look which (GET /_cat/shards): bring their node back, or build the index anew: cinema etl --rebuild"
)
_SILENT: Final = 4 * LIVE_SECONDS


async def of_engine(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with the engine, or with the folder of the embedded one."""
    if settings.search_url is None:
        return await _of_folder(settings)
    fields = _credentials(settings)
    reply = await asked(settings.search_url, fields)
    clocks.note(_ENGINE, reply.told)
    may_read = reply.status == 403 and await _may_read(settings.search_url, fields)
    found = None if may_read else _unreached(reply) or _of_version(reply)
    if found is not None:
        return [found]
    state = (await asked(f"{settings.search_url}/_cluster/health", fields)).json().get("status")
    if state == "red":
        return [Finding(_ENGINE, "ill", "its cluster is red: parts of an index are nowhere to be had", _RED)]
    missing = [
        one.name
        for one in INDICES
        if (await asked(f"{settings.search_url}/{one.name}", fields)).status == 404
    ]
    return [_lacking(missing)] if missing else []


async def _may_read(url: str, fields: Mapping[str, str]) -> bool:
    """Tell whether a user may ask the index, who may not be told of the engine itself."""
    reply = await asked(f"{url}/{INDICES[0].name}/_search?size=0", fields)
    return not reply.lost and reply.status in {200, 404}


def _credentials(settings: Settings) -> Mapping[str, str]:
    if not settings.search_user:
        return {}
    pair = f"{settings.search_user}:{settings.search_password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _unreached(reply: Reply) -> Finding | None:
    if reply.lost == "hung":
        remedy = "Look at its node: memory, a long collection of garbage, a full disk."
        return Finding(_ENGINE, "hung", "the engine does not answer in time (SEARCH_URL)", remedy)
    if reply.lost:
        return Finding(
            _ENGINE, "down", f"the engine does not answer{reply.why}", "Start it, or correct SEARCH_URL."
        )
    if reply.status in {401, 403}:
        said = "the engine refuses this user or password"
        return Finding(_ENGINE, "credentials", said, "Correct SEARCH_USER and SEARCH_PASSWORD.")
    if reply.status >= 500:
        remedy = "Look at its log; if a proxy answers for it, start what stands behind that."
        return Finding(_ENGINE, "ill", f"the engine answers, and fails (status {reply.status})", remedy)
    return None


def _of_version(reply: Reply) -> Finding | None:
    version: Any = reply.json().get("version")
    told = version if isinstance(version, dict) else {}
    kind = str(told.get("distribution") or "elasticsearch").lower()
    number = re.match(r"(\d+)\.(\d+)", str(told.get("number", "")))
    if number is None or kind not in _LEAST:
        said = f"what answers is no search engine (status {reply.status})"
        return Finding(_ENGINE, "version", said, "Correct SEARCH_URL.")
    if (int(number[1]), int(number[2])) < _LEAST[kind]:
        said = f"{kind} {told['number']} is too old"
        return Finding(_ENGINE, "version", said, "Move to Elasticsearch 7.10, OpenSearch 2, or newer.")
    return None


async def _of_folder(settings: Settings) -> Sequence[Finding]:
    from stagedoor.search.tantivy import TantivyWriter  # noqa: PLC0415 - only where it is in use

    number = refusal(settings.search_dir)
    if number and number not in FULL:  # of which the places' own finding tells
        return []
    if not await asyncio.to_thread(os.path.exists, settings.search_dir):  # also where one may not look
        return [_lacking([one.name for one in INDICES])]
    writer = TantivyWriter(settings.search_dir, INDICES)
    try:
        missing = [one.name for one in INDICES if await writer.current(one.name) is None]
    except WriterError as error:
        return [Finding(_INDEX, "index_missing", f"it cannot be read ({error})", "Run: cinema etl --rebuild")]
    finally:
        await writer.aclose()
    return [_lacking(missing)] if missing else []


def _lacking(names: Sequence[str]) -> Finding:
    return Finding(_INDEX, "index_missing", f"there is none of {', '.join(names)}", _BUILD)


async def of_index(settings: Settings) -> Sequence[Finding]:
    """Return whether changes wait for the index longer than they should; the database must answer."""
    database = open_database(settings.database_url, 1)
    try:
        return await _behind(settings, database)
    except (DatabaseUnavailable, SQLAlchemyError):
        return []  # of which the database's own finding tells
    finally:
        await database.close()


async def _behind(settings: Settings, database: Database) -> Sequence[Finding]:
    now = SystemClock().wall()
    alive = (await _manifest(settings)).alive
    stopped = bool(alive) and now - alive > _SILENT
    try:
        state = read_state(settings.search_etl_state)
    except StateBroken as error:
        said = f"the ETL's state cannot be read ({error}), so the next pass builds everything anew"
        return [Finding(_INDEX, "damaged", said, "Let it; or restore SEARCH_ETL_STATE beside its index.")]
    if state is None or not await database.read(has_change_log):
        return _late(0.0, 0.0, stopped)  # kept on another machine, or a source that tells no moments
    feed = ChangeLog(SystemClock(), consumer_beside(settings.search_etl_state))
    if await feed.source(database) != state.source:
        said = "it was built from another database, or from this one before it was loaded anew"
        return [Finding(_INDEX, "index_behind", said, _BUILD)]
    since = (await feed.waiting(database, state.position)).since
    waited = now - min(since.values(), default=now)
    allowed = 2 * settings.search_etl_interval_s + 30
    return _late(waited, allowed, stopped)


async def _manifest(settings: Settings) -> Manifest:
    """Return what the ETL tells of itself: beside the index, or over Redis where it runs on another machine."""
    beside = read_manifest(manifest_path(settings.search_dir))
    if beside.alive or settings.redis_url is None:
        return beside
    server = RedisServer(settings.redis_url, prefix=settings.redis_prefix)
    try:
        async with asyncio.timeout(SECONDS):
            (told,) = await server.told(("GET", figures_key(server.prefix)))
    except (StoreDown, TimeoutError):
        return beside  # of which its own finding tells
    return manifest_of(told)


def _late(waited: float, allowed: float, stopped: bool) -> Sequence[Finding]:
    """Say how long changes have waited, and whether anybody is about to take them."""
    how = f"changes have waited {waited:.0f} s for it"
    if waited > allowed:
        return [Finding(_INDEX, "index_behind", how, f"{_BUILD} Its log says what holds it up.")]
    if stopped:
        said = "the ETL that kept it has not said for 20 s that it runs"
        return [Finding("etl", "down", said, "Start it: cinema etl --watch")]
    return []
