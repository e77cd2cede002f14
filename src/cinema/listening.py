"""Ask whether an address can be listened on, before anything is built that would listen there."""

import socket

__all__ = ["validate_free"]


def validate_free(host: str, port: int) -> None:
    """Do nothing if nobody listens there.

    Raises:
        OSError: somebody does, or the address is not this machine's.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()
