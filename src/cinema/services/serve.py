"""Run one service in this process until it is told to stop."""

import logging
import signal
import socket
import sys
from importlib import import_module
from types import FrameType

import uvicorn

from cinema.services import SERVICES
from cinema.services.journal import Journal, JournalHandler
from cinema.settings import Settings

__all__ = ["serve"]

_GRACE_SECONDS = 8  # for open requests; inside the ten that whoever stops us allows


def serve(settings: Settings, name: str, host: str | None = None) -> None:
    """Serve on the address of the service's URL setting; return once a signal has stopped it in order.

    Raises:
        OSError: the address cannot be listened on.

    """
    service = SERVICES[name]
    bound, port = service.address(settings)
    journal = Journal(service.title, settings.log_level, settings.log_format)
    logging.basicConfig(handlers=[JournalHandler(journal)], level="WARNING", force=True)
    app = import_module(service.module).build(settings, journal)
    # Last: as long as nobody can answer, a caller is refused at once instead of waiting in the queue.
    listener = socket.create_server((host or bound, port), family=_family(host or bound), backlog=2048)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )

    # The server raises the signal that stopped it once more when it is done; being told to stop is success.
    def stopped(_: int, __: FrameType | None) -> None:
        if not server.started:
            sys.exit(0)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    journal.event("INFO", "serving", host=host or bound, port=port)
    server.run(sockets=[listener])
    journal.event("INFO", "stopped")
    journal.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
