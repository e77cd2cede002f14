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

__all__ = ["stop_arrivals"]

_SO_ATTACH_FILTER: Final = 26
# Classic BPF, as socket(7) takes it: load octet 13 of the TCP header; drop the packet if SYN is set; else let it pass.
_LOAD, _TEST, _RETURN = 0x30, 0x45, 0x06
_PROGRAM: Final = ((_LOAD, 0, 0, 13), (_TEST, 0, 1, 0x02), (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFF))


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
