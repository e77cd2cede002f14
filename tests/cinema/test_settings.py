"""Settings: every fault is one line that names the variable and what would be right."""

import os
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import certifi
import pytest
from pydantic import ValidationError

from cinema.setting_names import nobodys
from cinema.settings import RateLimit, Settings, SettingsError, host_of, load, port_of
from stagedoor._cache.redis_address import RedisAddress


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the machine has set: these tests say everything themselves."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refusal(monkeypatch: pytest.MonkeyPatch, **given: str) -> str:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(None)
    return str(caught.value)


def test_without_any_setting_everything_runs_embedded() -> None:
    """Contract 16: no settings at all is a working platform."""
    settings = load(None)

    assert settings.database_url == "sqlite+aiosqlite:///./data/cinema.db"
    assert (settings.redis_url, settings.search_url, settings.media_store) == (None, None, "local")
    assert [port_of(url) for url in (settings.gateway_users_url, settings.ghibli_base_url)] == [8001, 8006]
    assert settings.rate_limit == RateLimit(12_000, 60)


def test_an_empty_value_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 16: `GATEWAY_PORT=` in a file of settings means the default."""
    monkeypatch.setenv("GATEWAY_PORT", "")
    monkeypatch.setenv("FILMS", "")

    assert (load(None).gateway_port, load(None).films) == (8000, None)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An operator overrides one value without editing the file."""
    file = tmp_path / ".env"
    file.write_text("GATEWAY_PORT=8100\nGATEWAY_POOL_SIZE=7\nEDITOR_OF_SOMEBODY=x\n")
    monkeypatch.setenv("GATEWAY_PORT", "8200")

    settings = load(file)

    assert (settings.gateway_port, settings.gateway_pool_size) == (8200, 7)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("GATEWAY_PORT", "abc", "a whole number from 1 to 65535, not 'abc'"),
        ("GATEWAY_PORT", "0", "a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "65536", "a whole number from 1 to 65535"),
        ("GATEWAY_RETRY_ATTEMPTS", "6", "a whole number from 1 to 5"),
        ("GATEWAY_BREAKER_RESET_S", "nan", "a number above 0 and at most 3600"),
        ("GATEWAY_RATE_LIMIT", "12000", "12000/60"),
        ("GATEWAY_RATE_LIMIT", "5/0", "12000/60"),
        ("GATEWAY_TRUSTED_HOSTS", "https://a.example", "names of hosts"),
        ("GATEWAY_RATE_LIMITS", "/memes", "/memes=60/60"),
        ("GATEWAY_RATE_LIMITS", "memes=60/60", "/memes=60/60"),
        ("GATEWAY_RATE_LIMITS", "/memes=0", "/memes=60/60"),
        ("GATEWAY_RATE_LIMITS", "/memes=1/60,/memes/=2/60", "each route once"),
        ("GATEWAY_USERS_URL", "localhost:8001", "http://127.0.0.1:8001"),
        ("GATEWAY_USERS_URL", "http://h:99999", "http://127.0.0.1:8001"),
        ("GATEWAY_CORS_ORIGINS", "*", "exact origins"),
        ("GATEWAY_CORS_ORIGINS", "https://a.example/", "exact origins"),
        ("GATEWAY_CORS_ORIGINS", "https://a.example,https://*.example", "exact origins"),
        ("GATEWAY_CORS_ORIGINS", "https://A.example", "exact origins"),
        ("GATEWAY_CORS_ORIGINS", "null", "exact origins"),
        ("GATEWAY_TRUSTED_PROXIES", "10.0.0.300", "addresses or networks"),
        ("GATEWAY_ATTEMPT_TIMEOUT_MS", "180", "below GATEWAY_DEADLINE_MS (180)"),
        ("GATEWAY_CONNECT_TIMEOUT_MS", "200", "below GATEWAY_DEADLINE_MS (180)"),
        ("SEARCH_TIMEOUT_MS", "180", "below GATEWAY_DEADLINE_MS (180)"),
        ("SEARCH_ETL_STATE", "/", "name a file that may be replaced"),
        ("SEARCH_ETL_STATE", "/dev", "name a file that may be replaced"),
        ("GATEWAY_DEADLINE_MS", "30001", "a whole number from 1 to 30000"),
        ("GHIBLI_TTL_S", "61", "a whole number from 1 to 60"),
        ("GHIBLI_TIMEOUT_MS", "30001", "a whole number from 1 to 30000"),
        ("MEDIA_STORE", "ftp", "one of local, s3"),
        ("MEDIA_TOKEN", "clé", "ASCII characters that can be seen"),
        ("MEDIA_TOKEN", "two\nlines", "one line of text"),
        ("DATABASE_URL", "mysql://h/d", "postgresql+asyncpg://"),
        ("DATABASE_URL", "sqlite+aiosqlite:///:memory:", "a file"),
        ("REDIS_URL", "http://h", "redis://"),
        ("DOCS_ONLY", "perhaps", "true or false"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("SENTRY_TRACES_RATE", "1.5", "a number from 0 to 1"),
        ("SENTRY_DSN", "sentry.example.com", "https://key@sentry.example.com/1"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, right: str
) -> None:
    """Contract 16: the line names the variable and says what would be right (D3 for the time-outs)."""
    line = refusal(monkeypatch, **{name: value})

    assert line.startswith(f"{name}: must ")
    assert right in line
    assert "\n" not in line


@pytest.mark.parametrize("name", sorted(name.upper() for name in Settings.model_fields))
@pytest.mark.parametrize("value", ["  ", "8000\n", "a\tb", "\x1b[0m", "\udcff"])
def test_g2_what_nobody_sees_is_no_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """G2: the end of a line that a secret has brought along is found at the start, and not by what stands behind."""
    line = refusal(monkeypatch, **{name: value})

    assert line.startswith(f"{name}: must ")
    assert "\n" not in line
    assert line.isprintable()


@pytest.mark.parametrize("name", ["GATEWAY_USERS_URL", "SEARCH_URL", "MEDIA_S3_ENDPOINT", "GHIBLI_BASE_URL"])
@pytest.mark.parametrize(
    "value", [" http://h:1", "http://h:1/a b", "http://h:1?", "http://h:1#", "http://h:1 "]
)
def test_g2_an_address_is_one_as_it_stands(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """G2: what comes behind it would be no path; the gateway said so, by the names of its times."""
    assert refusal(monkeypatch, **{name: value}).startswith(f"{name}: must be an address such as ")


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("MEDIA_S3_BUCKET", "memes/../users", "must be letters, digits, dots"),
        ("MEDIA_S3_REGION", "eu central", "must be letters, digits, dots"),
        ("MEDIA_S3_ACCESS_KEY", "cl\u00e9", "must be ASCII characters"),
        ("MEDIA_S3_SECRET_KEY", "cl\u00e9", "must be ASCII characters"),
        ("SEARCH_USER", "ann:b", "must have no colon"),
    ],
)
def test_g2_what_another_cannot_be_told_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, right: str
) -> None:
    """G2: of it a library makes a header field or an address, and a traceback of 60 lines."""
    assert refusal(monkeypatch, **{name: value}).startswith(f"{name}: {right}")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"GATEWAY_API_KEYS_FILE": "keys"}, "GATEWAY_API_KEYS_FILE: does nothing without GATEWAY_AUTH=key"),
        (
            {"GATEWAY_JWT_JWKS_URL": "https://h/k"},
            "GATEWAY_JWT_JWKS_URL: does nothing without GATEWAY_AUTH=jwt",
        ),
        ({"GATEWAY_JWT_SECRET": "s" * 32}, "GATEWAY_JWT_SECRET: does nothing without GATEWAY_AUTH=jwt"),
        ({"MEDIA_S3_BUCKET": "memes"}, "MEDIA_S3_BUCKET: does nothing without MEDIA_STORE=s3; set both"),
    ],
)
def test_g2_half_of_a_pair_is_refused_unless_the_other_is_said(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], line: str
) -> None:
    """G2: who has a file of keys believes that only their owners write."""
    assert refusal(monkeypatch, **given).startswith(line)

    monkeypatch.setenv("GATEWAY_AUTH", "off")
    monkeypatch.setenv("MEDIA_STORE", "local")
    assert load(None).gateway_auth == "off"


def test_redis_may_be_believed_by_an_authority_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract 16: REDIS_CA_FILE, which nobody read; the address is what everything is built from."""
    roots = certifi.where()
    monkeypatch.setenv("REDIS_CA_FILE", roots)
    monkeypatch.setenv("REDIS_URL", "rediss://h:6379/0?ssl_check_hostname=false")

    url = load(None).redis_url or ""

    assert parse_qs(urlsplit(url).query) == {"ssl_check_hostname": ["false"], "ssl_ca_certs": [roots]}
    assert RedisAddress.of(url).tls is not None


@pytest.mark.parametrize(
    ("url", "file", "line"),
    [
        ("redis://h", "", "REDIS_CA_FILE: must have rediss:// in REDIS_URL beside it"),
        ("rediss://h?ssl_ca_certs=/x", "", "REDIS_CA_FILE: must not be set beside ssl_ca_certs"),
        ("rediss://h", "/nowhere", "REDIS_CA_FILE: must be a file of certificates"),
        ("rediss://h", "/dev/zero", "REDIS_CA_FILE: must be a file of certificates"),
    ],
)
def test_an_authority_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, file: str, line: str
) -> None:
    """Contract 16: in one line, by its own name."""
    assert refusal(monkeypatch, REDIS_URL=url, REDIS_CA_FILE=file or certifi.where()).startswith(line)


@pytest.mark.parametrize("variable", ["REDIS_URL_FILE", ".env"])
def test_nobody_waits_at_a_pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    """G2: opening one waits for somebody who writes, for ever."""
    pipe = tmp_path / ".env"
    os.mkfifo(pipe)
    if variable != ".env":
        monkeypatch.setenv(variable, str(pipe))

    with pytest.raises(SettingsError, match="must be a file, not a pipe") as caught:
        load(pipe if variable == ".env" else None)

    assert variable in str(caught.value)


def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    """G2: it may be a device, or a log that somebody took for settings."""
    with pytest.raises(SettingsError, match=r"^/dev/zero: must hold at most 1048576 octets$"):
        load(Path("/dev/zero"))


def test_several_faults_still_make_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is told, the others are counted."""
    line = refusal(monkeypatch, GATEWAY_PORT="x", GATEWAY_WORKERS="y")

    assert line.startswith("GATEWAY_PORT: ")
    assert line.endswith("(and 1 more)")


def test_t15_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """T15: addresses with passwords in them never reach a terminal or a log."""
    line = refusal(monkeypatch, DATABASE_URL="mysql://user:canary@host/d", REDIS_URL="http://:canary@host")

    assert "canary" not in line


@pytest.mark.parametrize("name", ["SEARCH_URL", "GATEWAY_USERS_URL", "MEDIA_S3_ENDPOINT", "GHIBLI_BASE_URL"])
def test_t15_a_password_in_an_address_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """T15: people write them there, and this line goes to a log."""
    line = refusal(monkeypatch, **{name: "http://user:canary@host"})

    assert line == f"{name}: must not carry a user name or password"


def test_a_state_that_may_not_be_looked_at_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway does not need it; the ETL says so itself when it writes."""
    monkeypatch.setenv("SEARCH_ETL_STATE", f"/{'long' * 100}/state.json")

    assert load(None).search_etl_state.name == "state.json"


def test_t15_secrets_are_not_shown() -> None:
    """T15: settings that turn up in a traceback keep their secrets."""
    shown = repr(Settings(media_token="canary", redis_url="redis://:canary@h", search_password="canary"))

    assert "canary" not in shown
    assert "gateway_port=8000" in shown


@pytest.mark.parametrize("missing", ["ENDPOINT", "BUCKET", "REGION", "ACCESS_KEY", "SECRET_KEY"])
def test_s3_without_its_settings_is_refused(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Contract 16: the store would fail at its first upload otherwise."""
    given = {f"MEDIA_S3_{name}": "x" for name in ("BUCKET", "REGION", "ACCESS_KEY", "SECRET_KEY")}
    given |= {"MEDIA_STORE": "s3", "MEDIA_S3_ENDPOINT": "http://127.0.0.1:9000"}
    given[f"MEDIA_S3_{missing}"] = ""

    line = refusal(monkeypatch, **given)

    assert line == f"MEDIA_S3_{missing}: must be set when MEDIA_STORE is s3"


def test_g2_an_unknown_setting_stops_the_start_and_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: a typing error must not leave the default in force silently."""
    line = refusal(monkeypatch, GATEWAY_PROT="8000")

    assert line == "GATEWAY_PROT: no such setting; did you mean GATEWAY_PORT?"


def test_g2_an_unknown_setting_in_the_file_counts_too(tmp_path: Path) -> None:
    """G2: most settings are written there."""
    file = tmp_path / ".env"
    file.write_text("MEDIA_TOKN=x\n")

    with pytest.raises(SettingsError, match="MEDIA_TOKN: no such setting; did you mean MEDIA_TOKEN"):
        load(file)


KNOWN = tuple(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GATWAY_PORT", "GATEWAY_PORT"),
        ("GTEWAY_PROT", "GATEWAY_PORT"),
        ("SENTRY_DNS", "SENTRY_DSN"),
        ("REDIS_URI", "REDIS_URL"),
        ("DATABASEURL", "DATABASE_URL"),
        ("GIBLI_TTL_S", "GHIBLI_TTL_S"),
        ("CINEMA_PORT", "CINEMA_PORTS"),
        ("DOC_ONLY", "DOCS_ONLY"),
        ("FLIMS", "FILMS"),
        ("gatway_port", "GATEWAY_PORT"),
    ],
)
def test_g2_a_name_two_edits_from_ours_is_a_typing_error(name: str, meant: str) -> None:
    """G2: also where the error is in the prefix; two letters exchanged are one edit."""
    assert nobodys(name, KNOWN) == f"{name}: no such setting; did you mean {meant}?"


@pytest.mark.parametrize("setting", KNOWN)
def test_g2_every_setting_is_found_from_its_misspelling(setting: str) -> None:
    """G2: a letter that is missing, wherever it is missing, and two that are exchanged."""
    short = {setting[:place] + setting[place + 1 :] for place in range(len(setting))}
    turned = {
        setting[:place] + setting[place + 1] + setting[place] + setting[place + 2 :]
        for place in range(len(setting) - 1)
    }

    assert all(nobodys(name, KNOWN) for name in (short | turned) - set(KNOWN))


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LINES", "TERM", "LANG", "NAMES", "MEDIA_PLAYER", "MEDIA_ROOT", "SENTRY_RELEASE"),
        *("REDIS_HOST", "REDIS_PASSWORD", "DATABASE_HOST", "LOG_FILE", "SEARCH_HOST", "CINEMA_PARENT_PID"),
    ],
)
def test_g2_names_of_others_are_left_alone(name: str) -> None:
    """G2 holds for our names; other programs set theirs under the same prefixes."""
    assert nobodys(name, KNOWN) is None


@pytest.mark.parametrize("prefix", ["GATEWAY_", "GHIBLI_", "CINEMA_"])
def test_g2_every_unknown_name_under_our_own_prefix_is_a_fault(prefix: str) -> None:
    """G2: no other program uses them."""
    assert (
        nobodys(f"{prefix}ZZZZZZZZZZZZZZZZZZZZZZZ", KNOWN)
        == f"{prefix}ZZZZZZZZZZZZZZZZZZZZZZZ: no such setting"
    )


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_driver_is_written_out(scheme: str) -> None:
    """SQLAlchemy 2.1 would take a bare address for another driver."""
    assert Settings(database_url=f"{scheme}://u:p@h/d").database_url == "postgresql+asyncpg://u:p@h/d"


def test_settings_cannot_be_changed() -> None:
    """One process, one answer to what was decided."""
    with pytest.raises(ValidationError):
        Settings().gateway_port = 1  # type: ignore[misc]


def test_lists_are_parsed() -> None:
    """What needs parsing is parsed in one place."""
    settings = Settings(
        gateway_trusted_proxies="10.0.0.1, fd00::/8",
        gateway_cors_origins="https://a.example,http://b.example:81",
    )

    assert settings.trusted_proxies == (ip_network("10.0.0.1"), ip_network("fd00::/8"))
    assert settings.cors_origins == ("https://a.example", "http://b.example:81")


def test_zero_switches_the_rate_limit_off() -> None:
    """Contract 16."""
    assert Settings(gateway_rate_limit="0").rate_limit is None


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("http://[::1]:81", "::1", 81), ("https://h", "h", 443), ("http://h/x", "h", 80)],
)
def test_addresses_are_taken_apart(url: str, host: str, port: int) -> None:
    """Each service listens where its address says."""
    assert (host_of(url), port_of(url)) == (host, port)


def injected(service: str, port: int) -> dict[str, str]:
    """Make up what Kubernetes tells every pod of a Service (in the form of docker links)."""
    name, address = service.upper().replace("-", "_"), f"tcp://10.96.0.7:{port}"
    return {
        f"{name}_SERVICE_HOST": "10.96.0.7",
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_PORT": address,
        f"{name}_PORT_{port}_TCP": address,
        f"{name}_PORT_{port}_TCP_PROTO": "tcp",
        f"{name}_PORT_{port}_TCP_PORT": str(port),
        f"{name}_PORT_{port}_TCP_ADDR": "10.96.0.7",
    }


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("redis", 6379),
        ("search", 9200),
        ("sentry", 9000),
        ("media", 9000),
        ("ghibli", 8006),
        ("database", 5432),
        ("etl", 8000),
        ("users", 8001),
        ("gateway", 8000),
        ("gateway-users", 8001),
        ("gateway-orders", 8002),
        ("gateway-products", 8003),
        ("gateway-canary", 8000),
    ],
)
def test_g2_a_service_of_the_cluster_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, service: str, port: int
) -> None:
    """G2, case 24: Kubernetes puts the names of all Services of a namespace into each of its pods."""
    for name, value in injected(service, port).items():
        monkeypatch.setenv(name, value)

    assert load(None).gateway_port == 8000


def test_a_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """T23: containers are given secrets as files, which no environment shows; one that is empty says nothing."""
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("MEDIA_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("SEARCH_USER_FILE", str(tmp_path / "empty"))
    monkeypatch.setenv("GATEWAY_PORT_FILE", "")

    settings = load(None)

    assert (settings.media_token, settings.search_user, settings.gateway_port) == ("s3cret", None, 8000)


def test_what_is_wrong_in_a_file_is_told_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """T15: a value that came as a secret stands in no refusal."""
    (tmp_path / "address").write_text("hunter2")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "address"))

    with pytest.raises(SettingsError) as caught:
        load(None)

    assert str(caught.value).startswith("DATABASE_URL: must be sqlite")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"MEDIA_TOKEN_FILE": "/nowhere"}, "MEDIA_TOKEN_FILE: cannot be read (No such file or directory)"),
        (
            {"MEDIA_TOKEN_FILE": "/nowhere", "MEDIA_TOKEN": "x"},
            "MEDIA_TOKEN: must not be set beside MEDIA_TOKEN_FILE",
        ),
        ({"REDIS_URL_FILE": "{octets}"}, "REDIS_URL_FILE: must hold UTF-8"),
        ({"REDIS_URL_FILE": "{long}"}, "REDIS_URL_FILE: must hold at most 65536 octets"),
        ({"GATEWAY_ADMINKEY_FILE": "/x"}, "GATEWAY_ADMINKEY_FILE: no such setting"),
    ],
)
def test_a_file_that_cannot_be_a_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], told: str
) -> None:
    """Contract 16: one line that names the variable."""
    (tmp_path / "octets").write_bytes(b"\xff")
    (tmp_path / "long").write_bytes(b"x" * 70_000)
    paths = {"octets": str(tmp_path / "octets"), "long": str(tmp_path / "long")}

    said = refusal(monkeypatch, **{name: value.format(**paths) for name, value in given.items()})

    assert said.startswith(told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_USERS_PORT", "8001"),
        ("GATEWAY_SERVICE_HOST", "http://10.0.0.7"),
        ("GATEWAY_WORKERS", "tcp://10.0.0.7:8000"),
        ("GATEWAY_USERS_URL", "tcp://10.0.0.7:8001"),
        ("REDIS_URL", "tcp://10.0.0.7:6379"),
        ("GATEWAY_PORT", "tcp:/10.0.0.7"),
    ],
)
def test_g2_only_both_name_and_value_make_a_link(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """G2, case 24: what an operator set by hand must not be ignored because it looks a little like that."""
    assert refusal(monkeypatch, **{name: value}).startswith(f"{name}: ")


def test_g2_a_link_does_not_hide_the_setting_in_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """G2, case 24: a Service called gateway is there, and .env says where to listen."""
    file = tmp_path / ".env"
    file.write_text("GATEWAY_PORT=8200\n")
    monkeypatch.setenv("GATEWAY_PORT", "tcp://10.96.0.7:8000")

    assert load(file).gateway_port == 8200


@pytest.mark.parametrize(
    ("text", "line", "right"),
    [
        (b"FILMS=1\nGATEWAY_PORT 8000\n", 2, "must be NAME=value"),
        (b"# all\n\n\nGATEWAY_PORT\n", 4, "must be NAME=value"),
        (b'FILMS=1\nMEDIA_TOKEN="a\n', 2, "quotes in pairs"),
        (b"\n=8000\n", 2, "must be NAME=value"),
        (b"FILMS=1\nSENTRY_ENVIRONMENT=\xff\n", 2, "must be text in UTF-8"),
    ],
)
def test_a_broken_line_of_the_file_is_named(tmp_path: Path, text: bytes, line: int, right: str) -> None:
    """G2: file and line; the line itself may hold a secret."""
    file = tmp_path / ".env"
    file.write_bytes(text)

    with pytest.raises(SettingsError) as caught:
        load(file)

    told = str(caught.value)
    assert told.startswith(f"{file}:{line}: ")
    assert right in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "FILMS=1\n\nGATEWAY_PORT=x\n",
            "GATEWAY_PORT: must be a whole number from 1 to 65535, not 'x' ({file}:3)",
        ),
        ("#\nGATEWAY_PROT=1\n", "GATEWAY_PROT: no such setting; did you mean GATEWAY_PORT? ({file}:2)"),
    ],
)
def test_a_wrong_setting_of_the_file_says_where_it_stands(tmp_path: Path, text: str, line: str) -> None:
    """G2: the same name may be set in the environment, and be right there."""
    file = tmp_path / ".env"
    file.write_text(text)

    with pytest.raises(SettingsError) as caught:
        load(file)

    assert str(caught.value) == line.format(file=file)


def test_a_file_that_is_a_folder_is_said(tmp_path: Path) -> None:
    """G2: docker makes one where a file that is mounted does not exist."""
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    """G2: the mark in front would become part of the first name, and that setting would be ignored."""
    file = tmp_path / ".env"
    file.write_bytes("\ufeffGATEWAY_PORT=8200\r\nFILMS=7\r\n".encode())

    assert (load(file).gateway_port, load(file).films) == (8200, 7)


@pytest.mark.parametrize("said", ["9000 ", "+9000", " 9000"])
def test_one_setting_moves_all_ports_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Contract 16: it was taken as 9000, and moved nothing."""
    monkeypatch.setenv("CINEMA_PORTS", said)

    assert (load(None).gateway_port, port_of(load(None).gateway_users_url)) == (9000, 9001)


def test_one_setting_moves_all_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkouts beside each other need one setting; what is said of a single service still counts."""
    monkeypatch.setenv("CINEMA_PORTS", "9000")
    monkeypatch.setenv("GATEWAY_ORDERS_URL", "http://10.0.0.7:1")

    settings = load(None)

    assert settings.gateway_port == 9000
    assert settings.gateway_users_url == "http://127.0.0.1:9001"
    assert settings.gateway_orders_url == "http://10.0.0.7:1"
    assert [port_of(url) for url in (settings.gateway_products_url, settings.gateway_memes_url)] == [
        9003,
        9004,
    ]
    assert [port_of(url) for url in (settings.media_url, settings.ghibli_base_url)] == [9005, 9006]


@pytest.mark.parametrize("ports", ["0", "65530", "x", "-1"])
def test_ports_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch, ports: str) -> None:
    """Seven in a row, the last of them 65535 at most."""
    assert refusal(monkeypatch, CINEMA_PORTS=ports).startswith(
        f"CINEMA_PORTS: must be a whole number from 1 to 65529, not {ports!r}"
    )
