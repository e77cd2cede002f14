"""Base addresses of upstreams, read once at start."""

import os
import re
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from stagedoor.errors import ConfigError

__all__ = ["Base", "read_base"]

_PORTS = {"http": 80, "https": 443}
_USER = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*+:)?/*[^/?#]*@")
_ZONE = re.compile("%.*]")  # of an address of one link; it means something on this machine alone (RFC 6874 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An upstream's address, taken apart: `authority` is the Host field, `prefix` goes in front of every target."""

    scheme: str
    host: str
    port: int
    authority: bytes
    prefix: bytes
    socket: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the path of a Unix socket, and 0."""
        return (self.socket or self.host, self.port)

    def tls(self, context: ssl.SSLContext | None) -> ssl.SSLContext | None:
        """Return the context for connections: the given one, or one that trusts what the system trusts."""
        if self.scheme != "https":
            return None
        return context or _trusting()


def read_base(base_url: str) -> Base:
    """Take `http://host:port/prefix`, `https://...` or `unix:/path/to/socket` apart; raises `ConfigError`."""
    if base_url.startswith("unix:"):
        path = unquote(base_url.removeprefix("unix:"))
        if not path.startswith("/"):
            raise ConfigError(f"base URL {base_url!r}: unix: is followed by an absolute path")
        return Base(scheme="unix", host="", port=0, authority=b"localhost", prefix=b"", socket=path)
    if _USER.match(base_url):  # before anything is said of it: that would show a password
        raise ConfigError("base URL with user info: credentials belong into header fields")
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"base URL {base_url!r}: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(f"base URL {base_url!r}: want http://host, https://host or unix:/path")
    if parts.query or parts.fragment:
        raise ConfigError(f"base URL {base_url!r}: a query or fragment has no meaning here")
    if not (base_url.isascii() and base_url.isprintable()) or " " in base_url:
        raise ConfigError(f"base URL {base_url!r}: only visible ASCII characters")
    host, _, zone = parts.hostname.partition("%")
    return Base(
        scheme=parts.scheme,
        host=f"{host}%{unquote(zone.removeprefix('25'))}" if zone else host,
        port=port or _PORTS[parts.scheme],
        authority=_ZONE.sub("]", parts.netloc).encode(),
        prefix=parts.path.rstrip("/").encode(),
    )


def _trusting() -> ssl.SSLContext:
    """Return what believes the system's authorities, or those of SSL_CERT_FILE.

    Raises `ConfigError` where that is no file of certificates: OpenSSL passes over it, and then nobody is believed.
    """
    file = os.environ.get("SSL_CERT_FILE")
    if file and not os.path.isfile(file):  # noqa: PTH113 - a pipe would be waited at for ever
        raise ConfigError(f"SSL_CERT_FILE: {file!r} must be a file of certificates")
    context = ssl.create_default_context()
    if file:
        try:
            context.load_verify_locations(file)
        except OSError as error:
            raise ConfigError(f"SSL_CERT_FILE: {file!r} must be a file of certificates") from error
    return context
