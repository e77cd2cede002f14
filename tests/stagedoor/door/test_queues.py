"""A socket for each worker, all of one port, which nobody else gets."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor._commands.failures import TAKEN
from stagedoor._commands.listening import listening_fault
from stagedoor._door.config import DoorConfig
from stagedoor._door.limits import DoorLimits
from stagedoor._door.queues import Queues, forsaken, open_queues, waiting_in

CONTEXT = multiprocessing.get_context("spawn")
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere the workers share one socket"
)


def config(port: int = 0, *, workers: int = 3, host: str = "127.0.0.1") -> DoorConfig:
    return DoorConfig(
        "shop:app", limits=DoorLimits(), namespace="shop", host=host, port=port, workers=workers
    )


@contextmanager
def opened(*, workers: int = 3, host: str = "127.0.0.1", dealt: bool = True) -> Iterator[Queues]:
    queues, claim = open_queues(config(workers=workers, host=host), CONTEXT, dealt=dealt)
    with closing(queues), claim or socket.socket():
        yield queues


def port_of(queues: Queues) -> int:
    return int(queues.of(0).getsockname()[1])


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1"])
def test_all_queues_are_of_one_port_that_the_system_chose(host: str) -> None:
    """Port 0: three workers on three ports would be three gateways."""
    with opened(host=host) as queues:
        names = {each.getsockname() for each in queues.sockets}

    assert (len(queues.sockets), len(names)) == (3, 1)
    assert names.pop()[1] != 0


@linux
def test_who_is_dealt_to_a_place_waits_there_whoever_holds_it() -> None:
    """Issue 17.4: the worker's end of a socket closes with it; the queue is the parent's, and its successor's."""
    with opened(workers=2) as queues:
        workers = [each.dup() for each in queues.sockets]
        for each in workers:
            each.listen(64)
        clients = [socket.create_connection(("127.0.0.1", port_of(queues))) for _ in range(32)]
        for each in workers:
            each.close()
        served = [list(waiting_in([each])) for each in queues.sockets]
        for one in [*clients, *served[0], *served[1]]:
            one.close()

    assert len(served[0]) + len(served[1]) == 32
    assert all(served)


@linux
@pytest.mark.parametrize("listening", [False, True])
def test_a_port_that_workers_are_about_to_serve_is_taken(listening: bool) -> None:
    """Issue 17.4: SO_REUSEPORT would let a second gateway in, with every other connection; before they listen too."""
    with opened() as queues:
        if listening:
            queues.of(1).listen()
        fault = listening_fault("127.0.0.1", port_of(queues))
        with pytest.raises(SystemExit) as ended:
            open_queues(config(port_of(queues)), CONTEXT)

    assert fault is not None
    assert (fault.code, ended.value.code) == (TAKEN, TAKEN)


@linux
def test_a_port_of_somebody_who_shares_it_is_taken() -> None:
    """Another program's SO_REUSEPORT is no invitation."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other, pytest.raises(SystemExit) as ended:
        open_queues(config(other.getsockname()[1]), CONTEXT)

    assert ended.value.code == os.EX_UNAVAILABLE


@linux
def test_nobody_is_let_in_before_a_worker_serves() -> None:
    """A gateway that is starting refuses; whoever asks if it is there must not wait for it."""
    with opened() as queues, socket.socket() as client:
        refused = client.connect_ex(("127.0.0.1", port_of(queues)))

    assert refused != 0


@linux
def test_a_port_is_free_when_its_queues_are_closed() -> None:
    """The next start must not wait for what the last one's connections leave behind."""
    with opened(workers=2) as queues:
        port = port_of(queues)
        for each in queues.sockets:
            each.listen()
        client = socket.create_connection(("127.0.0.1", port))
        (served,) = waiting_in(queues.sockets)
        served.close()  # first: what stays in TIME_WAIT is ours
        client.close()

    assert listening_fault("127.0.0.1", port) is None


def test_an_address_that_is_not_ours_ends_the_start() -> None:
    """As with one process: it is said, and the start ends."""
    with pytest.raises(SystemExit) as ended:
        open_queues(config(host="192.0.2.1"), CONTEXT)

    assert ended.value.code not in {0, os.EX_UNAVAILABLE}


def test_where_the_system_deals_nothing_out_all_share_one_queue() -> None:
    """And none looks into it as if it were another's."""
    with opened(dealt=False) as queues:
        assert len(queues.sockets) == 1
        assert queues.of(0) is queues.of(2)
        assert queues.forsaken(1, now=100.0) == []


def test_a_queue_is_forsaken_half_a_second_after_its_worker_was_last_seen() -> None:
    """A worker's own queue is not; one that says it leaves has its neighbours look at once."""
    with opened() as queues:
        for place, seen in enumerate((9.9, 9.4, 9.6)):
            queues.note(place, seen)
        silent = queues.forsaken(0, now=10.0)
        queues.note(2, 0.0)
        left = queues.forsaken(0, now=10.0)
        own = queues.forsaken(1, now=10.0)

    assert silent == [queues.of(1)]
    assert left == [queues.of(1), queues.of(2)]
    assert own == [queues.of(2)]


def test_a_place_has_begun_when_somebody_came_or_tried_to() -> None:
    """Workers wait for one another when all start, and for nobody who has been there."""
    with opened(workers=2) as queues:
        queues.note(0, 9.9)
        before = queues.all_begun()
        queues.note(1, 0.0)  # it ended

        assert (before, queues.all_begun()) == (False, True)


QUARTERS = st.integers(0, 40).map(lambda count: count / 4)


@given(st.lists(QUARTERS, max_size=6), QUARTERS)
def test_who_was_seen_just_now_is_never_forsaken(seen: list[float], now: float) -> None:
    """The rule, said again."""
    assert forsaken(seen, now) == [place for place in range(len(seen)) if seen[place] < now - 0.5]
