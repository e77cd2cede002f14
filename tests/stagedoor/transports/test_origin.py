"""Base addresses, read once."""

import ssl

import pytest

from stagedoor._transports.origin import read_base
from stagedoor.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "prefix"),
    [
        ("http://users:8001", "users", 8001, b"users:8001", b""),
        ("http://users", "users", 80, b"users", b""),
        ("https://users/", "users", 443, b"users", b""),
        ("http://users/a/%2e/b/", "users", 80, b"users", b"/a/%2e/b"),
        ("http://[::1]:8001/x", "::1", 8001, b"[::1]:8001", b"/x"),
    ],
)
def test_a_base_is_taken_apart(url: str, host: str, port: int, authority: bytes, prefix: bytes) -> None:
    base = read_base(url)

    assert (base.host, base.port, base.authority, base.prefix) == (host, port, authority, prefix)


@pytest.mark.parametrize("url", ["http://[fe80::1%25eth0]:8001", "http://[fe80::1%eth0]:8001"])
def test_the_zone_of_an_address_is_ours_alone(url: str) -> None:
    """However it is spelled, the system is asked with it, and the upstream hears nothing of it (RFC 6874)."""
    base = read_base(url)

    assert (base.host, base.authority) == ("fe80::1%eth0", b"[fe80::1]:8001")


def test_a_unix_socket_has_a_path_and_no_host() -> None:
    assert read_base("unix:/run/a%20b.sock").socket == "/run/a b.sock"


@pytest.mark.parametrize(
    "url",
    [
        "", "users:8001", "ftp://users", "http://", "http://user:secret@users", "http://users?x=1", "http://users#x",
        "http://users:x", "http://users:99999", "unix:relative", "http://us ers", "http://users/\r\nx", "http://usérs",
    ],
)  # fmt: skip
def test_g2_a_base_that_cannot_work_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_base(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@users:99999",
        "http://user:secret@users:x",
        "ftp://user:secret@users",
        "http://user:secret@",
        "http://user:se@secret@users",
        "http://user:secret@[::1",
        "//user:secret@users",
        "user:secret@users",
    ],
)
def test_t15_whatever_else_is_wrong_with_a_base_no_password_is_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="user info") as caught:
        read_base(url)

    assert "secret" not in str(caught.value)


def test_a_sign_in_the_path_is_no_user() -> None:
    assert read_base("http://users/@me").prefix == b"/@me"


def test_tls_trusts_the_system_unless_told_otherwise() -> None:
    given = ssl.create_default_context()

    assert read_base("http://users").tls(given) is None
    assert read_base("https://users").tls(given) is given
    context = read_base("https://users").tls(None)
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
