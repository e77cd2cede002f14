"""What goes wrong on one connection, and what it is called in the words of `errors`.

Failures are what the pure parts and the connections raise; `translated` is the one place where they become errors.
No detail names a host, port or path (T21): such facts are in the cause only.
"""

import errno
import ssl

from stagedoor._reaching import kept_by
from stagedoor.errors import Overloaded, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable

__all__ = ["ConnectTimeout", "Disconnected", "Failure", "Garbled", "Late", "PoolTimeout", "translated"]

# Our own shortage, not the upstream's fault (C9).
_LOCAL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL))


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
        case ConnectTimeout():
            return UpstreamTimeout(operation, "no connection in time", retryable=True)
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
        return UpstreamUnavailable(operation, kept_by(failure))
    if isinstance(failure, OSError) and failure.errno in _LOCAL:
        return Overloaded(operation, "no descriptor or port left")
    return UpstreamUnavailable(operation, kept_by(failure), retryable=True)
