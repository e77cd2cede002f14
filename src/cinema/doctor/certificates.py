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
from stagedoor._cache.redis_address import RedisAddress
from stagedoor._reaching import name_for_tls

__all__ = ["of_certificates"]

_SOON: Final = 14 * 86_400.0  # seconds; the alert CertificateExpires says the same
_PORTS: Final = {"https": 443, "rediss": 6379}
_ADDRESSES: Final = ("_url", "_endpoint", "_dsn")  # how settings are called that name one


async def of_certificates(settings: Settings, doors: Sequence[str], now: float) -> Sequence[Finding]:
    """Return which certificates have ended or end soon: of every address that speaks TLS, and of the doors."""
    addresses = {url: name for name, url in _addresses(settings)} | dict.fromkeys(doors, "door")
    found = await asyncio.gather(*(asyncio.to_thread(_of, name, url, now) for url, name in addresses.items()))
    return [one for one in found if one is not None]


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    for field, value in settings:
        # Not the others that look like one: origins of pages, or who issues tokens.
        if field.endswith(_ADDRESSES) and str(value).startswith("https://"):
            yield field.upper(), value
    redis = RedisAddress.of(settings.redis_url) if settings.redis_url else None
    for host, port in redis.hosts if redis is not None and redis.tls is not None else ():
        yield "REDIS_URL", f"rediss://{f'[{host}]' if ':' in host else host}:{port}"


def _of(name: str, url: str, now: float) -> Finding | None:
    place = _place_in(url)
    if place is None:
        remedy = "Name it as in --door https://cinema.example.com:8443"
        return Finding(name, "setting", f"{url!r} is no address", remedy) if name == "door" else None
    host, port = place
    try:
        ends = _end_of(host, port)
    except (OSError, ValueError):
        if name != "door":
            return None  # whoever asks it says so
        said = f"{host}:{port} shows no certificate"
        return Finding(name, "down", said, "Start it, or name another address after --door.")
    left = ends - now
    if left > _SOON:
        return None
    day = datetime.fromtimestamp(ends, UTC).date().isoformat()
    how = f"has ended ({day})" if left <= 0 else f"ends in {left / 86_400:.0f} days ({day})"
    said = f"the certificate of {host}:{port} {how}"
    return Finding(name, "certificate", said, "Renew it, put it where the old one is, and reload the server.")


def _place_in(url: str) -> tuple[str, int] | None:
    """Return host and port of an address; None if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 443)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def _end_of(host: str, port: int) -> float:
    """Return when the certificate ends that somebody shows, whoever has signed it."""
    from cryptography import x509  # noqa: PLC0415 - a tenth of a second, where TLS is spoken

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), SECONDS) as line,
        context.wrap_socket(line, server_hostname=name_for_tls(host)) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown or b"").not_valid_after_utc.timestamp()
