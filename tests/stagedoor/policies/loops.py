"""A loop whose processor is short, played on a clock of its own: turns of tasks that are ready, then of what arrived.

A request takes its share of the processor in steps, and waits for a service between them. Others take the processor
away now and then, as on a machine that is shared.
"""

import heapq
import random
from collections import deque
from dataclasses import dataclass, field

from stagedoor.policies._pressure import Pressure

ANSWER, REFUSAL, STEPS, DEADLINE = 0.0004, 0.00003, 4, 0.18  # seconds of the processor; steps; seconds
READ = 0.4  # of a step: what is read, before its task goes on
NOT_SOONER = 0.005


@dataclass
class SharedLoop:
    """Ask for so many times what is carried; `good` answers are in time. Times are seconds.

    Services take `service` from, to; the processor is taken away after `taken[0]` on average, for `taken[1]`.
    """

    target: float
    times: float
    service: tuple[float, float]
    taken: tuple[float, float] | None = None
    good: int = 0
    now: float = 0.0
    away: float = 0.0
    ready: deque[tuple[str, int, float]] = field(default_factory=deque)
    waiting: list[tuple[float, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pressure = Pressure(target=self.target, most=10_000)
        self.chance = random.Random(1)
        self.asked = self.next_turn = 0.0
        self.next_away = self.chance.expovariate(1 / self.taken[0]) if self.taken else float("inf")

    def share(self, seconds: float) -> float:
        """Return the share of what the processor could have answered that was answered in time."""
        arrivals = deque(self.arrivals(seconds))
        while arrivals:
            self.turn()
            if not self.ready:
                self.now = max(self.now, min([arrivals[0], *(one[0] for one in self.waiting[:1])]))
            begun = self.now
            while arrivals and arrivals[0] <= begun:
                self.arrive(arrivals.popleft())
            while self.waiting and self.waiting[0][0] <= begun:
                _, step, born = heapq.heappop(self.waiting)
                self.work(ANSWER / STEPS * READ)
                self.ready.append(("step", step, born))
        return self.good * ANSWER / (self.now - self.away)

    def arrivals(self, seconds: float) -> list[float]:
        found, now = [], 0.0
        while now < seconds:
            now += self.chance.expovariate(self.times / ANSWER)
            found.append(now)
        return found

    def work(self, seconds: float) -> None:
        self.now += seconds
        while self.taken and self.now >= self.next_away:
            gone = self.chance.expovariate(1 / self.taken[1])
            self.now, self.away = self.now + gone, self.away + gone
            self.next_away = self.now + self.chance.expovariate(1 / self.taken[0])

    def ask(self) -> None:
        if self.now >= self.next_turn:
            self.asked, self.next_turn = self.now, float("inf")
            self.ready.append(("asked", 0, 0.0))

    def arrive(self, born: float) -> None:
        if self.pressure.is_tight() and not self.pressure.promise("detail"):
            self.ask()
            self.work(REFUSAL)
        else:
            self.work(ANSWER / STEPS * READ)
            self.ready.append(("step", 0, born))

    def turn(self) -> None:
        for _ in range(len(self.ready)):
            kind, step, born = self.ready.popleft()
            if kind == "asked":
                self.pressure.turned(self.now, self.now - self.asked)
                self.next_turn = self.now + NOT_SOONER
            else:
                self.step(step, born)

    def step(self, step: int, born: float) -> None:
        if step == 0:
            self.ask()
            if not self.pressure.enter("detail"):
                self.work(REFUSAL)
                return
        self.work(ANSWER / STEPS * (1 - READ))
        if step == STEPS - 1:
            self.pressure.leave("detail")
            self.good += self.now - born <= DEADLINE
        else:
            heapq.heappush(self.waiting, (self.now + self.chance.uniform(*self.service), step + 1, born))
