"""Whether a gateway could listen where it is told to, asked before anything is opened; and if not, what is wrong."""

import errno
import socket
from dataclasses import dataclass
from typing import Literal

from stagedoor._commands.failures import CONFIG, TAKEN

__all__ = ["ListeningFault", "authority_of", "listening_fault"]


@dataclass(frozen=True, slots=True)
class ListeningFault:
    """Why nobody can listen there: which of the two settings is at fault, the line, and the exit code of sysexits.h.

    69 if the port is taken, which passes; 78 for what stays wrong.
    """

    at: Literal["host", "port"]
    line: str
    code: int = CONFIG


def authority_of(host: str, port: int) -> str:
    """Return host and port as a URL has them (RFC 3986 3.2.2: an IPv6 address stands in brackets)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_fault(host: str, port: int) -> ListeningFault | None:
    """Return why nobody may listen there; None if somebody may, on one of the host's addresses at least."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        return _fault_of(error, host, port)
    faults = [_tried(family, kind, protocol, address) for family, kind, protocol, _, address in found]
    errors = [error for error in faults if error is not None]
    taken = [error for error in errors if error.errno == errno.EADDRINUSE]
    if not taken and len(errors) < len(found):  # a machine without IPv6 serves localhost all the same
        return None
    return _fault_of((taken or errors)[0], host, port)


def _tried(family: int, kind: int, protocol: int, address: object) -> OSError | None:
    try:
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does it
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the same
            listener.bind(address)  # type: ignore[arg-type] # of its family
    except OSError as error:
        return error
    return None


def _fault_of(error: OSError | UnicodeError, host: str, port: int) -> ListeningFault:
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        said = error.strerror if isinstance(error, OSError) else "it is no name"
        return ListeningFault("host", f"{host!r} cannot be resolved ({said})")
    match error.errno:
        case errno.EADDRINUSE:
            line = f"port {port} of {host} is taken; set another, or stop what listens there"
            return ListeningFault("port", line, TAKEN)
        case errno.EACCES | errno.EPERM:
            line = f"port {port} needs rights that this user lacks; take one from 1024 up"
            return ListeningFault("port", line)
        case errno.EADDRNOTAVAIL:
            return ListeningFault(
                "host", f"{host!r} is no address of this machine; 127.0.0.1 and 0.0.0.0 always are"
            )
        case errno.EAFNOSUPPORT:
            return ListeningFault("host", f"this machine does not speak the kind of address that {host!r} is")
    return ListeningFault(
        "host", f"nobody can listen on {authority_of(host, port)} ({error.strerror or error})"
    )
