"""A listening socket that lets nobody more in keeps whoever is in."""

import contextlib
import socket
import sys

import pytest

from stagedoor._door.arrivals import bound_unsent, stop_arrivals


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filter is the kernel's")
def test_f2_who_is_in_the_queue_stays_and_nobody_follows() -> None:
    """F2: closing the socket resets them; a newcomer asks again, and finds the next process or nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as late:
        address = listener.getsockname()
        early = socket.create_connection(address)
        stop_arrivals(listener.fileno())
        late.settimeout(0.05)
        with pytest.raises(TimeoutError):
            late.connect(address)
        served, _ = listener.accept()
        early.sendall(b"still here")
        heard = served.recv(32)
        early.close()
        served.close()

    assert heard == b"still here"


def test_f2_what_is_no_listening_socket_is_left_alone() -> None:
    """F2: a stop must not fail of it, whatever it was given to serve on."""
    ends = socket.socketpair()
    with ends[0], ends[1]:
        stop_arrivals(ends[0].fileno())
        ends[0].sendall(b"x")

        assert ends[1].recv(1) == b"x"


def taken_unread(listener: socket.socket) -> int:
    """Return how much the kernel takes for a client that reads nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.connect(listener.getsockname())
        served, _ = listener.accept()
        with served:
            served.setblocking(False)
            taken = 0
            with contextlib.suppress(BlockingIOError):
                while taken < 8 << 20:
                    taken += served.send(b"x" * 65_536)
            return taken


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the option is Linux's")
def test_b2_the_kernel_keeps_little_for_a_client_that_does_not_read() -> None:
    """B2: 300 pipeliners that read nothing held 1.2 GB of the kernel's, all of it answers made for them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = taken_unread(listener)
        bound_unsent(listener.fileno())
        bound = taken_unread(listener)

    assert bound < 400_000
    assert bound < free
