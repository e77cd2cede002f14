"""Look at everything side by side, change nothing, and return what is wrong."""

import asyncio
from collections.abc import Iterator, Sequence

from cinema.doctor.certificates import of_certificates
from cinema.doctor.clocks import Clocks
from cinema.doctor.database import of_database
from cinema.doctor.finding import Finding, of_setting, sorted_by_weight
from cinema.doctor.pictures import of_pictures
from cinema.doctor.places import of_places
from cinema.doctor.search import of_engine, of_index
from cinema.doctor.services import of_gateway, of_services
from cinema.doctor.shared_store import of_redis
from cinema.faults import Fault
from cinema.gateway.admission import admission
from cinema.gateway.start import check_gateway
from cinema.settings import Settings
from stagedoor._clock import SystemClock
from stagedoor._door.descriptors import too_few
from stagedoor._face.start_warnings import unshared

__all__ = ["examine", "of_workers"]


async def examine(settings: Settings, doors: Sequence[str] = ()) -> Sequence[Finding]:
    """Return what is wrong, the likely reasons first. `doors` are further addresses whose certificates matter."""
    wall = SystemClock().wall
    clocks = Clocks(wall)
    if settings.docs_only:  # the gateway alone, which opens nothing
        return [*_of_settings(settings), *await of_gateway(settings, clocks)]
    found = await asyncio.gather(
        asyncio.to_thread(_of_settings, settings),
        asyncio.to_thread(lambda: [*of_places(settings)]),
        of_database(settings, clocks),
        of_redis(settings, clocks),
        of_engine(settings, clocks),
        of_pictures(settings, clocks),
        of_services(settings, clocks),
        of_gateway(settings, clocks),
        of_certificates(settings, doors, wall()),
    )
    findings = [one for many in found for one in many]
    if not {one.subject for one in findings} & {"database", "search", "search index"}:
        findings += await of_index(settings)  # which asks them
    return sorted_by_weight([*findings, *clocks.findings(), *of_workers(settings)])


def of_workers(settings: Settings) -> Iterator[Finding]:
    """Yield what several gateways of these settings do not share."""
    note = unshared(admission(settings), "REDIS_URL")
    if settings.gateway_workers > 1 and note is not None:
        said = f"there are {settings.gateway_workers}, and {note}"
        yield Finding("workers", "note", said, "Set REDIS_URL, or GATEWAY_WORKERS=1.")


def _of_settings(settings: Settings) -> Sequence[Finding]:
    """Return what keeps the gateway from starting, as its start would say it."""
    few = too_few()
    if few is not None:
        remedy = "Raise it where the process starts: ulimit -n, LimitNOFILE= of systemd, --ulimit of docker."
        return [Finding("settings", "setting", few, remedy)]
    try:
        check_gateway(settings)
    except Fault as fault:
        return [of_setting(fault)]
    return []
