"""Ask whether each process of the platform runs where the settings say, in this release, and lets us in."""

import asyncio
from collections.abc import Sequence
from typing import Final

from cinema import __version__
from cinema.doctor.asking import Reply, asked
from cinema.doctor.clocks import Clocks
from cinema.doctor.finding import Finding
from cinema.services import SERVICES, BackendService
from cinema.settings import Settings, host_of
from cinema.stack.parts import is_here, parts_of

__all__ = ["of_gateway", "of_services"]

_AWAY: Final = frozenset({502, 503, 504})
# A name of our form that no picture has.
_NOBODY: Final = "00000000-0000-4000-8000-000000000000.png"


async def of_services(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with the services behind the gateway."""
    found = await asyncio.gather(*(_of_service(one, settings, clocks) for one in SERVICES.values()))
    return [one for many in found for one in many]


async def of_gateway(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with the gateway at its own address."""
    base = parts_of(settings)[-1].url
    # By another name than these it is nobody's: 421.
    named = {"Host": settings.trusted_hosts[0]} if settings.trusted_hosts else {}
    reply = await asked(f"{base}/", {"Accept": "application/json", **named})
    clocks.note("gateway", reply.told)
    found = _unreached("gateway", "gateway", "GATEWAY_PORT", base, reply)
    if found is None and not _refused(reply):
        ours = reply.json().get("service") == "api-gateway"
        found = _foreign("gateway", "GATEWAY_PORT", base, reply, ours)
    if found is not None:
        return [found]
    ready = await asked(f"{base}/health/ready")
    if ready.status == 200 or ready.lost:
        return []
    return [
        Finding(
            "gateway", "ill", "it is not ready: it starts, or is being stopped", "Wait; then look at its log."
        )
    ]


async def _of_service(service: BackendService, settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    name, base = service.name, service.url(settings)
    reply = await asked(f"{base}/")
    clocks.note(name, reply.told)
    found = _unreached(name, name, service.setting, base, reply)
    if found is not None:
        return [found]
    if name == "ghibli" and reply.json().get("name") != service.title:
        return []  # the real film API, which is nobody's of ours
    foreign = _foreign(name, service.setting, base, reply, reply.json().get("name") == service.title)
    if foreign is not None:
        return [foreign]
    if name == "media" and settings.media_token is not None:
        return await _let_in(base, settings.media_token)
    return []


def _unreached(name: str, command: str, setting: str, base: str, reply: Reply) -> Finding | None:
    if reply.lost == "hung":
        remedy = f"Look at its process; if it does nothing, end it and start it again: cinema {command}"
        return Finding(name, "hung", f"{base} takes the question and does not answer", remedy)
    if reply.lost == "foreign":
        return _taken(name, setting, base)
    if reply.lost:
        return Finding(
            name,
            "down",
            f"{base} does not answer{reply.why}",
            f"Start it: cinema {command}; or correct {setting}.",
        )
    return None


def _refused(reply: Reply) -> bool:
    """Tell whether a gateway of ours has no time for us now: asked too often, or busy."""
    return str(reply.json().get("type")).startswith("urn:problem-type:cinema:")


def _foreign(name: str, setting: str, base: str, reply: Reply, ours: bool) -> Finding | None:
    if not ours and reply.status in _AWAY:
        said = f"a proxy at {base} says that it does not answer (status {reply.status})"
        return Finding(name, "down", said, f"Start it: cinema {name}; or correct {setting}.")
    if not ours:
        return _taken(name, setting, base)
    version = reply.json().get("version")
    if version != __version__:
        said = f"it is of release {version}, this is {__version__}"
        return Finding(name, "version", said, "Start the same release everywhere; migrate first.")
    return None


def _taken(name: str, setting: str, base: str) -> Finding:
    said = f"another program listens at {base}"
    where = f"(here: ss -ltnp 'sport = :{base.rpartition(':')[2]}')" if is_here(host_of(base)) else ""
    return Finding(
        name, "port_taken", said, f"End that program {where}, or set {setting} to another address."
    )


async def _let_in(base: str, token: str) -> Sequence[Finding]:
    reply = await asked(f"{base}/api/files/download/{_NOBODY}", {"Authorization": f"Bearer {token}"})
    if reply.status != 401:
        return []
    return [
        Finding("media", "credentials", "it refuses this token", "Give all of them the same MEDIA_TOKEN.")
    ]
