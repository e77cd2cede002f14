"""Whether a gateway could listen where it is told to, asked before anything is opened."""

import socket

__all__ = ["validate_free"]


def validate_free(host: str, port: int) -> None:
    """Raise `OSError` if nobody may listen there: the address is taken, forbidden, or none of this machine's."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does it
            listener.bind(address)
