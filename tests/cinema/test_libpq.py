"""Addresses of PostgreSQL in libpq's words: what of them is used, let pass, or refused in one line."""

from pathlib import Path

import pytest
import trustme
from sqlalchemy.engine import make_url

from cinema.libpq import arguments_of, wrong_address
from cinema.setting_values import database_url


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    file = tmp_path / "roots.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


@pytest.mark.parametrize(
    "rest",
    [
        "ann:pw@db/cinema",
        "ann:p%23w@db:5432/cinema?sslmode=require&channel_binding=prefer",
        "ann@[::1]:5432/cinema",
        "/cinema?host=/run/postgresql",
        "ann:pw@one:5432,two:5433/cinema?target_session_attrs=read-write",
        "ann:pw@ep-a.eu.example/cinema?options=endpoint%3Dep-a&sslmode=verify-full&sslrootcert=system",
    ],
)
def test_what_providers_hand_out_is_understood(rest: str) -> None:
    """G2, case 25: it is copied from a page, and nobody knows what each word means."""
    assert wrong_address(rest) is None


@pytest.mark.parametrize(
    ("rest", "right"),
    [
        ("ann:pw@db/cinema?sslmode=on", "one of disable, allow, prefer, require"),
        ("ann:pw@db/cinema?channel_binding=require", "channel_binding one of disable, prefer"),
        ("ann:pw@db/cinema?target_session_attrs=master", "one of any, primary"),
        ("ann:pw@db/cinema?connect_timeout=5s", "whole seconds"),
        ("ann:pw@db/cinema?command_timeout=soon", "command_timeout of whole seconds"),
        ("ann:pw@db/cinema?timeout=5s", "timeout of whole seconds"),
        ("ann:pw@db/cinema?prepared_statement_cache_size=x", "prepared_statement_cache_size of whole"),
        ("ann:pw@db/cinema?ssl=true", "ssl one of disable, allow, prefer, require"),
        ("ann:pw@db/cinema?sslrootcert=/nowhere.pem", "a file of certificates, not '/nowhere.pem'"),
        ("ann:pw@db/cinema?pgbouncer=true", "must not have the parameter 'pgbouncer'"),
        ("ann:p#w@db/cinema", "percent-encoded"),
        ("ann:p/w@db/cinema", "percent-encoded"),
        ("ann:pw@db:99999/cinema", "ports from 1 to 65535"),
        ("ann:pw@db:x/cinema", "ports from 1 to 65535"),
        ("ann:pw@[::1/cinema", "brackets"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_line(rest: str, right: str) -> None:
    """G2, case 25: with what would be right."""
    assert right in (wrong_address(rest) or "")


def test_several_hosts_become_parameters() -> None:
    """SQLAlchemy reads the others nowhere else, and takes the comma for part of a port."""
    url = make_url(database_url("postgres://ann:pw@one:5432,two/cinema?sslmode=require"))

    assert (url.drivername, url.username, url.database) == ("postgresql+asyncpg", "ann", "cinema")
    assert url.query["host"] == ("one:5432", "two:5432")
    assert arguments_of(url.query)[0] == {"host": ("one:5432", "two:5432")}


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ({"sslmode": "require"}, {"ssl": "require"}),
        ({"connect_timeout": "0"}, {}),
        ({"connect_timeout": "5"}, {"timeout": 5.0}),
        ({"channel_binding": "prefer", "keepalives": "1"}, {}),
        (
            {"application_name": "c", "options": "-c a=b"},
            {"server_settings": {"application_name": "c", "options": "-c a=b"}},
        ),
    ],
)
def test_the_driver_is_told_in_its_own_words(query: dict[str, str], arguments: dict[str, object]) -> None:
    """It knows few of libpq's words, and ends with a page of traceback at the others."""
    assert arguments_of(query) == ({}, arguments)


@pytest.mark.parametrize(
    ("mode", "named"),
    [("require", False), ("verify-ca", False), ("verify-full", True)],
)
def test_an_own_authority_is_believed(roots: Path, mode: str, named: bool) -> None:
    """As libpq does: whoever names roots wants them verified; the host's name only counts for verify-full."""
    context = arguments_of({"sslmode": mode, "sslrootcert": str(roots)})[1]["ssl"]

    assert context.check_hostname is named
    assert context.cert_store_stats()["x509_ca"] == 1
