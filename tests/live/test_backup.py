"""A backup that is stopped, from outside."""

import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.live.platform import clean, run, until

pytestmark = pytest.mark.live


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Issue 15.5: what was begun is no backup, and would stand in the way of the next one."""
    database = tmp_path / "cinema.db"
    environment = clean() | {"DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
    with closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute("CREATE TABLE any (id)")
        held.execute("BEGIN EXCLUSIVE")  # so that the copy waits in the middle
        process = subprocess.Popen(run("backup", "backup"), cwd=tmp_path, env=environment)
        until((tmp_path / "backup/tables/.snapshot.db").exists)
        process.send_signal(number)
        until(lambda: not (tmp_path / "backup/tables").exists() or process.poll() is not None)

    assert process.wait(60) == 128 + number
    assert [*(tmp_path / "backup").iterdir()] == []
