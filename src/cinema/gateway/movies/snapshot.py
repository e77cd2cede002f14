"""The snapshot: films and people asked for at once, both needed, kept for a minute and not a moment longer.

List and single film are views of one kept answer, so that they agree and share its timestamp. Age counts from when
the film API was asked, in every tier. There is no stale answer.
"""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TypeVar

from cinema.gateway.movies.models import Film, Person, Snapshot
from cinema.settings import Settings
from stagedoor import Aggregate, Cache, Gateway, Problem, Report, Service
from stagedoor.errors import UpstreamGarbled, UpstreamRejected

__all__ = ["declare_snapshot"]

T = TypeVar("T")
_RENEWED = 50 / 60  # the share of its life after which a snapshot is renewed while there is traffic
_FILMS = {"fields": "id,title,director,producer,release_date,url", "limit": 250}
_PEOPLE = {"fields": "id,name,films,url", "limit": 250}


def declare_snapshot(app: Gateway, ghibli: Service, settings: Settings) -> Aggregate[Snapshot]:
    """Declare the snapshot; it has no route of its own."""
    snapshot = app.aggregate("", Snapshot, cache=_kept(settings), deadline=settings.ghibli_timeout_ms / 1000)

    @snapshot.part
    async def films() -> list[Film]:
        return await _listed(ghibli.get(list[Film], "/films/", query=_FILMS))

    @snapshot.part
    async def people() -> list[Person]:
        return await _listed(ghibli.get(list[Person], "/people/", query=_PEOPLE))

    snapshot.summary(timestamp)
    return snapshot


def timestamp(report: Report) -> str:
    """Return when the film API was asked."""
    return datetime.fromtimestamp(report.wall - report.seconds, UTC).isoformat()


async def _listed(asking: Awaitable[T]) -> T:
    """Return what the film API says; where it has no such list it is none (contract 1.4)."""
    try:
        return await asking
    except UpstreamRejected as error:
        raise UpstreamGarbled(error.operation, error.detail) from error
    except UpstreamGarbled as error:
        if _redirects(error):  # a mistake of the operator's, who reads where to in the log
            raise Problem(502, "the film API answers with a redirect, which is not followed") from error
        raise


def _redirects(error: UpstreamGarbled) -> bool:
    said = error.response
    return said is not None and said.status in {301, 302, 303, 307, 308}


def _kept(settings: Settings) -> Cache:
    """Return how snapshots are kept: at the longest for 60 s, and renewed from the 50th on."""
    life = settings.ghibli_ttl_s
    return Cache(max_age=life, renew_after=life * _RENEWED, from_start=True, key="ghibli")
