"""What goes wrong on one connection, and what it is called in the words of `errors`.

Failures are what the pure parts and the connections raise; `translated` is the one place where they become errors.
No detail names a host, port or path (T21): such facts are in the cause only.
"""

import errno
import socket
import ssl
from collections.abc import Mapping

from stagedoor.errors import Overloaded, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable

__all__ = ["ConnectTimeout", "Disconnected", "Failure", "Garbled", "Late", "PoolTimeout", "translated"]

# Our own shortage, not the upstream's fault (C9).
_LOCAL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL))

_AWAY = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH))
_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (ConnectionRefusedError, "refused the connection"),
    ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError), "reset the connection"),
    (socket.gaierror, "its name cannot be resolved"),
    (ssl.SSLError, "the TLS handshake failed"),
    (FileNotFoundError, "its socket is not there"),
)
# By the number that OpenSSL gives (x509_vfy.h): each is mended by somebody else.
_REFUSED: Mapping[int, str] = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    **dict.fromkeys((18, 19, 20, 21), "its certificate is of an authority that is not known here"),
    23: "its certificate has been revoked",
    **dict.fromkeys((62, 64), "its certificate is for another name"),
}
_NO_TLS = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"))


class Failure(Exception):
    """What went wrong on one connection."""


class Garbled(Failure):
    """The answer breaks a rule of HTTP or one of our limits."""


class Disconnected(Failure):
    """The connection ended before the answer did."""

    def __init__(self, *, silent: bool, headless: bool) -> None:
        super().__init__("before the head" if headless else "after the head")
        self.silent = silent  # not one byte of the answer had come
        self.headless = headless  # the final head had not come


class Late(Failure):
    """The deadline of the call, or the idle limit of its stream, passed."""


class ConnectTimeout(Late):
    """No connection could be made in time."""


class PoolTimeout(Failure):
    """No place came free in time."""


def translated(operation: str, failure: Exception) -> UpstreamError:
    """Return the error that a failure of a connection stands for.

    A timeout is retryable here: whether the deadline was the attempt's or the call's is known to who set it.
    """
    match failure:
        case PoolTimeout():
            return Overloaded(operation, "no connection came free in time")
        case Late() | TimeoutError():
            return UpstreamTimeout(operation, retryable=True)
        case Garbled():
            return UpstreamGarbled(operation, str(failure))
        case Disconnected(headless=False):
            return UpstreamGarbled(operation, "closed before the end of an answer")
    return _unreachable(operation, failure)


def _unreachable(operation: str, failure: Exception) -> UpstreamError:
    if isinstance(failure, Disconnected):
        return UpstreamUnavailable(operation, "closed before the head of an answer", retryable=True)
    if isinstance(failure, ssl.SSLCertVerificationError):
        told = _REFUSED.get(getattr(failure, "verify_code", 0), "its certificate is not trusted")
        return UpstreamUnavailable(operation, told)
    if isinstance(failure, OSError) and failure.errno in _LOCAL:
        return Overloaded(operation, "no descriptor or port left")
    return UpstreamUnavailable(operation, _why(failure), retryable=True)


def _why(failure: Exception) -> str:
    """Say what an operator looks for next: the process, the name, the network or the certificate."""
    if isinstance(failure, OSError) and failure.errno in _AWAY:
        return "there is no route to it"
    if isinstance(failure, ssl.SSLError) and getattr(failure, "reason", "") in _NO_TLS:
        return "it speaks no TLS on this port"
    return next((told for kinds, told in _REASONS if isinstance(failure, kinds)), "could not be reached")
