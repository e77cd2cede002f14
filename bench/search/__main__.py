"""Measure how good the search is, peers beside it in the same run.

python -m bench.search [--count 1000] [--only "exact titles" ...] [--no-node]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.search.films import Films
from bench.search.kinds import KINDS, Ask, asks
from bench.search.peers import Answer, Peer, fts5, multi_match, on_opensearch, on_tantivy
from bench.search.written import WRITTEN, written
from bench.table import machine, render
from tests.search_nodes import opensearch
from tests.servers import Server, Unavailable

_TEN = 10
_BEHIND = 0.02
_OURS = "tantivy"
_NODE = "opensearch"


def main(options: Sequence[str]) -> int:
    """Ask everybody everything and print; the exit code tells whether a peer was better by more than .02 anywhere."""
    asked = _arguments().parse_args(options)
    films = Films()
    questions = {kind: asks(kind, films, asked.count) for kind in asked.only or KINDS}
    if not asked.only:
        questions = {f"{WRITTEN}": written(films), **questions}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = "" if not asked.node else stack.enter_context(_running(folder / "node"))
        (folder / "index").mkdir()
        found = asyncio.run(_answers(films, questions, folder / "index", url))
    print(f"{len(films.documents):,} films; success at 1 / at 10, and MRR\n{machine()}\n")
    print(render(*_table(questions, found)))
    if _NODE in found:
        print("\n" + _agreement(found[_OURS], found[_NODE]))
    faults = list(_faults(questions, found))
    print("\n".join(faults))
    return 1 if faults else 0


async def _answers(
    films: Films, questions: dict[str, list[Ask]], folder: Path, url: str
) -> dict[str, dict[str, list[Answer]]]:
    peers: dict[str, Peer] = {_OURS: await on_tantivy(folder, films.documents)}
    if url:
        peers[_NODE] = await on_opensearch(url, films.documents)
        peers["multi_match"] = await multi_match(url, films.documents)
    peers["FTS5"] = await fts5(films.documents)
    found: dict[str, dict[str, list[Answer]]] = {}
    for name, ask in peers.items():
        begun = time.perf_counter()
        found[name] = {kind: await ask([text for text, _ in some]) for kind, some in questions.items()}
        print(f"{name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    return found


def _table(
    questions: dict[str, list[Ask]], found: dict[str, dict[str, list[Answer]]]
) -> tuple[list[str], list[list[str]]]:
    rows = []
    for kind, some in questions.items():
        row = [kind, f"{len(some):,}"]
        for answers in found.values():
            first, ten, mrr = _measured(some, answers[kind])
            row.append(f"{first:.3f} / {ten:.3f} {mrr:.3f}")
        rows.append(row)
    return ["questions", "number", *found], rows


def _measured(some: Sequence[Ask], answers: Sequence[Answer]) -> tuple[float, float, float]:
    """Return success at 1, success at 10, and the mean reciprocal rank of the first right film among ten."""
    ranks = [
        next((place for place, one in enumerate(ids[:_TEN], 1) if one in means), 0)
        for (_, means), (_, ids) in zip(some, answers, strict=True)
    ]
    count = max(1, len(ranks))
    return (
        sum(rank == 1 for rank in ranks) / count,
        sum(rank > 0 for rank in ranks) / count,
        sum(1 / rank for rank in ranks if rank) / count,
    )


def _agreement(ours: dict[str, list[Answer]], others: dict[str, list[Answer]]) -> str:
    pairs = [pair for kind, answers in ours.items() for pair in zip(answers, others[kind], strict=True)]
    totals = sum(one[0] == other[0] for one, other in pairs)
    firsts = sum(one[1][:1] == other[1][:1] for one, other in pairs)
    tens = sum(one[1] == other[1] for one, other in pairs)
    return (
        f"of {len(pairs):,} questions both engines agree in {totals:,} totals, {firsts:,} first results and "
        f"{tens:,} first tens"
    )


def _faults(questions: dict[str, list[Ask]], found: dict[str, dict[str, list[Answer]]]) -> list[str]:
    said = []
    for kind, some in questions.items():
        mine = _measured(some, found[_OURS][kind])
        for peer in found.keys() - {_OURS, _NODE}:
            theirs = _measured(some, found[peer][kind])
            said += [
                f"{kind}: {peer} is better at {at}: {their:.3f}, and we {my:.3f}"
                for at, my, their in zip((1, 10), mine, theirs, strict=False)
                if their - my > _BEHIND
            ]
    return said


def _running(folder: Path) -> "_Node":
    folder.mkdir()
    return _Node(folder)


class _Node:
    """A node as long as the block runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        try:
            self._server = Server(opensearch(), self._folder)
            self._server.start()
        except Unavailable as error:
            raise SystemExit(str(error)) from None
        return self._server.url

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.search", description="Measure how good the search is."
    )
    parser.add_argument("--count", type=int, default=1_000, help="questions of each kind")
    parser.add_argument("--only", nargs="*", choices=list(KINDS), help="these kinds")
    parser.add_argument("--no-node", dest="node", action="store_false", help="without OpenSearch")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
