"""The snapshot: films and people asked for at once, both needed, kept for a minute and not a moment longer.

List and single film are views of one kept answer, so that they agree and share its timestamp. Age counts from when
the film API was asked, in every tier. There is no stale answer.
"""

from datetime import UTC, datetime

from cinema.gateway.movies.models import Film, Person, Snapshot
from cinema.settings import Settings
from stagedoor import Aggregate, Cache, Gateway, Report, Service
from stagedoor.errors import UpstreamGarbled, UpstreamRejected

__all__ = ["declare_snapshot"]

_RENEWED = 50 / 60  # the share of its life after which a snapshot is renewed while there is traffic
_FILMS = {"fields": "id,title,director,producer,release_date,url", "limit": 250}
_PEOPLE = {"fields": "id,name,films,url", "limit": 250}


def declare_snapshot(app: Gateway, ghibli: Service, settings: Settings) -> Aggregate[Snapshot]:
    """Declare the snapshot; it has no route of its own."""
    snapshot = app.aggregate("", Snapshot, cache=_kept(settings), deadline=settings.ghibli_timeout_ms / 1000)

    @snapshot.part
    async def films() -> list[Film]:
        try:
            return await ghibli.get(list[Film], "/films/", query=_FILMS)
        except UpstreamRejected as error:
            raise _without_list(error) from error

    @snapshot.part
    async def people() -> list[Person]:
        try:
            return await ghibli.get(list[Person], "/people/", query=_PEOPLE)
        except UpstreamRejected as error:
            raise _without_list(error) from error

    snapshot.summary(timestamp)
    return snapshot


def timestamp(report: Report) -> str:
    """Return when the film API was asked."""
    return datetime.fromtimestamp(report.wall - report.seconds, UTC).isoformat()


def _without_list(error: UpstreamRejected) -> UpstreamGarbled:
    """Return what it means that there are no such lists: this is not the film API (contract 1.4)."""
    return UpstreamGarbled(error.operation, error.detail)


def _kept(settings: Settings) -> Cache:
    """Return how snapshots are kept: at the longest for 60 s, and renewed from the 50th on."""
    life = settings.ghibli_ttl_s
    return Cache(max_age=life, renew_after=life * _RENEWED, from_start=True, key="ghibli")
