"""The whole stack under load, asked through nginx: `python -m tests.deep.whole --films 200000 --rate 50`.

`make stack`, with its real servers and two workers, is asked in an open loop for the catalogue (no question comes
twice, so that no cache has the answer), profiles, memes with their pictures, and movies. Every answer is held against
what the database has. `--addresses` names the file of a stack that runs already (`make stack ARGS="--addresses FILE"`).

Bound: p99 of all 200 ms, counted from the moment at which a request was due; every answer right.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from bench.catalogue.asks import Fresh, fault
from bench.catalogue.known import Known, known
from bench.catalogue.load import Answer, open_loop
from bench.pace import moments, quantile
from cinema.database import open_database
from tests.docs.pages import ROOT
from tests.live.platform import ask, until

BOUND: Final = 0.2
NEEDED: Final = {"postgres", "redis", "s3", "search", "nginx"}  # the real ones: the stack would do without
FILL_SECONDS: Final = 1800.0
WARM_SECONDS: Final = 20.0  # a node compiles its code, and reads its files
# How often each is asked for.
MIX: Final = {"catalogue": 60, "profile": 20, "memes": 10, "movies": 10}
SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One request, and what tells what is wrong with its answer: "" for nothing."""

    kind: str
    path: str
    judge: Callable[[Answer], str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database has."""

    films: Known
    orders: dict[str, int]  # by user
    memes: dict[str, str]  # their pictures


class Questions:
    """Draws questions of the mix."""

    def __init__(self, facts: Facts, port: int, seed: int) -> None:
        self._facts = facts
        self._rng = random.Random(seed)
        self._fresh = Fresh(facts.films, seed)
        self._users = self._rng.sample(sorted(facts.orders), len(facts.orders))
        self._movies: list[str] = [one["id"] for one in ask(port, "/movies/").json()["api_data"]]
        self._pictures = {name: ask(port, f"/api/files/{name}").body for name in facts.memes.values()}

    def mixed(self, count: int) -> list[Question]:
        kinds = self._rng.choices([*MIX], [*MIX.values()], k=count)
        return [getattr(self, kind)() for kind in kinds]

    def catalogue(self) -> Question:
        (one,) = self._fresh.mixed(1)
        return Question(one.kind, one.path, lambda got: fault(one.expected, got.status, got.total, got.body))

    def profile(self) -> Question:
        user = self._users.pop()
        return Question("profile", f"/api/profile/{user}", whole(user, self._facts.orders[user]))

    def memes(self) -> Question:
        meme, name = self._rng.choice([*self._facts.memes.items()])
        picture = self._pictures[name].decode(errors="replace").encode()  # as the generator hands it on
        return self._rng.choice(
            [
                Question(
                    "memes",
                    "/api/memes?limit=20",
                    said(lambda told: len(told) == min(20, len(self._facts.memes))),
                ),
                Question("memes", f"/api/memes/{meme}", said(lambda told: told["id"] == meme)),
                Question(
                    "pictures",
                    f"/api/files/{name}",
                    lambda got: refused(got) or ("" if got.body == picture else "another picture"),
                ),
            ]
        )

    def movies(self) -> Question:
        movie = self._rng.choice(self._movies)
        return self._rng.choice(
            [
                Question("movies", "/movies/", said(lambda told: len(told["api_data"]) == len(self._movies))),
                Question("movies", f"/movies/{movie}/", said(lambda told: told["api_data"]["id"] == movie)),
            ]
        )


def refused(got: Answer) -> str:
    return "" if got.status == 200 else f"status {got.status}: {got.body[:200].decode(errors='replace')}"


def said(right: Callable[[Any], bool]) -> Callable[[Answer], str]:
    """Judge JSON."""
    return lambda got: refused(got) or ("" if right(json.loads(got.body)) else f"wrong: {got.body[:200]!r}")


def whole(user: str, orders: int) -> Callable[[Answer], str]:
    """Judge a profile: its own user, all orders, nothing missing."""

    def right(told: dict[str, Any]) -> bool:
        parts = {one["status"] for one in told["metadata"]["parts"].values()}
        products = {item["product_id"] for one in told["orders"] for item in one["items"]}
        ours = told["user"]["id"] == user and {*told["products"]} == products
        return ours and len(told["orders"]) == orders and parts <= {"fresh", "cached"}

    return said(right)


async def facts_of(url: str) -> Facts:
    database = open_database(url, 1)
    try:
        return await database.read(facts)
    finally:
        await database.close()


def facts(connection: Connection) -> Facts:
    def rows(asked: str) -> Sequence[Sequence[Any]]:
        return connection.exec_driver_sql(asked).all()

    connection.exec_driver_sql("SET search_path TO content")
    orders = rows(
        'SELECT "user".id, count("order".id) FROM "user" LEFT JOIN "order" ON user_id = "user".id GROUP BY 1'
    )
    memes = rows("SELECT id, image_name FROM meme")
    return Facts(
        known(rows),
        {str(user): int(count) for user, count in orders},
        {str(one): name for one, name in memes},
    )


@contextmanager
def started(films: int) -> Iterator[Path]:
    """Run the stack with so many films; yield the file with its addresses, once it is filled."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "addresses"), Path(folder, "log")
        environment = os.environ | {"FILMS": str(films), "MEMES": "40", "GATEWAY_RATE_LIMIT": "0"}
        command = [sys.executable, "-m", "scripts.whole", "--free-ports", "--addresses", str(file)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            until(lambda: file.exists() or process.poll() is not None, log.read_text, FILL_SECONDS)
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            yield file
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def shown(questions: Sequence[Question], answers: Sequence[Answer]) -> str:
    """Return a line for each class, and one for all."""
    by_kind: dict[str, list[Answer]] = defaultdict(list)
    for one, answer in zip(questions, answers, strict=True):
        by_kind[one.kind].append(answer)
    rows = [*sorted(by_kind.items()), ("all", answers)]
    return "\n".join(row(kind, some) for kind, some in rows)


def row(kind: str, some: Sequence[Answer]) -> str:
    took = [1000 * one.latency for one in some]
    late = 1000 * quantile([one.late for one in some], 0.99)
    times = f"p50 {quantile(took, 0.5):6.1f}  p99 {quantile(took, 0.99):6.1f}  most {max(took):6.1f}"
    return f"{kind:<12} {len(some):>6} asked  {times}  generator late p99 {late:5.1f} ms"


def asked(
    questions: Questions, port: int, rate: float, seconds: float
) -> tuple[list[Question], list[Answer]]:
    """Ask for so long at the rate."""
    some = questions.mixed(len(moments(rate, seconds)))
    return some, open_loop(port, [(one.path, "") for one in some], rate, seconds)


def beyond(questions: Sequence[Question], answers: Sequence[Answer]) -> list[str]:
    """Return what is out of bounds."""
    faults = [
        f"{one.kind}: {wrong}: {one.path}"
        for one, got in zip(questions, answers, strict=True)
        if (wrong := one.judge(got))
    ]
    p99 = quantile([one.latency for one in answers], 0.99)
    late = [f"p99 {p99 * 1000:.0f} ms"] if p99 > BOUND else []
    return [*faults[:SHOWN], *([f"{len(faults)} wrong answers"] if faults else []), *late]


def given() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--films", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--addresses", type=Path)
    return parser.parse_args()


def main() -> int:
    """Run, print, and return 1 if anything is out of bounds."""
    options = given()
    with ExitStack() as stack:
        began = time.monotonic()
        file = options.addresses or stack.enter_context(started(options.films))
        took = f"filled within {time.monotonic() - began:.0f} s; " if options.addresses is None else ""
        told = json.loads(file.read_text())
        if missing := NEEDED - told["addresses"].keys():
            raise SystemExit(f"the stack runs without {', '.join(sorted(missing))}")
        port = int(told["addresses"]["nginx"].rpartition(":")[2])
        questions = Questions(asyncio.run(facts_of(told["settings"]["DATABASE_URL"])), port, options.seed)
        asked(questions, port, options.rate, WARM_SECONDS)
        some, answers = asked(questions, port, options.rate, options.seconds)
    print(
        f"seed {options.seed}; {took}{options.rate:g} requests/s for {options.seconds:g} s\n{shown(some, answers)}"
    )
    wrong = beyond(some, answers)
    print("\n".join(["out of bounds:", *wrong]) if wrong else "within bounds")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
