"""What a failure of a connection is called."""

import errno
import socket
import ssl

import pytest

from stagedoor._transports.failures import (
    ConnectTimeout,
    Disconnected,
    Garbled,
    Late,
    PoolTimeout,
    translated,
)
from stagedoor.errors import Overloaded, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnavailable


def refused(code: int) -> ssl.SSLCertVerificationError:
    """Return what a certificate is refused with."""
    error = ssl.SSLCertVerificationError("x")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("failure", "kind", "detail"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), UpstreamUnavailable, "refused the connection"),
        (ConnectionResetError(), UpstreamUnavailable, "reset the connection"),
        (BrokenPipeError(), UpstreamUnavailable, "reset the connection"),
        (socket.gaierror(-2, "secret.internal"), UpstreamUnavailable, "its name cannot be resolved"),
        (OSError(errno.EHOSTUNREACH, "10.0.0.1"), UpstreamUnavailable, "there is no route to it"),
        (FileNotFoundError(errno.ENOENT, "/run/x"), UpstreamUnavailable, "its socket is not there"),
        (ssl.SSLError("x"), UpstreamUnavailable, "the TLS handshake failed"),
        (ssl.SSLCertVerificationError("x"), UpstreamUnavailable, "its certificate is not trusted"),
        (refused(9), UpstreamUnavailable, "its certificate is not valid yet"),
        (refused(10), UpstreamUnavailable, "its certificate has expired"),
        (refused(20), UpstreamUnavailable, "its certificate is of an authority that is not known here"),
        (refused(62), UpstreamUnavailable, "its certificate is for another name"),
        (refused(1), UpstreamUnavailable, "its certificate is not trusted"),
        (OSError("Multiple exceptions"), UpstreamUnavailable, "could not be reached"),
        (
            Disconnected(silent=True, headless=True),
            UpstreamUnavailable,
            "closed before the head of an answer",
        ),
        (Disconnected(silent=False, headless=False), UpstreamGarbled, "closed before the end of an answer"),
        (Garbled("a bad chunk"), UpstreamGarbled, "a bad chunk"),
        (OSError(errno.EMFILE, "x"), Overloaded, "no descriptor or port left"),
        (PoolTimeout(), Overloaded, "no connection came free in time"),
        (Late(), UpstreamTimeout, ""),
        (ConnectTimeout(), UpstreamTimeout, "no connection in time"),
    ],
)
def test_a_failure_says_what_to_look_for(failure: Exception, kind: type[UpstreamError], detail: str) -> None:
    """Refused, unresolved, reset: the process, the name or the network; T21: no host, port or path."""
    error = translated("users.get", failure)

    assert (type(error), error.detail) == (kind, detail)
