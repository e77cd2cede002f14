"""Keys of machines: a file of their hashes, which is read again when it changes."""

import asyncio
import hashlib
import logging
import os
import threading
from pathlib import Path, PosixPath
from typing import Annotated, ClassVar

import pytest

from stagedoor import ApiKeys, ApiKeySettings, Gateway
from stagedoor._clock import SystemClock
from stagedoor._deadline import DueTime
from stagedoor._guards.apikeys import KeyTable, hash_of, read_lines
from stagedoor._guards.keyfile import KeyFile, read_file
from stagedoor.testing import Client, Stage

KEYS = ApiKeys("keys")
app = Gateway("machines")


@app.get("/who")
async def who(name: Annotated[str, KEYS]) -> str:
    return name


def line(key: str, name: str = "") -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()}  {name}".rstrip()


def write(path: Path, *lines: str) -> None:
    """Write a file anew, at a time that no file before it has."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text("\n".join(lines))
    os.utime(path, ns=(before + 10**9, before + 10**9))


def spoil(file: Path, change: str) -> None:
    """Let a file become unreadable in one of several ways."""
    match change:
        case "gone":
            file.unlink()
        case "bad":
            write(file, "a plain key")
        case "latin":
            file.write_bytes(b"\xff\xfe")
        case _:
            file.write_bytes(b"#" * (4 * 2**20 + 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with the keys of some."""
    path = tmp_path / "keys"
    write(path, "# our partners", "", line("k1", "acme"), line("k2", "acme"), line("k3", "bell"), line("k4"))
    return path


def environment(file: Path) -> dict[str, str]:
    return {"MACHINES_KEYS_KEYS_FILE": str(file)}


async def test_a_key_says_who_asks(file: Path) -> None:
    """Two keys of one name are one subject; one without a name is called by its hash."""
    async with Stage(app, environment=environment(file)) as stage:
        said = [(await stage.get("/who", x_api_key=key)).read(str) for key in ("k1", "k2", "k3", "k4")]

        assert said == ["acme", "acme", "bell", hash_of("k4")[:16]]


@pytest.mark.parametrize(
    "key",
    ["", "k", "k1 ", "K1", "k1k1", "acme", hash_of("k1"), hash_of("k1").upper(), "k" * 5_000, "\xe9", "%00"],
)
async def test_any_other_key_is_401(file: Path, key: str) -> None:
    """The hash itself is no key: who reads the file comes in nowhere."""
    async with Stage(app, environment=environment(file)) as stage:
        refused = await stage.get("/who", x_api_key=key)

        assert refused.status == 401
        assert refused.header("www-authenticate") == 'ApiKey realm="machines"'
        assert len(key) < 4 or key not in refused.body.decode()


async def test_two_keys_are_none(file: Path) -> None:
    """Which of them would count is anybody's guess."""
    async with Stage(app, environment=environment(file)) as stage:
        client = Client(stage.running)
        answer = await stage.run(client.ask("/who", headers=((b"x-api-key", b"k1"), (b"x-api-key", b"k1"))))

        assert answer.status == 401


async def test_a_key_counts_in_its_own_field_only(file: Path) -> None:
    """Not in the query, where logs would have it."""
    async with Stage(app, environment=environment(file)) as stage:
        statuses = [
            (await stage.get("/who?x-api-key=k1")).status,
            (await stage.get("/who", authorization="Bearer k1")).status,
            (await stage.get("/who", cookie="x-api-key=k1")).status,
        ]

        assert statuses == [401] * 3


async def test_a_change_of_the_file_counts_a_second_later(file: Path) -> None:
    """Issue 14: reload on change; a key that was taken out is refused."""
    async with Stage(app, environment=environment(file)) as stage:
        await stage.get("/who", x_api_key="k1")
        write(file, line("k9", "nine"))
        await stage.advance(1.0)
        old, new = await stage.get("/who", x_api_key="k1"), await stage.get("/who", x_api_key="k9")

        assert (old.status, new.status) == (401, 200)


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_what_is_no_file_of_keys_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    """G2: a pipe is waited at for ever, and a device has no end."""
    path = Path("/dev/zero") if kind == "a device" else tmp_path / "keys"
    if kind == "a pipe":
        os.mkfifo(path)

    with pytest.raises(ValueError, match=r"must be a file, not a pipe|must hold at most 4194304 octets"):
        read_file(path)


@pytest.mark.parametrize("change", ["gone", "bad", "latin", "huge"])
async def test_a_file_that_has_become_unreadable_changes_nothing(
    file: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told to the log, once, without what stands in it."""
    caplog.set_level(logging.WARNING, "stagedoor.guards")
    async with Stage(app, environment=environment(file)) as stage:
        spoil(file, change)
        statuses = []
        for _ in range(3):
            await stage.advance(1.0)
            statuses.append((await stage.get("/who", x_api_key="k1")).status)

        assert statuses == [200] * 3
        assert len(caplog.records) == 1
        assert "plain key" not in caplog.text
        write(file, line("k9", "nine"))
        await stage.advance(1.0)
        assert (await stage.get("/who", x_api_key="k9")).status == 200


async def test_a_file_that_is_lost_again_is_told_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Moved away and back as it was, or written anew: the next time is news, whoever looked at the log before."""
    caplog.set_level(logging.WARNING, "stagedoor.guards")
    aside = file.with_name("aside")
    told = []
    async with Stage(app, environment=environment(file)) as stage:
        for there, here in ((file, aside), (aside, file), (file, aside), (aside, file)):
            there.rename(here)
            await stage.advance(1.0)
            assert (await stage.get("/who", x_api_key="k1")).status == 200
            told.append(len(caplog.records))

    assert told == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["x"], "line 1"),
        ([line("a", "a"), line("a", "b")], "line 2 repeats"),
        ([line("a", "two words")], "line 1"),
        (["# fine", "0" * 63], "line 2"),
        ([line("a", "a")[:63] + "g a"], "line 1"),
    ],
)
def test_a_line_that_is_none_is_told_by_its_number(lines: list[str], fault: str) -> None:
    """What stands in it may be a key in plain, and is not repeated."""
    with pytest.raises(ValueError, match=fault):
        read_lines(lines)


def test_lines_are_as_sha256sum_writes_them() -> None:
    """`printf %s KEY | sha256sum` ends with a dash; both cases of digits are one."""
    named = read_lines(
        [line("a", "-"), line("b", "bell").upper().replace("BELL", "bell"), "sha256:" + line("c", "c")]
    )

    assert sorted(named.values()) == sorted([hash_of("a")[:16], "bell", "c"])


def test_two_tables_keep_keys_in_other_places() -> None:
    """Where a key lies in memory is different in every process: time tells nothing of what is in the file."""
    names = read_lines([line("a", "a")])

    assert KeyTable(names)._names.keys() != KeyTable(names)._names.keys()  # noqa: SLF001 - what is held here
    assert KeyTable(names).owner(b"a") == "a"


async def test_settings_given_replace_the_environment() -> None:
    """As those of a gateway do."""
    given = ApiKeys("given", header="X-Admin-Key", settings=ApiKeySettings(lines=[line("k", "root")]))
    one = Gateway("one")

    @one.get("/who")
    async def asks(name: Annotated[str, given]) -> str:
        return name

    async with Stage(one) as stage:
        assert (await stage.get("/who", x_admin_key="k")).read(str) == "root"
        assert (await stage.get("/who", x_api_key="k")).status == 401


def test_a_file_that_is_no_text_is_told_in_words(tmp_path: Path) -> None:
    """What the decoder says of it helps nobody who has saved it in UTF-16."""
    file = tmp_path / "keys"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ValueError, match="the file must be text in UTF-8"):
        read_file(file)


async def test_a_key_that_was_taken_out_is_good_for_nobody_who_comes_while_the_file_is_read(
    file: Path,
) -> None:
    """Two at once after an hour in which nobody asked: the second does not pass on what was known an hour ago."""
    async with Stage(app, environment=environment(file)) as stage:
        await stage.get("/who", x_api_key="k1")
        write(file, line("k9", "nine"))
        await stage.advance(3_600.0)
        client = Client(stage.running)
        asked = [client.ask("/who", headers=((b"x-api-key", key),)) for key in (b"k1", b"k1", b"k1", b"k9")]
        answers = await stage.run(asyncio.gather(*asked))

        assert [one.status for one in answers] == [401, 401, 401, 200]


async def test_a_file_system_that_hangs_holds_nobody_up_for_long(file: Path) -> None:
    """G2: what is known goes on after half of the time, and one thread waits, not one more a second."""
    hanging, clock = _Hanging(file), SystemClock()
    keys = KeyFile("keys", hanging, clock)
    hanging.hangs.set()
    try:
        for _ in range(2):
            await asyncio.sleep(1.01)
            began = clock.now()
            table = await keys.current(DueTime(began + 0.4))

            assert table.owner(b"k1") == "acme"
            assert 0.15 < clock.now() - began < 0.39
        assert hanging.looks == [str(file)]
    finally:
        hanging.over.set()
        await keys.aclose()


class _Hanging(PosixPath):
    """A path on a file system that answers no more, from a moment on."""

    hangs, over = threading.Event(), threading.Event()
    looks: ClassVar[list[str]] = []

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Wait, as the kernel does."""
        if self.hangs.is_set():
            self.looks.append(str(self))
            self.over.wait(20)
        return super().stat(follow_symlinks=follow_symlinks)
