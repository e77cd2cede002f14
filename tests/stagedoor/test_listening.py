"""Whether somebody can listen there: each reason has a line and a code of its own."""

import errno
import socket

import pytest

from stagedoor._commands import listening
from stagedoor._commands.listening import authority_of, listening_fault
from tests.servers import free_port


def test_a_free_port_has_no_fault() -> None:
    """G2: the ordinary case, by name and by address."""
    port = free_port()

    assert [listening_fault(host, port) for host in ("127.0.0.1", "localhost", "0.0.0.0")] == [None] * 3


def test_a_port_that_is_taken_is_so_whatever_else_is_wrong() -> None:
    """G2: 69, since it may be free in a moment."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        fault = listening_fault("127.0.0.1", other.getsockname()[1])

    assert fault is not None
    assert (fault.at, fault.code) == ("port", 69)
    assert "is taken" in fault.line


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.1", "is no address of this machine"),
        ("2001:db8::1", "is no address of this machine"),
        ("nowhere.invalid", "cannot be resolved"),
        ("a" * 64 + ".invalid", "cannot be resolved"),
        ("bü..cher", "cannot be resolved"),
    ],
)
def test_a_host_that_is_not_ours_is_the_hosts_fault(host: str, said: str) -> None:
    """G2: nobody should look for what listens there."""
    fault = listening_fault(host, free_port())

    assert fault is not None
    assert (fault.at, fault.code) == ("host", 78)
    assert said in fault.line or "does not speak" in fault.line  # a machine without IPv6


@pytest.mark.parametrize(
    ("number", "at", "said"),
    [
        (errno.EACCES, "port", "port 80 needs rights that this user lacks"),
        (errno.EAFNOSUPPORT, "host", "does not speak the kind of address"),
        (errno.ENOBUFS, "host", "nobody can listen on 127.0.0.1:80"),
    ],
)
def test_what_the_system_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, number: int, at: str, said: str
) -> None:
    """G2: a port below 1024 is no port that is taken; tests may run as root, who has them all."""
    monkeypatch.setattr(listening, "_tried", lambda *_: OSError(number, "as the system says it"))

    fault = listening_fault("127.0.0.1", 80)

    assert fault is not None
    assert (fault.at, fault.code) == (at, 78)
    assert said in fault.line


@pytest.mark.parametrize(
    ("host", "authority"),
    [("127.0.0.1", "127.0.0.1:80"), ("shop.test", "shop.test:80"), ("::", "[::]:80"), ("::1", "[::1]:80")],
)
def test_an_address_is_told_as_a_browser_takes_it(host: str, authority: str) -> None:
    """RFC 3986 3.2.2: without brackets nobody can tell the address from the port."""
    assert authority_of(host, 80) == authority
