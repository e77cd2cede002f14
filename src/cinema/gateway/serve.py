"""Serve the gateway in this process until it is told to stop."""

import uvicorn

from cinema.gateway.app import build
from cinema.settings import Settings

__all__ = ["serve"]


def serve(settings: Settings, host: str | None = None) -> None:
    """Serve on the gateway's address."""
    uvicorn.run(
        build(settings),
        host=host or settings.gateway_host,
        port=settings.gateway_port,
        http="httptools",
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_config=None,
    )
