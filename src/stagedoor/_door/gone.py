"""Whether a client has gone of whom nothing is read for now: a loop looks for ends only where it reads."""

import asyncio
import select
from typing import Final

__all__ = ["has_gone"]

# An end of input, also behind octets that are not read yet (Linux; elsewhere a reset alone is seen).
_END: Final = getattr(select, "POLLRDHUP", 0)


def has_gone(transport: asyncio.Transport) -> bool:
    """Tell whether the other side has ended or reset the connection; half an end counts as one, as ever (D6)."""
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return False
    poller = select.poll()
    poller.register(socket.fileno(), _END)
    return bool(poller.poll(0))
