"""What keeps a connection from being made, in words: what an operator looks for next; and what TLS calls a host.

Each is mended by somebody else: the process, the name, the network or the certificate. No host, port or path (T21).
"""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

__all__ = ["kept_by", "name_for_tls"]

_AWAY: Final = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH))
_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (ConnectionRefusedError, "refused the connection"),
    ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError), "reset the connection"),
    (socket.gaierror, "its name cannot be resolved"),
    (UnicodeError, "its name cannot be resolved"),  # no resolver is asked for such a one
    (ssl.SSLError, "the TLS handshake failed"),
    (FileNotFoundError, "its socket is not there"),
    (TimeoutError, "not answering in time"),
)
# By the number that OpenSSL gives (x509_vfy.h).
_REFUSED: Mapping[int, str] = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    **dict.fromkeys((18, 19, 20, 21), "its certificate is of an authority that is not known here"),
    23: "its certificate has been revoked",
    **dict.fromkeys((62, 64), "its certificate is for another name"),
}
_NO_TLS: Final = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"))


def kept_by(failure: BaseException) -> str:
    """Say what an error of a connection in the making means."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _REFUSED.get(getattr(failure, "verify_code", 0), "its certificate is not trusted")
    if isinstance(failure, OSError) and failure.errno in _AWAY:
        return "there is no route to it"
    if isinstance(failure, ssl.SSLError) and getattr(failure, "reason", "") in _NO_TLS:
        return "it speaks no TLS on this port"
    return next((told for kinds, told in _REASONS if isinstance(failure, kinds)), "could not be reached")


def name_for_tls(host: str) -> str:
    """Return what a server's certificate calls a host: no zone, nor the last dot of an absolute name (RFC 6066 3)."""
    return host.partition("%")[0].removesuffix(".")
