"""The open loop: when requests are due, and what latency means."""

import math
import socket
import threading

import pytest

from bench.pace import Generator, moments, quantile


def test_moments_come_at_the_rate_asked_for_and_inside_the_time() -> None:
    """A Poisson process of 300/s for 60 s: 18,000 within five standard deviations, in order."""
    due = moments(300, 60)

    assert abs(len(due) - 18_000) < 5 * math.sqrt(18_000)
    assert due == sorted(due)
    assert 0 < due[0] < due[-1] < 60


def test_every_target_gets_the_same_moments() -> None:
    assert moments(300, 2) == moments(300, 2)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.5, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(one) for one in range(1, 101)], 0.99, 99.0),
    ],
)
def test_a_quantile_is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    """Nearest rank: the smallest value that this share does not exceed."""
    assert quantile(values[::-1], share) == expected


def test_a_quantile_of_nothing_is_no_number() -> None:
    """Zero would read as a very good latency."""
    assert math.isnan(quantile([], 0.5))


def serve_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(65536):
            connection.sendall(answer)


@pytest.mark.live
@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 1),
    ],
)
def test_answers_are_read_and_failures_counted(answer: bytes, errors: int) -> None:
    """One request at once: its latency is positive, and a status other than 200 is an error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve_once, args=(listener, answer))
        server.start()
        with Generator(listener.getsockname()[1], "/p/r1n") as generator:
            seen = generator.run([0.0])
        server.join(5)

    assert (seen.requests, seen.errors) == (1, errors)
    assert 0 < seen.p50 < 5
