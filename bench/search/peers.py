"""Who answers, of the same documents: the kit on Tantivy and on OpenSearch, plain multi_match there, SQLite FTS5."""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.request import Request, urlopen

from bench.search.films import FIELDS
from cinema.indices import MOVIES
from stagedoor._call import Env
from stagedoor._clock import SystemClock
from stagedoor._transports.http import HttpTransport
from stagedoor._upstream import Upstream
from stagedoor.search import Document, Engine, Match, Put, Query, Writer
from stagedoor.search.elastic import ElasticEngine, ElasticWriter
from stagedoor.search.tantivy import TantivyEngine, TantivyWriter
from stagedoor.testing import Events, call_of

__all__ = ["Answer", "Peer", "fts5", "multi_match", "on_opensearch", "on_tantivy"]

Answer: TypeAlias = tuple[int, list[str]]  # how many in all, and the first ten
Peer: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Answer]]]
_TEN: Final = 10
_PART: Final = 500  # documents or questions at a time


async def _fill(writer: Writer, documents: Sequence[Document]) -> None:
    version = await writer.create(MOVIES)
    for start in range(0, len(documents), _PART):
        await writer.write(version, [Put(one) for one in documents[start : start + _PART]])
    await writer.commit(version)
    await writer.switch(MOVIES.name, version)
    await writer.aclose()


def _asking(engine: Engine) -> Peer:
    async def ask(texts: Sequence[str]) -> list[Answer]:
        found = []
        for text in texts:
            query = Query(index=MOVIES.name, clause=Match(FIELDS, text), limit=_TEN, fields=("id",))
            result = await engine.send(call_of(query))
            found.append((result.total, [document["id"] for document in result.documents]))
        return found

    return ask


async def on_tantivy(folder: Path, documents: Sequence[Document]) -> Peer:
    """Return the kit on its embedded engine."""
    await _fill(TantivyWriter(folder, [MOVIES]), documents)
    return _asking(TantivyEngine(folder, [MOVIES]))


async def on_opensearch(url: str, documents: Sequence[Document]) -> Peer:
    """Return the kit on a node."""
    env = Env(SystemClock(), lambda: 0.5, Events())
    writer = ElasticWriter(Upstream("node", HttpTransport(url, connect_timeout=5), env=env), [MOVIES])
    await _fill(writer, documents)
    return _asking(ElasticEngine(HttpTransport(url, connect_timeout=5), [MOVIES]))


async def multi_match(url: str, documents: Sequence[Document]) -> Peer:
    """Return what a node does by itself: the default analyzer, `title^3`, fuzziness AUTO."""
    texts = {name: {"type": "text"} for name, _ in FIELDS}
    _send(url, "PUT", "/plain", json.dumps({"mappings": {"properties": texts}}).encode())
    for start in range(0, len(documents), _PART):
        part = documents[start : start + _PART]
        said = "".join(
            f"{json.dumps({'index': {'_id': one['id']}})}\n{json.dumps({name: one[name] for name, _ in FIELDS})}\n"
            for one in part
        )
        _send(url, "POST", "/plain/_bulk", said.encode())
    _send(url, "POST", "/plain/_forcemerge?max_num_segments=1", b"")
    _send(url, "POST", "/plain/_refresh", b"")

    async def ask(texts: Sequence[str]) -> list[Answer]:
        return [answer for part in _parts(texts) for answer in _searched(url, part)]

    return ask


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _PART] for start in range(0, len(texts), _PART))


def _searched(url: str, texts: Sequence[str]) -> list[Answer]:
    fields = [f"{name}^{weight:g}" for name, weight in FIELDS]
    bodies = [
        {
            "query": {"multi_match": {"query": text, "fields": fields, "fuzziness": "AUTO"}},
            "size": _TEN,
            "_source": False,
            "track_total_hits": True,
        }
        for text in texts
    ]
    said = "".join(f"{{}}\n{json.dumps(body)}\n" for body in bodies)
    found = _send(url, "POST", "/plain/_msearch", said.encode())["responses"]
    return [(one["hits"]["total"]["value"], [hit["_id"] for hit in one["hits"]["hits"]]) for one in found]


def _send(url: str, method: str, path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
    kind = "application/json" if method == "PUT" else "application/x-ndjson"
    asked = Request(url + path, body or None, {"content-type": kind}, method=method)
    with urlopen(asked) as answer:
        return json.load(answer)


async def fts5(documents: Sequence[Document]) -> Peer:
    """Return SQLite: words without accents, any of them, bm25 with the title three times."""
    database = sqlite3.connect(":memory:")
    names = [name for name, _ in FIELDS]
    database.execute(
        f"CREATE VIRTUAL TABLE films USING fts5(id UNINDEXED, {', '.join(names)},"
        " tokenize='unicode61 remove_diacritics 2')"
    )
    rows = [(one["id"], *[_text(one[name]) for name in names]) for one in documents]
    database.executemany(f"INSERT INTO films VALUES ({', '.join('?' * len(rows[0]))})", rows)
    weights = ", ".join(f"{weight:g}" for _, weight in FIELDS)
    found = f"SELECT id FROM films WHERE films MATCH ? ORDER BY bm25(films, 0, {weights}) LIMIT {_TEN}"

    async def ask(texts: Sequence[str]) -> list[Answer]:
        answers: list[Answer] = []
        for text in texts:
            words = " OR ".join('"' + word.replace('"', "") + '"' for word in text.split() if word.strip('"'))
            with closing(database.cursor()) as cursor:
                ids = [one for (one,) in cursor.execute(found, [words or '""'])]
            answers.append((len(ids), ids))
        return answers

    return ask


def _text(value: Any) -> str:  # noqa: ANN401 - documents hold JSON
    return " ".join(value) if isinstance(value, list) else value or ""
