"""Serve the gateway in this process, or in several, until it is told to stop."""

import gc
import tempfile
from pathlib import Path

from cinema.gateway.app import build
from cinema.listening import demand_free
from cinema.settings import Settings, load
from stagedoor.door import Entrance
from stagedoor.door import serve as serve_door
from stagedoor.door.limits import DoorLimits
from stagedoor.observers.metrics import prepare_workers

__all__ = ["entrance", "limits_of", "serve"]


def serve(settings: Settings, host: str | None = None) -> None:
    """Serve on the gateway's address; return once a signal has stopped it in order.

    Raises:
        OSError: the address cannot be listened on.

    """
    address = (host or settings.gateway_host, settings.gateway_port)
    demand_free(*address)
    limits = limits_of(settings)
    if settings.gateway_workers == 1:
        serve_door(_entrance(settings), host=address[0], port=address[1], limits=limits, namespace="cinema")
        return
    with tempfile.TemporaryDirectory(prefix="cinema-metrics-") as numbers:
        prepare_workers(Path(numbers))
        serve_door(
            factory="cinema.gateway.serve:entrance",
            namespace="cinema",
            host=address[0],
            port=address[1],
            limits=limits,
            workers=settings.gateway_workers,
        )


def limits_of(settings: Settings) -> DoorLimits:
    """Return what the door of each process may take; proxies one trusts speak for many clients."""
    return DoorLimits(
        max_connections=settings.gateway_max_connections,
        per_client=settings.gateway_connections_per_client,
        proxies=settings.trusted_proxies,
    )


def entrance() -> Entrance:
    """Build the gateway of one worker process."""
    return _entrance(load())


def _entrance(settings: Settings) -> Entrance:
    gateway = build(settings)
    _spare_the_collector()
    return Entrance(app=gateway, refused=gateway.refused, drain=gateway.drain)


def _spare_the_collector() -> None:
    """Look for cycles rarely, and never among what lives as long as the process.

    What a request makes goes by itself, as soon as nobody refers to it. At the default of 700 new objects the
    collector runs several times per answer over all requests under way: a tenth of the CPU of a cold one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
