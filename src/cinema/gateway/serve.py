"""Serve the gateway in this process, or in several, until it is told to stop."""

import errno

import stagedoor
from cinema.checks import check_listening, check_open_files
from cinema.faults import of_disk
from cinema.gateway.start import told_of_settings
from cinema.settings import Settings

__all__ = ["serve"]


def serve(settings: Settings, host: str | None = None) -> None:
    """Serve on the gateway's address; return once a signal has stopped it in order.

    Raises:
        Fault: a setting cannot work, or nobody can listen there.

    """
    address = (host or settings.gateway_host, settings.gateway_port)
    check_open_files()
    check_listening(*address, "--host" if host else "GATEWAY_HOST", "GATEWAY_PORT")
    if settings.search_url is None and settings.search_dir.exists() and not settings.search_dir.is_dir():
        raise of_disk(NotADirectoryError(errno.ENOTDIR, ""), "SEARCH_DIR", settings.search_dir)
    with told_of_settings():
        stagedoor.serve(
            "cinema.gateway.app:app", host=address[0], port=address[1], workers=settings.gateway_workers
        )
