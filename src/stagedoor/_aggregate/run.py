"""Run the parts of an aggregate side by side and judge each.

Every part starts the moment its last argument is there: whoever settles a part counts down what waits for it, goes
on with the first that waits for nothing else, and gives each further one a task of its own. The runner itself sleeps
on a single future, woken when all parts have settled, or when one ended everything: a required part that failed, a
bug. One timer cuts off, at the end of the budget, whatever is still out.

    settled = answered | failed | late | skipped (something it depends on did not answer)

Parts see a deadline a little before that cut, so that what a policy does at a deadline (a stale value instead of an
error, a connection closed in order) still arrives in time; the cut is for functions that keep no deadline.

Whatever happens, no task outlives `run`: it cancels those still under way and waits for them (P2, X2).
"""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from stagedoor import _context as context
from stagedoor._aggregate import verdict as judge
from stagedoor._aggregate.hints import broken_promise
from stagedoor._aggregate.outcome import Outcome
from stagedoor._aggregate.part import ABSENT
from stagedoor._aggregate.schedule import PartStep, Schedule
from stagedoor._aggregate.verdict import PartVerdict
from stagedoor._call import Env
from stagedoor._clock import Timer
from stagedoor._context import Record, RequestContext
from stagedoor._deadline import LATE, DueTime
from stagedoor._events import PartEnded
from stagedoor.errors import UpstreamError, UpstreamTimeout, first_of

__all__ = ["run"]

M = TypeVar("M")

_OUT = PartVerdict("missing")  # of a part that has not settled yet; told to nobody
_GRACE = 0.002  # seconds between the deadline that parts see and the moment they are cut off
_GRACE_SHARE = 0.05  # and never more of a short time than this


async def run(schedule: Schedule[M], values: Mapping[str, object], env: Env) -> Outcome[M]:
    """Run all parts under the current request's deadline, narrowed by the budget.

    Raises the error of a required part as itself, and the most telling one if no part brought a value (P3).
    """
    now = env.clock.now()
    asked = context.current()
    end = min(asked.deadline.at, now + schedule.budget)
    if end <= now:
        raise UpstreamTimeout(schedule.name, "not started: the deadline had passed")  # D4
    under_way = _Run(schedule, values, env, asked, now, end)
    try:
        await under_way.finish()
        return under_way.outcome()
    finally:
        under_way.tell()


class _Run:
    """One run: the state that its parts share."""

    __slots__ = (
        "_asked",
        "_broken",
        "_closed",
        "_deadline",
        "_end",
        "_env",
        "_error",
        "_errors",
        "_left",
        "_loop",
        "_now",
        "_records",
        "_schedule",
        "_slots",
        "_started",
        "_starts",
        "_tasks",
        "_timers",
        "_verdicts",
        "_waiting",
        "_woken",
    )

    def __init__(
        self,
        schedule: Schedule[Any],
        values: Mapping[str, object],
        env: Env,
        asked: RequestContext,
        now: float,
        end: float,
    ) -> None:
        count = len(schedule.steps)
        self._schedule = schedule
        self._env = env
        self._now = env.clock.now
        self._asked = asked
        self._started = now
        self._end = end
        self._deadline = DueTime(_inner(now, end))
        self._slots: list[object] = [*schedule.sources, *[values[name] for name in schedule.values]]
        self._slots += [ABSENT] * count
        self._waiting = list(schedule.waiting)
        self._left = count
        self._tasks: list[asyncio.Task[None] | None] = [None] * count
        self._records = [Record() for _ in range(count)]
        self._starts = [now] * count
        self._verdicts = [_OUT] * count
        self._broken: dict[int, str] = {}  # parts without a value of their own -> the part that is to blame
        self._errors: dict[int, UpstreamError] = {}  # of optional parts
        self._error: BaseException | None = None
        self._closed = False  # nothing settles and nothing starts any more
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self._timers: list[Timer] = []

    async def finish(self) -> None:
        """Run until every part has settled, or until something ends the run early; leave no task behind."""
        self._timers.append(self._env.clock.call_at(self._end, self._cut))
        why: tuple[object, ...] = ()
        try:
            for step in self._schedule.roots:
                self._start(step)
            await self._woken
        except asyncio.CancelledError as gone:
            why = gone.args  # a cancellation by a guard of the deadline stays one, whatever it reaches
            raise
        finally:
            self._closed = True
            for timer in self._timers:
                timer.cancel()
            running = [task for task in self._tasks if task is not None and not task.done()]
            if running:
                await _ended(running, *why)

    def outcome(self) -> Outcome[Any]:
        """Return what there is, or raise what stands for it."""
        if self._error is not None:
            raise self._error
        names = self._schedule.names
        if len(self._broken) == len(names):
            raise judge.most_telling([self._errors[index] for index in sorted(self._errors)])
        made = zip(names, self._slots[-len(names) :], strict=True)
        values = {name: value for name, value in made if value is not ABSENT}
        verdicts = dict(zip(names, self._verdicts, strict=True))
        return Outcome(
            self._schedule.shape, values, verdicts, self._now() - self._started, self._env.clock.wall()
        )

    def tell(self) -> None:
        """Report each verdict."""
        observe, aggregate = self._env.observe, self._schedule.name
        for step, verdict in zip(self._schedule.steps, self._verdicts, strict=True):
            if verdict is not _OUT:
                seconds = None if verdict.ms is None else verdict.ms / 1000.0
                observe(PartEnded(aggregate, step.name, verdict.status, verdict.reason, seconds))
        # Their tracebacks lead back to this run: kept, they would make a cycle for the collector.
        self._error, self._errors = None, {}

    def _start(self, step: PartStep) -> None:
        """Give a part a task of its own."""
        self._enlist(step, self._loop.create_task(self._parts(step), name=step.task))

    def _enlist(self, step: PartStep, task: "asyncio.Task[None]") -> None:
        """Note which task runs a part, and cut it off in time if it has a limit of its own."""
        self._tasks[step.index] = task
        if step.limit is not None:
            moment = self._now() + step.limit
            if moment < self._end:
                self._timers.append(self._env.clock.call_at(moment, lambda: self._late(step)))

    async def _parts(self, first: PartStep) -> None:
        """Run a part, and whatever it leaves for its own task to go on with."""
        step: PartStep | None = first
        try:
            # Closed: a required part was refused in this very tick.
            while step is not None and not self._closed:
                index, record = step.index, self._records[step.index]
                self._starts[index] = started = self._now()
                context.enter(self._context(step, record, started))
                try:
                    value = await step.call(*step.arguments(self._slots))
                    if step.kinds and not isinstance(value, step.kinds):
                        _refuse(self._schedule.name, step, value)
                except UpstreamError as error:
                    self._failed(step, error)
                    return
                except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
                    self._broke(step, error)
                    return
                if self._over(index):
                    return
                self._slots[step.slot] = value
                task = self._tasks[index]
                step = self._settle(step, judge.answered(record, self._now() - started))
                if step is not None and task is not None:
                    self._enlist(step, task)
        except BaseException as error:  # noqa: BLE001 - of the run's own, so that nobody else would end it
            self._end_with(error)

    def _context(self, step: PartStep, record: Record, started: float) -> RequestContext:
        """Return the request's context as one part sees it: its own record, its own share of the time."""
        asked, deadline, route_deadline = self._asked, self._deadline, self._asked.route_deadline
        if route_deadline is not None:
            route_deadline = route_deadline.narrowed(self._started + self._schedule.budget)
        if step.limit is not None:
            deadline = deadline.narrowed(_inner(started, started + step.limit))
        # By position, for every part: with names it takes a third longer.
        return RequestContext(
            asked.request_id,
            deadline,
            asked.identity,
            asked.forward,
            record,
            asked.attempt,
            route_deadline,
            asked.parent,
            asked.caller,
            asked.priority,
        )

    def _over(self, index: int) -> bool:
        """Tell whether what becomes of a part has been settled without it."""
        return self._closed or self._verdicts[index] is not _OUT

    def _failed(self, step: PartStep, error: UpstreamError) -> None:
        """Settle a part without a value; the end of everything if the part is required."""
        index = step.index
        if self._over(index):
            return
        record, seconds = self._records[index], self._now() - self._starts[index]
        verdict = judge.stood_in(record, seconds, error, fallback=step.fallback is not ABSENT)
        if step.required:
            self._verdicts[index] = verdict
            self._end_with(error)
        else:
            self._errors[index] = error
            self._stand_in(step, verdict, step.name)

    def _broke(self, step: PartStep, error: BaseException) -> None:
        """Take a failure that is nobody's answer: our own bug, or a cancellation that we did not ask for.

        A group of errors of calls is none: the part made them side by side.
        """
        first = first_of(error, UpstreamError) if isinstance(error, ExceptionGroup) else None
        if isinstance(first, UpstreamError):
            self._failed(step, first)
        elif not (self._over(step.index) and isinstance(error, asyncio.CancelledError)):
            self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._closed = True
        self._wake()

    def _cut(self) -> None:
        """End the time of every part that is still out, and of those that take the fallback of one that was."""
        while self._left and not self._closed:
            for step in self._schedule.steps:
                self._late(step)

    def _late(self, step: PartStep) -> None:
        """Settle a part that did not keep its deadline, and stop it."""
        task = self._tasks[step.index]
        if task is None or self._verdicts[step.index] is not _OUT:
            return
        task.cancel(LATE)
        operation = f"{self._schedule.name}.{step.name}"
        try:
            self._failed(step, UpstreamTimeout(operation, "no value by the part's deadline"))
        except Exception as error:  # noqa: BLE001 - a timer has nobody to raise it to
            self._end_with(error)

    def _stand_in(self, step: PartStep, verdict: PartVerdict, blame: str) -> None:
        if step.fallback is not ABSENT:
            self._slots[step.slot] = copy.deepcopy(step.fallback)  # no answer can change the next one's
        self._broken[step.index] = blame
        following = self._settle(step, verdict)
        if following is not None:  # it takes the fallback; the task of the part that failed is at its end
            self._start(following)

    def _settle(self, step: PartStep, verdict: PartVerdict) -> PartStep | None:
        """Note the verdict; start, or skip, what waited for nothing else. Return a part for the same task to run."""
        self._verdicts[step.index] = verdict
        self._left -= 1
        following: PartStep | None = None
        for index in step.feeds:
            self._waiting[index] -= 1
            if not self._waiting[index] and self._ready(fed := self._schedule.steps[index]):
                if following is None:
                    following = fed
                else:
                    self._start(fed)
        if not self._left:
            self._wake()
        return following

    def _ready(self, step: PartStep) -> bool:
        """Tell whether a part whose arguments have all settled can run; skip it if one of them has no value."""
        for need in step.needs:
            blame = self._broken.get(need)
            if blame is None:
                continue
            if need not in step.tolerant:
                self._stand_in(step, PartVerdict("missing", f"depends_on_{blame}"), blame)
                return False
            self._records[step.index].standing_in = True
        return True

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


def _refuse(aggregate: str, step: PartStep, value: object) -> NoReturn:
    raise TypeError(f"{step.place}: {aggregate}.{step.name} {broken_promise(value, step.kinds)}")


def _inner(start: float, end: float) -> float:
    """Return the deadline that a part sees when it is cut off at `end`."""
    return end - min(_GRACE, (end - start) * _GRACE_SHARE)


async def _ended(tasks: Sequence[asyncio.Task[None]], why: object = None) -> None:
    """Cancel tasks and wait until they have ended, also if the waiting is itself cancelled meanwhile."""
    interruption: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            if not task.cancelling():  # twice would disturb how it cleans up
                task.cancel(why)
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption
