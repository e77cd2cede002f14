"""The ETL under whatever comes, and SIGKILL: afterwards each index equals SQL within one pass (E1 to E8).

    python -m tests.deep.etl --database postgres --engine opensearch --rounds 4 --seed 1

Changes, rows that cannot be read, foreign rows in the log and blocked or closed indices come at random, and the
ETL is killed and started again, at times to build anew. A round ends by clearing the obstacles and one whole pass.
"""

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from cinema.database import Database, DatabaseUnavailable, open_database
from cinema.etl.extract import PIPELINES, IndexPipeline
from cinema.etl.unread import Unread
from cinema.indices import INDICES
from stagedoor._clock import SystemClock
from stagedoor._transports.http import HttpTransport
from stagedoor.search.elastic import ElasticEngine
from stagedoor.search.engine import Engine
from stagedoor.search.tantivy import TantivyEngine
from tests import search_nodes, servers
from tests.cinema.etl.sources import documents_in
from tests.live.platform import clean, prepare, run

COLUMNS = {"film_work": ("title", "description"), "genre": ("name", "description"), "person": ("full_name",)}
TITLES = ("new", "N/A", "x" * 3000, "a\tb\x01", "Ünï🎬")
SPOILT = ("x'00ff41'", "CAST(x'00ff41' AS TEXT)")  # SQLite keeps any octets in a text column
JUNK = (
    "INSERT INTO {}change_log (entity, entity_id, op) VALUES ('film_work', 'None', 'update')",
    "INSERT INTO {}change_log (entity, entity_id, op) VALUES (CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), x'ff')",
)
BLOCKS = ("index.blocks.write", "index.blocks.read_only_allow_delete", "close")


class Source:
    """The database that is changed while the ETL reads it."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.database: Database = open_database(url)
        self.embedded = url.startswith("sqlite")
        self.schema = "" if self.embedded else "content."
        self.rng = rng
        self.spoilt: list[tuple[str, str, str]] = []

    async def do(self, statement: str, **values: object) -> None:
        """Write, again where the ETL holds the file."""

        def work(connection: Connection) -> None:
            connection.execute(text(statement.format(self.schema)), values)

        for _ in range(20):
            try:
                await self.database.write(work)
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)
            else:
                return

    async def one_of(self, table: str) -> str:
        def work(connection: Connection) -> list[str]:
            rows = connection.execute(text(f"SELECT CAST(id AS TEXT) FROM {self.schema}{table}"))
            return [key for (key,) in rows if isinstance(key, str)]

        return self.rng.choice(await self.database.read(work))

    async def change(self) -> None:
        roll, table = self.rng.random(), self.rng.choice(("film_work", "person", "genre"))
        if roll < 0.6:
            await self._write(
                table, COLUMNS[table][0], f"{table} {self.rng.random()}", await self.one_of(table)
            )
        elif roll < 0.7 and table != "genre":
            await self.do(f"DELETE FROM {{}}{table} WHERE id = :key", key=await self.one_of(table))
        elif roll < 0.85:
            link = await self.one_of("person_film_work")
            await self.do("DELETE FROM {}person_film_work WHERE id = :key", key=link)
        else:
            await self._insert(str(uuid.UUID(int=self.rng.getrandbits(128))), self.rng.choice(TITLES))

    async def spoil(self) -> None:
        """Make a row unreadable, where the database allows it."""
        if not self.embedded:
            return
        table = self.rng.choice(list(COLUMNS))
        column, key = self.rng.choice(COLUMNS[table]), await self.one_of(table)
        octets = self.rng.choice(SPOILT).replace("ff41", f"ff{self.rng.randrange(65536):04x}")
        await self.do(f"UPDATE {table} SET {column} = {octets} WHERE id = :key", key=key)
        self.spoilt.append((table, column, key))

    async def mend(self) -> None:
        for table, column, key in self.spoilt:
            await self._write(table, column, f"mended {self.rng.random()}", key)
        self.spoilt.clear()

    async def junk(self) -> None:
        """Leave in the log what no trigger of ours writes."""
        await self.do(self.rng.choice(JUNK if self.embedded else JUNK[:1]))

    async def _write(self, table: str, column: str, said: str, key: str) -> None:
        await self.do(f"UPDATE {{}}{table} SET {column} = :said WHERE id = :key", said=said, key=key)

    async def _insert(self, key: str, title: str) -> None:
        await self.do(
            "INSERT INTO {}film_work (id, title, type, created, modified) VALUES (:key, :title, 'movie',"
            " '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')",
            key=key,
            title=title,
        )


class Node:
    """The indices of a search node, which are blocked and closed."""

    def __init__(self, url: str | None, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.blocked: list[tuple[str, str]] = []

    def _send(self, method: str, path: str, body: object = None) -> Any:
        asked = urllib.request.Request(f"{self.url}/{path}", method=method)
        asked.add_header("content-type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with (
            contextlib.suppress(urllib.error.HTTPError),
            urllib.request.urlopen(asked, data, timeout=20) as answer,
        ):
            return json.load(answer)
        return {}

    async def block(self) -> None:
        found = [name for name in self._send("GET", "_alias") if "-0" in name] if self.url else []
        if not found:
            return
        name, how = self.rng.choice(found), self.rng.choice(BLOCKS)
        if how == "close":
            self._send("POST", f"{name}/_close")
        else:
            self._send("PUT", f"{name}/_settings", {how: True})
        self.blocked.append((name, how))

    async def unblock(self) -> None:
        while self.blocked:
            name, how = self.blocked.pop()
            if how == "close":
                self._send("POST", f"{name}/_open")
            else:
                self._send("PUT", f"{name}/_settings", {how: None})

    def engine(self, folder: Path) -> Engine:
        if self.url:
            return ElasticEngine(HttpTransport(self.url, connect_timeout=5), INDICES)
        return TantivyEngine(folder / "index", INDICES)


class Etl:
    """The process that is killed."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.kills = 0
        self._log = (folder / "log").open("ab")
        self._process = self._begin("--watch")

    def _begin(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            run("etl", *words), cwd=self.folder, env=self.environment, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def again(self, *, anew: bool = False) -> None:
        self.kill()
        self._process = self._begin("--rebuild" if anew else "--watch")

    def keep_up(self) -> None:
        if self._process.poll() is not None:
            self._process = self._begin("--watch")

    def passed(self) -> str:
        """Run one whole pass; an empty text if it ended well."""
        done = subprocess.run(
            run("etl"),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return f"exit {done.returncode}: {done.stderr[-300:]}" if done.returncode else ""


def rows(connection: Connection, pipeline: IndexPipeline) -> tuple[dict[str, Any], set[str]]:
    """Return what the index must hold, and the ids of rows that cannot be read."""
    readable: dict[str, Any] = {}
    unread: set[str] = set()
    for span in pipeline.spans(connection, 500):
        for one in pipeline.page(connection, span):
            if not isinstance(one, Unread):
                kept = {name: value for name, value in one.items() if name not in pipeline.index.unkept}
                readable[str(one["id"])] = kept
            elif one.of == pipeline.name:
                unread.add(one.id)
    return readable, unread


async def differences(source: Source, engine: Engine) -> list[str]:
    """Compare each index with SQL, document by document."""
    found: list[str] = []
    for pipeline in PIPELINES:
        held = await documents_in(engine, pipeline.name, SystemClock())
        wanted, unread = await source.database.read(partial(rows, pipeline=pipeline))
        unlike = {key for key in held.keys() | wanted.keys() if held.get(key) != wanted.get(key)} - unread
        found += [
            f"{pipeline.name} {key}: {held.get(key)} for {wanted.get(key)}" for key in sorted(unlike)[:3]
        ]
    await engine.aclose()
    return found


async def storm(source: Source, node: Node, etl: Etl, rng: random.Random) -> None:
    """Do all of it at random, for some seconds."""
    acts: Sequence[Callable[[], Awaitable[None]]] = (
        *[source.change] * 3, source.spoil, source.mend, source.junk, node.block, node.unblock,
    )  # fmt: skip
    end = time.monotonic() + rng.uniform(3, 6)
    while time.monotonic() < end:
        await rng.choice(acts)()
        await asyncio.sleep(rng.uniform(0, 0.25))
        if rng.random() < 0.12:
            etl.again(anew=rng.random() < 0.3)
        etl.keep_up()


async def ran(source: Source, node: Node, etl: Etl, rounds: int) -> list[str]:
    """Return what was wrong in any round."""
    wrong: list[str] = []
    for number in range(rounds):
        await storm(source, node, etl, source.rng)
        etl.kill()
        await node.unblock()
        failed = etl.passed()
        unlike = await differences(source, node.engine(etl.folder))
        wrong += [f"round {number}: {one}" for one in [*filter(None, [failed]), *unlike]]
        etl.again()
    etl.kill()
    await source.database.close()
    return wrong


def given() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--engine", choices=("tantivy", "opensearch"), default="tantivy")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    return parser.parse_args()


def main() -> int:
    """Run, print, and return 1 if an index was not what SQL says."""
    options = given()
    rng = random.Random(options.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite+aiosqlite:///{folder}/cinema.db"
        if options.database == "postgres":
            url = servers.create_database(stack.enter_context(servers.temporary(servers.postgres)), "etl")
        environment = clean() | {
            "DATABASE_URL": url, "SEARCH_DIR": f"{folder}/index", "SEARCH_ETL_STATE": f"{folder}/state.json",
            "SEARCH_ETL_BATCH": "50", "SEARCH_ETL_INTERVAL_S": "1",
        }  # fmt: skip
        prepare(url, folder, films=400)
        node = Node(None, rng)
        if options.engine == "opensearch":
            recipe = partial(search_nodes.opensearch, *search_nodes.QUICK)
            node.url = environment["SEARCH_URL"] = stack.enter_context(servers.temporary(recipe)).url
        etl = Etl(folder, environment)
        wrong = asyncio.run(ran(Source(url, rng), node, etl, options.rounds))
    print(
        f"seed {options.seed}, {options.database} and {options.engine}: the ETL was killed {etl.kills} times"
    )
    print("\n".join(["not as SQL says:", *wrong]) if wrong else "as SQL says")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
