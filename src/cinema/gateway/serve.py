"""Serve the gateway in this process, or in several, until it is told to stop."""

import stagedoor
from cinema.listening import validate_free
from cinema.settings import Settings

__all__ = ["serve"]


def serve(settings: Settings, host: str | None = None) -> None:
    """Serve on the gateway's address; return once a signal has stopped it in order.

    Raises:
        OSError: the address cannot be listened on.

    """
    address = (host or settings.gateway_host, settings.gateway_port)
    validate_free(*address)
    stagedoor.serve(
        "cinema.gateway.app:app", host=address[0], port=address[1], workers=settings.gateway_workers
    )
