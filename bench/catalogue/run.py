"""One engine under measurement: a gateway of its own, the open loop, then one question at a time."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.catalogue.asks import CLASSES, Ask, Fresh, fault
from bench.catalogue.busy import Busy, Watch
from bench.catalogue.grounds import Grounds
from bench.catalogue.hard import Candidate, candidates
from bench.catalogue.known import Known
from bench.catalogue.load import Answer, one_at_a_time, open_loop
from bench.catalogue.memory import Memory, memory_of
from bench.catalogue.node import directly
from bench.pace import moments
from bench.process import Command, Process, free_port, running
from tests.servers import Server

__all__ = ["Hard", "Measured", "Plan", "Single", "measure", "singles", "worst"]

# Questions before anything is measured: the pages of the files, the threads; a node compiles its code for longer.
WARMING: Final = {"tantivy": 300, "opensearch": 1_500}
BLOCKS: Final = 6  # turns of the gateway and the node, asked the same kinds of questions
EACH: Final = 60  # questions of a class one at a time
SEED: Final = 20261121
# Long, as in the other benches: a stall of the machine must not make a round in which calls were given up.
DEADLINE_MS: Final = 2_000
ATTEMPT_MS: Final = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; `rate` is requests per second, `tries` is how often each hard question is asked."""

    rate: float = 100.0
    seconds: float = 30.0
    tries: int = 7
    cores: tuple[int, ...] = tuple(sorted(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class Single:
    """Questions of one kind asked one at a time: median seconds until the answer, and of CPU time."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Hard:
    """A hard question and what it took."""

    kind: str
    name: str
    took: Single


@dataclass(slots=True, kw_only=True)
class Measured:
    """What was seen of one engine."""

    paced: list[tuple[str, Answer]] = field(default_factory=list)  # by class
    typical: dict[str, Single] = field(default_factory=dict)  # by class
    hard: list[Hard] = field(default_factory=list)
    direct: dict[str, tuple[Single, Single]] = field(default_factory=dict)  # by class: the gateway, the node
    memory: dict[str, Memory] = field(default_factory=dict)  # by moment
    busy: Busy | None = None  # during the open loop
    hits: int = 0
    asked: int = 0
    faults: list[str] = field(default_factory=list)

    def judge(self, asks: Sequence[Ask], answers: Sequence[Answer]) -> None:
        """Hold answers against what they must be, and count those that a cache gave."""
        self.asked += len(asks)
        self.hits += sum(answer.hit for answer in answers)
        for ask, answer in zip(asks, answers, strict=True):
            if wrong := fault(ask.expected, answer.status, answer.total, answer.body):
                self.faults.append(f"{ask.kind}: {wrong}: {ask.path[:300]}")


def measure(grounds: Grounds, known: Known, plan: Plan, server: Server | None) -> Measured:
    """Start a gateway and measure it; `server` is the search node, if the index is there."""
    seen, fresh, port = Measured(), Fresh(known, SEED), free_port()
    with running(gateway(grounds, port, plan, server.url if server else "")) as process:
        process.wait_until_answers(f"http://127.0.0.1:{port}/health/ready")
        seen.memory["ready"] = memory_of(process.pid)
        warm = [
            *fresh.mixed(WARMING["opensearch" if server else "tantivy"]),
            *(fresh.draw(kind) for kind in CLASSES for _ in range(3)),
        ]
        one_at_a_time(port, requests(warm), process.pid)
        seen.memory["warm"] = memory_of(process.pid)
        due = moments(plan.rate, plan.seconds)
        asks = list(fresh.mixed(len(due)))
        watch = Watch(process.pid)
        answers = open_loop(port, requests(asks), plan.rate, plan.seconds)
        seen.busy = watch.busy()
        seen.judge(asks, answers)
        seen.paced = [(ask.kind, answer) for ask, answer in zip(asks, answers, strict=True)]
        seen.memory["after the open loop"] = memory_of(process.pid)
        in_turn(seen, port, process, fresh, [*candidates(known)], plan)
        if server:
            beside(seen, port, process, server, fresh)
        seen.memory["after everything"] = memory_of(process.pid)
    if seen.hits:
        seen.faults.append(f"{seen.hits} answers came from a cache")
    return seen


def in_turn(
    seen: Measured, port: int, process: Process, fresh: Fresh, hard: Sequence[Candidate], plan: Plan
) -> None:
    """Ask typical and hard questions one at a time, in turns: a disturbance of the machine meets all kinds."""
    asks = [fresh.draw(kind) for _ in range(EACH) for kind in CLASSES]
    answers = one_at_a_time(port, requests(asks), process.pid)
    seen.judge(asks, answers)
    seen.typical = {
        kind: single(answer for ask, answer in zip(asks, answers, strict=True) if ask.kind == kind)
        for kind in CLASSES
    }
    asks = [one.ask(turn) for turn in range(plan.tries) for one in hard]
    answers = one_at_a_time(port, requests(asks), process.pid)
    seen.judge(asks, answers)
    seen.hard = [
        Hard(one.kind, one.name, single(answers[place :: len(hard)])) for place, one in enumerate(hard)
    ]


def beside(seen: Measured, port: int, process: Process, server: Server, fresh: Fresh) -> None:
    """Ask the gateway and the node itself the same kinds of questions, in turns."""
    kinds = [kind for kind in CLASSES if kind != "related"]  # which may be two questions to the node
    ours: list[tuple[str, Answer]] = []
    theirs: list[tuple[str, Answer]] = []
    for _ in range(BLOCKS):
        asks = [fresh.draw(kind) for _ in range(EACH // BLOCKS) for kind in kinds]
        answers = one_at_a_time(port, requests(asks), process.pid)
        seen.judge(asks, answers)
        ours += [(ask.kind, answer) for ask, answer in zip(asks, answers, strict=True)]
        asks = [fresh.draw(kind) for _ in range(EACH // BLOCKS) for kind in kinds]
        answers = one_at_a_time(server.port, [directly(ask) for ask in asks], server.processes()[0].pid)
        theirs += [(ask.kind, answer) for ask, answer in zip(asks, answers, strict=True)]
    if refused := sum(answer.status != 200 for _, answer in theirs):
        seen.faults.append(f"the node answered {refused} direct questions with another status than 200")
    seen.direct = {
        kind: (
            single(answer for one, answer in ours if one == kind),
            single(answer for one, answer in theirs if one == kind),
        )
        for kind in kinds
    }


def gateway(grounds: Grounds, port: int, plan: Plan, search_url: str) -> Command:
    """Run the gateway as an operator does; only the throttle is off, and deadlines are long."""
    return Command(
        name="gateway",
        argv=(sys.executable, "-m", "cinema", "gateway"),
        cores=plan.cores,
        environment={
            **grounds.settings(search_url),
            "GATEWAY_PORT": str(port),
            "GATEWAY_RATE_LIMIT": "0",
            "GATEWAY_DEADLINE_MS": str(DEADLINE_MS),
            "SEARCH_TIMEOUT_MS": str(ATTEMPT_MS),
        },
        folder=grounds.folder,
    )


def requests(asks: Iterable[Ask]) -> list[tuple[str, str]]:
    """Return the requests of questions."""
    return [(ask.path, "") for ask in asks]


def single(answers: Iterable[Answer]) -> Single:
    """Return the medians."""
    some = list(answers)
    return Single(median(one.latency for one in some), median(one.cpu for one in some))


def singles(measured: Measured, kind: str) -> list[Hard]:
    """Return the hard questions of a class, the slowest first."""
    return sorted((one for one in measured.hard if one.kind == kind), key=lambda one: -one.took.seconds)


def worst(measured: Measured, kind: str) -> Hard | None:
    """Return the slowest question of a class."""
    return next(iter(singles(measured, kind)), None)
