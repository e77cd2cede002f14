"""Wrong settings and environments end at the start, in one line, and leave nothing behind.

The line names the setting or the file, what is wrong and what would be right; the exit code says what kind it is.
"""

import errno
import os
import random
import shlex
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cinema.checks import check_database, check_file, check_folder, sqlite_file
from cinema.faults import Fault, of_disk, of_sqlite
from cinema.settings import Settings, SettingsError, load
from cinema.stack.ground import check_ground
from cinema.stack.parts import parts_of
from cinema.stack.run import run
from stagedoor._commands.listening import listening_fault
from tests import servers

SETTING, COMMAND, TAKEN, PLACE, DISK = 78, 64, 69, 73, 74
PYTHON = shlex.quote(sys.executable)
"""For lines of a shell: the folder may have a blank in its name."""


def free_row() -> int:
    """Return the first of seven free ports in a row, below those that tests are given and connections go out from."""
    while True:
        first = random.randrange(10_000, servers.ROWS.start - 7)
        if all(listening_fault("127.0.0.1", first + number) is None for number in range(7)):
            return first


@dataclass
class Start:
    """A platform that is about to start: its folder and its environment."""

    folder: Path
    said: dict[str, str] = field(default_factory=dict)

    def refusal(self, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
        """Do what every command does before it begins, and return the line and the code that it ends with."""
        monkeypatch.chdir(self.folder)
        for name in Settings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in self.said.items():
            monkeypatch.setenv(name, value)
        try:
            settings = load()
            check_ground(settings, parts_of(settings))
        except SettingsError as error:
            return str(error), SETTING
        except Fault as fault:
            return str(fault), fault.code
        return "", 0


SECRET = "canary"
WRONG: list[tuple[dict[str, str], str, int]] = [
    # names
    ({"GATEWAY_PROT": "8000"}, "GATEWAY_PROT: no such setting; did you mean GATEWAY_PORT?", SETTING),
    ({"GATWAY_PORT": "8000"}, "GATWAY_PORT: no such setting; did you mean GATEWAY_PORT?", SETTING),
    ({"GATEWAY_USERS_PORT": "8001"}, "GATEWAY_USERS_PORT: no such setting; did you mean", SETTING),
    ({"GHIBLI_TTL": "60"}, "GHIBLI_TTL: no such setting; did you mean GHIBLI_TTL_S?", SETTING),
    ({"CINEMA_PROTS": "9000"}, "CINEMA_PROTS: no such setting; did you mean CINEMA_PORTS?", SETTING),
    ({"REDIS_URI": "redis://h"}, "REDIS_URI: no such setting; did you mean REDIS_URL?", SETTING),
    ({"SENTRY_DNS": "x"}, "SENTRY_DNS: no such setting; did you mean SENTRY_DSN?", SETTING),
    # types and bounds
    ({"GATEWAY_PORT": "http"}, "GATEWAY_PORT: must be a whole number from 1 to 65535, not 'http'", SETTING),
    ({"GATEWAY_PORT": "0"}, "GATEWAY_PORT: must be a whole number from 1 to 65535, not '0'", SETTING),
    ({"GATEWAY_PORT": "-1"}, "GATEWAY_PORT: must be a whole number", SETTING),
    ({"GATEWAY_PORT": "80.5"}, "GATEWAY_PORT: must be a whole number", SETTING),
    ({"GATEWAY_WORKERS": "257"}, "GATEWAY_WORKERS: must be a whole number from 1 to 256", SETTING),
    ({"GATEWAY_BREAKER_RESET_S": "inf"}, "must be a number above 0 and at most 3600", SETTING),
    ({"GATEWAY_DEADLINE_MS": "80"}, "must be below GATEWAY_DEADLINE_MS (80)", SETTING),
    ({"GATEWAY_ATTEMPT_TIMEOUT_MS": "100"}, "takes 200 ms with one attempt a part, the budget is", SETTING),
    ({"DOCS_ONLY": "maybe"}, "DOCS_ONLY: must be true or false, not 'maybe'", SETTING),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT: must be one of json, text, not 'xml'", SETTING),
    ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR", SETTING),
    ({"FILMS": "many"}, "FILMS: must be a whole number from 1 to 10000000", SETTING),
    ({"CINEMA_PORTS": "65535"}, "CINEMA_PORTS: must be a whole number from 1 to 65529", SETTING),
    ({"GATEWAY_ADMIN_KEY": SECRET}, "GATEWAY_ADMIN_KEY: must be text of 16 to 1024 characters", SETTING),
    (
        {"GATEWAY_ADMIN_KEY": "\u00fc" * 20},
        "GATEWAY_ADMIN_KEY: must be ASCII characters that can be",
        SETTING,
    ),
    ({"SSL_CERT_FILE": "/nowhere", "SEARCH_URL": "https://h"}, "SSL_CERT_FILE: '/nowhere' must be", SETTING),
    ({"REDIS_PREFIX": "a b"}, "REDIS_PREFIX: must be 1 to 64 letters, digits, dots", SETTING),
    (
        {"GATEWAY_RATE_LIMIT": "many"},
        "GATEWAY_RATE_LIMIT: must be requests/seconds such as 12000/60",
        SETTING,
    ),
    ({"GATEWAY_RATE_LIMITS": "/nowhere=1/1"}, "GATEWAY_RATE_LIMITS: '/nowhere' is no route here", SETTING),
    ({"GATEWAY_CORS_ORIGINS": "*"}, "GATEWAY_CORS_ORIGINS: must be exact origins", SETTING),
    ({"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/33"}, "GATEWAY_TRUSTED_PROXIES: must be addresses", SETTING),
    ({"MEDIA_STORE": "s3"}, "MEDIA_S3_ENDPOINT: must be set when MEDIA_STORE is s3", SETTING),
    ({"SENTRY_DSN": "sentry"}, "SENTRY_DSN: must be an address such as", SETTING),
    (
        {"SENTRY_DSN": "https://key@sentry.example.com/films"},
        "SENTRY_DSN: must be an address such as",
        SETTING,
    ),
    # names of files, and what libraries read
    ({"REDIS_URL_FIEL": "x"}, "REDIS_URL_FIEL: no such setting; did you mean REDIS_URL_FILE?", SETTING),
    (
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "soon"},
        "OTEL_BSP_SCHEDULE_DELAY: must",
        SETTING,
    ),
    # hosts and ports
    (
        {"CINEMA_PORTS": "", "GATEWAY_PORT": "8001"},
        "GATEWAY_USERS_URL, GATEWAY_PORT: both say port 8001; give each process one of its own",
        SETTING,
    ),
    (
        {"CINEMA_PORTS": "", "MEDIA_URL": "http://localhost:8004"},
        "GATEWAY_MEMES_URL, MEDIA_URL: both say port 8004",
        SETTING,
    ),
    ({"GATEWAY_HOST": "999.1.1.1"}, "GATEWAY_HOST: must be an address or a name of this machine", SETTING),
    ({"GATEWAY_HOST": "192.0.2.1"}, "GATEWAY_HOST: '192.0.2.1' is no address of this machine", SETTING),
    ({"GATEWAY_HOST": "nowhere.invalid"}, "GATEWAY_HOST: 'nowhere.invalid' cannot be resolved", SETTING),
    ({"GATEWAY_HOST": "http://127.0.0.1"}, "GATEWAY_HOST: must be an address or a name", SETTING),
    ({"GATEWAY_USERS_URL": "users:8001"}, "GATEWAY_USERS_URL: must be an address such as", SETTING),
    ({"GATEWAY_USERS_URL": "http://h:0"}, "GATEWAY_USERS_URL: must be an address such as", SETTING),
    ({"GATEWAY_USERS_URL": "tcp://10.0.0.1:1"}, "GATEWAY_USERS_URL: must be an address such as", SETTING),
    ({"GATEWAY_USERS_URL": "http://999.1.1.1:1"}, "GATEWAY_USERS_URL: must be an address such as", SETTING),
    # addresses of what stands behind
    ({"REDIS_URL": f"http://:{SECRET}@h"}, "REDIS_URL: must be redis://", SETTING),
    (
        {"REDIS_URL": f"redis://:{SECRET}@h/films"},
        "REDIS_URL: must end in the number of its database",
        SETTING,
    ),
    ({"REDIS_URL": f"redis://:{SECRET}@h:x"}, "REDIS_URL: must have hosts with ports", SETTING),
    ({"REDIS_URL": f"redis://:{SECRET}#@h"}, "REDIS_URL: must have # / ? and @ of its password", SETTING),
    ({"REDIS_URL": "rediss://h?ssl_ca_certs=/nowhere"}, "a file of certificates, not '/nowhere'", SETTING),
    ({"REDIS_URL": "rediss://h?ssl_keyfile=/k"}, "must have ssl_certfile where ssl_keyfile is said", SETTING),
    ({"DATABASE_URL": f"mysql://u:{SECRET}@h/d"}, "DATABASE_URL: must be sqlite+aiosqlite", SETTING),
    ({"DATABASE_URL": f"postgres://u:{SECRET}@h/d?sslmode=on"}, "must have as sslmode one of", SETTING),
    ({"DATABASE_URL": f"postgres://u:{SECRET}@h/d?x=1"}, "must not have the parameter 'x'", SETTING),
    ({"DATABASE_URL": f"postgres://u:{SECRET}@h:x/d"}, "must have hosts with ports", SETTING),
    ({"DATABASE_URL": "postgres://h/d?sslrootcert=/nowhere"}, "a file of certificates", SETTING),
    ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL: must name a file", SETTING),
    ({"GATEWAY_AUTH": "jwt"}, "GATEWAY_JWT_JWKS_URL: it or GATEWAY_JWT_SECRET must be set", SETTING),
    ({"GATEWAY_AUTH": "jwt", "GATEWAY_JWT_SECRET": SECRET}, "GATEWAY_JWT_SECRET: a secret has 32", SETTING),
    ({"GATEWAY_AUTH": "key"}, "GATEWAY_API_KEYS_FILE: must be set when GATEWAY_AUTH is key", SETTING),
    ({"GATEWAY_AUTH": "key", "GATEWAY_API_KEYS_FILE": "/nowhere"}, "'/nowhere' cannot be read", SETTING),
    # places to write
    ({"SEARCH_DIR": "/dev/null/index"}, "SEARCH_DIR: '/dev/null/index' has a file where a folder", PLACE),
    ({"SEARCH_DIR": "/proc/index"}, "SEARCH_DIR: '/proc/index' lies on a disk that can only be read", PLACE),
    ({"SEARCH_ETL_STATE": "/dev/null/state"}, "SEARCH_ETL_STATE: '/dev/null/state' has a file", PLACE),
    ({"MEDIA_DIR": "/dev/null"}, "MEDIA_DIR: '/dev/null' has a file where a folder must be", PLACE),
    ({"DATABASE_URL": "sqlite:////dev/null/c.db"}, "DATABASE_URL: '/dev/null/c.db' has a file", PLACE),
    (
        {"DATABASE_URL": "sqlite:////dev/null"},
        "'/dev/null' must be a file, not a pipe, socket or device",
        PLACE,
    ),
    ({"DATABASE_URL": f"sqlite:///./{'x' * 300}"}, "x' has too long a name", PLACE),
    ({"DATABASE_URL": "sqlite:///~/c.db"}, "DATABASE_URL: must be a path as it is", SETTING),
    (
        {"MEDIA_DIR": "~/media"},
        "MEDIA_DIR: must be a path as it is: what ~ means only a shell knows",
        SETTING,
    ),
    ({"SEARCH_ETL_STATE": "~root/s"}, "SEARCH_ETL_STATE: must be a path as it is", SETTING),
    ({"DATABASE_URL": "sqlite:////proc/c.db"}, "DATABASE_URL: '/proc/c.db' lies on a disk that can", PLACE),
]


@pytest.mark.parametrize(("said", "line", "code"), WRONG, ids=[f"{row[0]}" for row in WRONG])
def test_g2_a_wrong_start_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], line: str, code: int
) -> None:
    """G2: whoever starts it at night has this one line; scripts have the code; nobody finds half a platform."""
    start = Start(tmp_path, {"CINEMA_PORTS": str(free_row()), **said})

    told, found = start.refusal(monkeypatch)

    assert line in told
    assert found == code
    assert "\n" not in told
    assert SECRET not in told
    assert list(tmp_path.iterdir()) == []


def test_g2_taken_ports_are_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: one after the other, each costs a start; one setting moves them all."""
    first = free_row()
    with (
        socket.create_server(("127.0.0.1", first)),
        socket.create_server(("127.0.0.1", first + 2)),
    ):
        told, code = Start(tmp_path, {"CINEMA_PORTS": str(first)}).refusal(monkeypatch)

    assert code == TAKEN
    assert told == (
        f"GATEWAY_ORDERS_URL, GATEWAY_PORT: ports {first + 2}, {first} are taken; "
        "stop what listens there, or set CINEMA_PORTS=9000 to move all"
    )


def test_g2_nothing_wrong_is_nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: looking changes nothing."""
    assert Start(tmp_path, {"CINEMA_PORTS": str(free_row())}).refusal(monkeypatch) == ("", 0)
    assert list(tmp_path.iterdir()) == []


def test_g2_a_log_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G2: a terminal is shown warnings alone, so the lines lie in a file; it may be the only one below `data`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    (tmp_path / "data").write_text("")
    there = {"search_dir": tmp_path / "index", "media_dir": tmp_path / "media", "media_token": "a"}
    state, url = tmp_path / "state.json", f"sqlite+aiosqlite:///{tmp_path}/cinema.db"
    settings = Settings.model_validate(
        there | {"cinema_ports": str(free_row()), "search_etl_state": state, "database_url": url}
    )

    with pytest.raises(Fault, match=r"the log: 'data/cinema\.log' has a file") as caught:
        run(settings)

    assert caught.value.code == PLACE


@pytest.mark.parametrize(
    ("disk", "right", "said", "code"),
    [
        ({"f_bavail": 0}, True, "the disk that", DISK),
        ({"f_favail": 0}, True, "the disk that", DISK),
        ({"f_flag": os.ST_RDONLY}, True, "lies on a disk that can only be read", PLACE),
        ({}, False, "may not be written by this user", PLACE),
    ],
)
def test_g2_a_disk_that_takes_nothing_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: dict[str, int],
    right: bool,
    said: str,
    code: int,
) -> None:
    """G2: a full disk, a disk without room for another file, one that can only be read, and a lack of rights."""
    good = {"f_blocks": 1, "f_bavail": 2**20, "f_frsize": 2**12, "f_files": 1, "f_favail": 1, "f_flag": 0}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**good | disk))
    monkeypatch.setattr(os, "access", lambda *_: right)

    with pytest.raises(Fault, match=said) as caught:
        check_folder("SEARCH_DIR", tmp_path / "index")

    assert caught.value.code == code
    assert str(caught.value).startswith("SEARCH_DIR: ")


def test_g2_a_folder_is_no_file(tmp_path: Path) -> None:
    """G2: where a file that was mounted does not exist, docker makes a folder."""
    with pytest.raises(Fault, match="is a folder, and must be a file") as caught:
        check_file("SEARCH_ETL_STATE", tmp_path)

    assert caught.value.code == PLACE


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a link to itself", "a link to nowhere"])
def test_g2_what_is_no_file_is_no_database(tmp_path: Path, kind: str) -> None:
    """G2: each was told as a full disk, in a traceback of 178 lines, or by no service at all."""
    file = tmp_path / "cinema.db"
    match kind:
        case "a pipe":
            os.mkfifo(file)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(file))
        case _:
            file.symlink_to(file if kind == "a link to itself" else tmp_path / "nowhere" / "cinema.db")

    with pytest.raises(
        Fault, match=r"DATABASE_URL: '.*cinema\.db' (must be a file|is a link|cannot be made)"
    ) as caught:
        check_database(Settings(database_url=f"sqlite+aiosqlite:///{file}"))

    assert caught.value.code == PLACE


def test_g2_a_link_to_a_file_that_is_still_to_be_made_is_well(tmp_path: Path) -> None:
    """G2: data may lie on another disk."""
    (tmp_path / "cinema.db").symlink_to(tmp_path / "real.db")

    check_database(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/cinema.db"))


def test_a_name_that_an_address_has_to_escape_is_one_file_to_all(tmp_path: Path) -> None:
    """G2: the migration made "a b.db", and the ETL missed "a%20b.db"."""
    found = sqlite_file(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/a%20b.db"))

    assert found == tmp_path / "a b.db"


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4_080])
def test_g2_a_damaged_database_is_said_with_its_file(tmp_path: Path, damage: bytes) -> None:
    """G2: it is not a database that does not answer, and waiting does not help."""
    file = tmp_path / "cinema.db"
    file.write_bytes(damage)

    with pytest.raises(Fault, match=r"DATABASE_URL: '.*cinema\.db' is damaged, or no database") as caught:
        check_database(Settings(database_url=f"sqlite+aiosqlite:///{file}"))

    assert caught.value.code == SETTING
    assert file.read_bytes() == damage


@pytest.mark.parametrize("size", [0, None])
def test_g2_a_database_that_is_still_to_be_made_is_well(tmp_path: Path, size: int | None) -> None:
    """G2: `cinema migrate` makes it."""
    file = tmp_path / "new" / "cinema.db"
    if size is not None:
        file.parent.mkdir()
        file.touch()

    check_database(Settings(database_url=f"sqlite+aiosqlite:///{file}"))


@pytest.mark.parametrize(
    ("number", "said", "code"),
    [
        (sqlite3.SQLITE_FULL, "is full, or fails", DISK),
        (sqlite3.SQLITE_IOERR | 3 << 8, "is full, or fails", DISK),
        (sqlite3.SQLITE_READONLY, "cannot be opened and written", PLACE),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened and written", PLACE),
        (sqlite3.SQLITE_CORRUPT, "is damaged", SETTING),
        (sqlite3.SQLITE_NOTADB, "is damaged", SETTING),
        (sqlite3.SQLITE_BUSY, "holds", TAKEN),
    ],
)
def test_g2_what_sqlite_says_while_it_works_is_told_as_well(number: int, said: str, code: int) -> None:
    """G2: a disk may be full a moment after it was looked at."""
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = number

    fault = of_sqlite(error, Path("data/cinema.db"))

    assert fault is not None
    assert said in str(fault)
    assert fault.code == code


def test_g2_a_statement_of_ours_is_no_fault_of_the_file() -> None:
    """G2: that is for us to hear."""
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = sqlite3.SQLITE_ERROR

    assert of_sqlite(error) is None


def test_g2_what_the_system_says_of_a_place_is_told_in_its_words_at_least() -> None:
    """G2: there are more errors than we have words for."""
    fault = of_disk(OSError(errno.EIO, "Input/output error"), "MEDIA_DIR", "/data")

    assert (str(fault), fault.code) == ("MEDIA_DIR: '/data' cannot be used (Input/output error)", DISK)


@pytest.mark.parametrize(
    ("words", "said", "file", "line", "code"),
    [
        ("gatway", {}, b"", "No such command 'gatway'. Did you mean 'gateway'?; see ", COMMAND),
        (
            "gateway --host ::ffff:127.0.0.1",
            {},
            b"",
            "cinema: --host: nobody can listen on [::ffff:",
            SETTING,
        ),
        ("seed --from", {}, b"", "Option '--from' requires an argument; see cinema --help", COMMAND),
        ("gateway --prt 1", {}, b"", "No such option: --prt", COMMAND),
        ("gateway --host 192.0.2.1", {}, b"", "cinema: --host: '192.0.2.1' is no address", SETTING),
        ("up", {}, b"FILMS=1\nFILMS\n", "cinema: .env:2: must be NAME=value", SETTING),
        ("media", {"MEDIA_URL": "http://0.0.0.0:1"}, b"", "cinema: MEDIA_TOKEN: must be set where", SETTING),
        ("etl", {}, b"", "cinema: DATABASE_URL: there is no file 'data/cinema.db'; cinema migrate", SETTING),
        ("gateway", {"SEARCH_DIR": ".env"}, b"# x\n", "cinema: SEARCH_DIR: '.env' has a file where", PLACE),
        ("sweep", {}, b"", "cinema: DATABASE_URL: this database lacks tables; cinema migrate", SETTING),
        (
            *("gateway", {"GATEWAY_USERS_URL": "https://h", "SSL_CERT_FILE": "/nowhere"}, b""),
            *("cinema: SSL_CERT_FILE: '/nowhere' must be a file of certificates", SETTING),
        ),
        (
            *("gateway", {"PROMETHEUS_MULTIPROC_DIR": "/nowhere"}, b""),
            *("cinema: PROMETHEUS_MULTIPROC_DIR: '/nowhere' must be a folder that is there", SETTING),
        ),
        (
            *("media", {"PROMETHEUS_MULTIPROC_DIR": "/dev/null"}, b""),
            *("cinema: PROMETHEUS_MULTIPROC_DIR: '/dev/null' must be a folder that is there", SETTING),
        ),
        (
            *("ghibli", {"PROMETHEUS_MULTIPROC_DIR": "/proc"}, b""),
            *("cinema: PROMETHEUS_MULTIPROC_DIR: '/proc' must be a folder that is there and can be", SETTING),
        ),
        (
            "users",
            {"GATEWAY_USERS_URL": "http://h:1\n"},
            b"",
            "cinema: GATEWAY_USERS_URL: must be one",
            SETTING,
        ),
        (
            *("media", {"MEDIA_STORE": "s3", "MEDIA_S3_BUCKET": "  "}, b""),
            *("cinema: MEDIA_S3_BUCKET: must not be blank", SETTING),
        ),
        ("migrate", {"DATABASE_URL": "postgres://u@h.invalid/d"}, b"", "its host cannot be resolved", TAKEN),
    ],
)
def test_g2_a_process_ends_with_the_line_and_the_code(
    tmp_path: Path, words: str, said: dict[str, str], file: bytes, line: str, code: int
) -> None:
    """G2: as a script sees it, from outside; nothing is left in the folder."""
    if file:
        (tmp_path / ".env").write_bytes(file)
    done = subprocess.run(
        [sys.executable, "-m", "cinema", *words.split()],
        cwd=tmp_path,
        env={**os.environ, "CINEMA_PORTS": str(free_row()), **said},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert line in done.stderr
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert [one.name for one in tmp_path.iterdir()] == ([".env"] if file else [])


@pytest.mark.parametrize("words", ["gateway", "users", "media", "up"])
def test_g2_a_process_that_may_open_hardly_any_file_does_not_begin(tmp_path: Path, words: str) -> None:
    """G2: whatever it opened last would be blamed, in a traceback."""
    done = started(tmp_path, f"ulimit -n 40; exec {PYTHON} -m cinema {words}")

    assert done.stderr == (
        "cinema: ulimit -n: this process may open 40 files, and needs 128 at least; 65536 is a good limit\n"
    )
    assert done.returncode == SETTING
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_g2_output_that_cannot_be_written_is_told_once(tmp_path: Path, words: str, unbuffered: str) -> None:
    """G2: 74, as for every disk that is full; Python says it in two lines and as 120."""
    command = f"PYTHONUNBUFFERED={unbuffered} exec {PYTHON} -m cinema {words} > /dev/full"
    done = started(tmp_path, command)

    assert (done.stderr, done.returncode) == ("output cannot be written (No space left on device)\n", DISK)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("words", "code"), [("migrate", SETTING), ("nope", COMMAND)])
def test_g2_the_code_is_right_where_the_line_cannot_be_written(
    tmp_path: Path, words: str, code: int, unbuffered: str
) -> None:
    """G2: the disk of the log is full as well, mostly; scripts go by the code."""
    command = f"FILMS=x PYTHONUNBUFFERED={unbuffered} exec {PYTHON} -m cinema {words} 2> /dev/full"

    assert started(tmp_path, command).returncode == code


def test_g2_who_has_seen_enough_is_told_nothing(tmp_path: Path) -> None:
    """G2: the other end of a pipe may leave, as `head` does; and a script may close what it does not need."""
    gone = started(tmp_path, f"sleep 0 | {PYTHON} -m cinema --version | :")
    closed = started(tmp_path, f"exec {PYTHON} -m cinema migrate <&- >&-")

    assert (gone.stderr, closed.stderr, closed.returncode) == ("", "", 0)
    assert (tmp_path / "data" / "cinema.db").exists()


def started(folder: Path, line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, "CINEMA_PORTS": str(free_row())},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_g2_too_many_open_files_are_told_as_that(tmp_path: Path) -> None:
    """G2: it is no fault of the file that came last."""
    fault = of_disk(OSError(errno.EMFILE, "Too many open files"), "SEARCH_DIR", tmp_path)

    assert str(fault).startswith("ulimit -n: ")
