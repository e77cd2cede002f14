"""Let nobody more in, and send nobody away who is in: how a listening socket is closed without a loss.

Theory. The kernel finishes handshakes by itself, and resets whoever waits in the queue when a listening socket is
closed: their connect succeeded, their request may be under way. So arrivals are stopped first, then the queue is taken
up, and only then the socket is closed. A packet filter on the socket that drops what asks for a new connection does the
first (Linux; a client asks again after a second, and finds either the next process or nobody). Elsewhere the queue is
taken up all the same, and a moment remains.

Where several processes share the socket, the filter would close it for all of them: it is for who ends the last one.
"""

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

__all__ = ["bound_unsent", "stop_arrivals"]

_UNSENT: Final = 131_072
_SO_ATTACH_FILTER: Final = 26
# Classic BPF, as socket(7) takes it: load octet 13 of the TCP header; drop the packet if SYN is set; else let it pass.
_LOAD, _TEST, _RETURN = 0x30, 0x45, 0x06
_PROGRAM: Final = ((_LOAD, 0, 0, 13), (_TEST, 0, 1, 0x02), (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFF))


def bound_unsent(descriptor: int) -> None:
    """Bound what the kernel keeps unsent for each connection of a listening TCP socket, which inherits it.

    Without it the kernel takes up to 4 MB for a client that reads nothing. What is on its way does not count, so that a
    fast client far away gets as much as its window allows.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, option, _UNSENT)


def stop_arrivals(descriptor: int) -> None:
    """Let the kernel take no new connections on a listening TCP socket; those that it has taken stay in the queue."""
    if not sys.platform.startswith("linux"):
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _PROGRAM))
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as listener:
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("HL", len(_PROGRAM), ctypes.addressof(code)),
        )
