"""What has to be right before the service listens, each fault one line that names the setting."""

import asyncio
from contextlib import suppress
from ipaddress import ip_address

from cinema.services.frame import Outage
from cinema.services.media.store import objects_of
from cinema.settings import Settings, SettingsError

__all__ = ["validate_ready"]


def validate_ready(settings: Settings, host: str) -> None:
    """Look whether this may be served on an address, and whether the store has a place for us.

    A store that does not answer yet is no fault: it is asked again for each picture, and /health says how it is.

    Raises:
        SettingsError: it may not, or there is none.

    """
    if settings.media_token is None and not _is_loopback(host):
        raise SettingsError(f"MEDIA_TOKEN: must be set where the media service listens on {host!r}")
    try:
        with suppress(Outage):
            asyncio.run(objects_of(settings).check())
    except OSError as error:
        raise SettingsError(f"MEDIA_DIR: cannot be used ({error.strerror or error})") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
