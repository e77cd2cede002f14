"""Addresses of Redis: what a URL says, and what is wrong with one, without its secrets."""

import os
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from stagedoor._cache.redis_address import RedisAddress, tagged
from stagedoor.errors import ConfigError


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("me").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "hosts", "greeting"),
    [
        ("redis://h", [("h", 6379)], []),
        ("redis://h:1/3", [("h", 1)], [("SELECT", 3)]),
        ("valkey://:pw@h:1/3", [("h", 1)], [("AUTH", "pw"), ("SELECT", 3)]),
        ("redis://[::1]:1/0", [("::1", 1)], []),
        ("redis://:p%2Fw@h", [("h", 6379)], [("AUTH", "p/w")]),
        ("redis://ann:pw@h?db=2", [("h", 6379)], [("AUTH", "ann", "pw"), ("SELECT", 2)]),
        ("redis://ann@h", [("h", 6379)], [("AUTH", "ann", "")]),
        ("redis+cluster://a:1,b:2", [("a", 1), ("b", 2)], []),
        ("redis+sentinel://a,b:2/films/1", [("a", 26379), ("b", 2)], [("SELECT", 1)]),
    ],
)
def test_an_address_says_who_is_asked_and_what_is_said_first(
    url: str, hosts: list[tuple[str, int]], greeting: list[tuple[str | int, ...]]
) -> None:
    """K1: as every client writes it; a user without a password is one of ACL's with `nopass`."""
    address = RedisAddress.of(url)

    assert ([*address.hosts], address.greeting()) == (hosts, greeting)


def test_a_socket_has_a_path_and_no_host() -> None:
    """K1: a server on the same machine."""
    address = RedisAddress.of("unix:///run/redis.sock?db=1")

    assert (address.path, address.hosts, address.database) == ("/run/redis.sock", (), 1)


def test_sentinels_have_users_of_their_own() -> None:
    """K1: who they are told about is another matter."""
    address = RedisAddress.of("redis+sentinel://ann:pw@a/films?sentinel_username=watch&sentinel_password=w")

    assert address.us_to_sentinels.words() == [("AUTH", "watch", "w")]
    assert (address.service, address.us.words()) == ("films", [("AUTH", "ann", "pw")])


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("http://secret@h", "redis://[user][:password]@host:6379/0"),
        ("secret", "redis://[user][:password]@host:6379/0"),
        ("redis://:secret@h:99999", "ports from 1 to 65535"),
        ("redis://:secret@h:x", "ports from 1 to 65535"),
        ("redis://:secret@h h", "ports from 1 to 65535"),
        ("redis://:secret@[::1", "brackets"),
        ("redis://:secr#et@h", "percent-encoded"),
        ("redis://:secr/et@h", "percent-encoded"),
        ("redis://:secret@h/films", "the number of its database"),
        ("redis://:secret@h/0/1", "the number of its database"),
        ("redis://:secret@a,b", "one host"),
        ("redis://:secret@h?tls=1", "must not have the parameter 'tls'"),
        ("redis://:secret@h?ssl_ca_certs=/ca.pem", "must begin with rediss://"),
        ("redis://:secret@h?sentinel_username=a", "must begin with redis+sentinel://"),
        ("redis+sentinel://:secret@h", "must name the server as its sentinels do"),
        ("redis+cluster://:secret@h/1", "no database but 0"),
        ("rediss://:secret@h?ssl_ca_certs=/nowhere.pem", "a file of certificates, not '/nowhere.pem'"),
        ("rediss://:secret@h?ssl_certfile=/nowhere.pem", "a certificate and its key"),
        ("rediss://:secret@h?ssl_check_hostname=maybe", "true or false"),
    ],
)
def test_t15_what_is_no_address_is_said_without_its_secret(url: str, right: str) -> None:
    """T15, G2: in words that a line about the setting can go on with."""
    with pytest.raises(ConfigError) as caught:
        RedisAddress.of(url)

    assert str(caught.value).startswith("must ")
    assert right in str(caught.value)
    assert "secr" not in str(caught.value)
    assert "secret" not in repr(RedisAddress.of("redis://:secret@h").us)


def test_an_own_authority_stands_in_for_the_systems(authority: Path) -> None:
    """K1: and who we are may be proved by a certificate."""
    files = f"ssl_ca_certs={authority / 'ca.pem'}&ssl_certfile={authority / 'me.pem'}"
    own = RedisAddress.of(f"rediss://h?{files}&ssl_check_hostname=false").tls
    systems = RedisAddress.of("rediss://h").tls

    assert own is not None
    assert systems is not None
    assert (own.cert_store_stats()["x509_ca"], own.check_hostname) == (1, False)
    assert systems.check_hostname


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile"])
def test_nobody_waits_at_a_pipe_for_a_certificate(tmp_path: Path, name: str) -> None:
    """G2: OpenSSL opens it, and the start hangs."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match=name):
        RedisAddress.of(f"rediss://h?{name}={tmp_path / 'pipe'}")


def test_nobody_is_asked_at_a_terminal_for_the_word_of_a_key(
    authority: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """G2: there is no one; OpenSSL asks whoever sits there, and waits."""
    key = ec.generate_private_key(ec.SECP256R1())
    word = BestAvailableEncryption(b"hidden")
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, word)
    (tmp_path / "key.pem").write_bytes(sealed)

    with pytest.raises(ConfigError, match="a certificate and its key"):
        RedisAddress.of(f"rediss://h?ssl_certfile={authority / 'me.pem'}&ssl_keyfile={tmp_path / 'key.pem'}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "prefix", "keys"),
    [
        ("single", "cinema", "cinema"),
        ("sentinel", "{cinema}", "{cinema}"),
        ("cluster", "cinema", "{cinema}"),
        ("cluster", "a.{cinema}", "a.{cinema}"),
    ],
)
def test_keys_of_a_cluster_lie_in_one_slot(kind: str, prefix: str, keys: str) -> None:
    """K1: a script works on the log of purges and an entry at once, and a cluster wants both in one place."""
    assert tagged(prefix, kind) == keys
