"""How long the certificates last that we are shown."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from cinema.doctor.asking import SECONDS
from cinema.doctor.finding import Finding
from cinema.settings import Settings

__all__ = ["of_certificates"]

_SOON: Final = 14 * 86_400.0  # seconds; the alert CertificateExpires says the same
_PORTS: Final = {"https": 443, "rediss": 6379}


async def of_certificates(settings: Settings, doors: Sequence[str], now: float) -> Sequence[Finding]:
    """Return which certificates have ended or end soon: of every address that speaks TLS, and of the doors."""
    addresses = {url: name for name, url in _addresses(settings)} | dict.fromkeys(doors, "door")
    found = await asyncio.gather(*(asyncio.to_thread(_of, name, url, now) for url, name in addresses.items()))
    return [one for one in found if one is not None]


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    for field, value in settings:
        if isinstance(value, str) and value.startswith(("https://", "rediss://")):
            yield field.upper(), value


def _of(name: str, url: str, now: float) -> Finding | None:
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 443)
    try:
        ends = _end_of(parts.hostname or "", port)
    except (OSError, ValueError):
        if name != "door":
            return None  # whoever asks it says so
        said = f"{parts.hostname}:{port} shows no certificate"
        return Finding(name, "down", said, "Start it, or name another address after --door.")
    left = ends - now
    if left > _SOON:
        return None
    day = datetime.fromtimestamp(ends, UTC).date().isoformat()
    how = f"has ended ({day})" if left <= 0 else f"ends in {left / 86_400:.0f} days ({day})"
    said = f"the certificate of {parts.hostname}:{port} {how}"
    return Finding(name, "certificate", said, "Renew it, put it where the old one is, and reload the server.")


def _end_of(host: str, port: int) -> float:
    """Return when the certificate ends that somebody shows, whoever has signed it."""
    from cryptography import x509  # noqa: PLC0415 - a tenth of a second, where TLS is spoken

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), SECONDS) as line,
        context.wrap_socket(line, server_hostname=host) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown or b"").not_valid_after_utc.timestamp()
