"""One JSON object a line on a stream, from events, requests and the standard library's loggers.

A record takes only the fields it knows: no headers, bodies or queries, so there is little to leak (T15). A line is
one encode and one append to a bounded queue; a thread writes what has gathered every 20 ms. A stuck reader of the
stream stops that thread and never the loop: what finds the queue full is dropped and counted.

A storm must not drown the log. Trouble with a service repeats with each call, so each kind of such a line (event,
service, reason, and why it is unavailable) is written once a minute; other lines, changes of state among them, 10 times
at once and once a second after that. The next line of the kind tells how many were `suppressed`. Requests are never
held back: one line each, at INFO, or at WARNING if the answer was a 5xx, which then names its `cause`, unless a sample
was asked for.
"""

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, Literal, TypeAlias

from stagedoor import _context as context
from stagedoor._clock import Clock, SystemClock
from stagedoor._events import (
    AttemptEnded,
    BreakerMoved,
    BudgetExhausted,
    CallShed,
    Event,
    Observer,
    RefreshFailed,
    RetryScheduled,
    StoreFailed,
    StoreRestored,
    upstream_of,
)
from stagedoor._observers.capture import Capture
from stagedoor._observers.lines import Level, as_json, as_text, redacted
from stagedoor._observers.streams import LogStream, WholeLines, grouped

__all__ = ["Format", "Level", "LogStream", "Logs"]

Format: TypeAlias = Literal["json", "text"]
Told: TypeAlias = tuple[str, str, dict[str, object]]

_LEVELS: Final[dict[str, int]] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_TROUBLE: Final = frozenset(
    {BreakerMoved, BudgetExhausted, CallShed, RefreshFailed, RetryScheduled, StoreFailed, StoreRestored}
)
_REPEATED: Final = frozenset(
    {
        "call_shed",
        "refresh_failed",
        "retry_budget_exhausted",
        "retry_scheduled",
        "store_failed",
        "upstream_failed",
    }
)
_BURST: Final = 10.0
_EACH_MINUTE: Final = 1 / 60
_MOST_KINDS: Final = 1_000
_GATHER: Final = 0.02
_TOOK: Final = 0.000125  # seconds, of a line whose form is looked at
_SLOW: Final = 0.2  # seconds: what takes longer is logged whatever the sample (contract 17 promises less)
_LONGEST: Final = 500  # characters of what went wrong with a call


class _LineQuota:
    """The right of one kind of line to be written: a burst, then so many a second."""

    __slots__ = ("at", "burst", "held", "left", "rate")

    def __init__(self, now: float, burst: float, rate: float) -> None:
        self.left = self.burst = burst
        self.rate = rate
        self.at = now
        self.held = 0

    def admit(self, now: float) -> int | None:
        """Return how many were held back since the last line, or None to hold this one back too."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1.0:
            self.held += 1
            return None
        self.left -= 1.0
        held, self.held = self.held, 0
        return held


class Logs:
    """Write events and requests as lines.

    `level` is the least that is written. `service` names the process on each line that names no upstream, "" for one
    that needs no name; `labels` are what metrics and health call an upstream, by its name; with `spans` each line names
    its span as well. `capacity` bounds the queue in lines; `dropped` counts what found it full, or the stream gone.
    `sample` is the share of ordinary requests that get a line, drawn by `rng`; those that ended in an error, 400 or
    above, or took 0.2 s or longer get theirs in any case. Close it at the end: that flushes.
    """

    def __init__(
        self,
        stream: LogStream,
        *,
        level: Level = "INFO",
        format: Format = "json",  # noqa: A002 - the name of the setting
        service: str = "",
        labels: Mapping[str, str] | None = None,
        spans: bool = False,
        clock: Clock | None = None,
        capacity: int = 20_000,
        sample: float = 1.0,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.dropped = 0
        self._spans = spans
        self._out = WholeLines(stream)
        self._service = service
        self._labels = dict(labels or {})
        self._least = _LEVELS[level]
        self._encode = as_json if format == "json" else as_text
        self._clock = clock or SystemClock()
        self._capacity = capacity
        self._sample = sample
        self._rng = rng
        self._allowances: dict[tuple[str, str, str], _LineQuota] = {}
        self._queue: deque[bytes] = deque()
        self._second = -1.0
        self._calendar = ""
        self._some = threading.Event()
        self._closed = threading.Event()
        self._captured: list[Capture] = []
        self._writer = threading.Thread(target=self._write, name="stagedoor-logs", daemon=True)
        self._writer.start()

    def observe(self, event: Event) -> None:
        """Log an event that tells of trouble; the others belong to the metrics."""
        told = _told(event)
        if told is not None:
            name, service, fields = told
            self.log("WARNING", name, service=self._labels.get(service, service), **fields)

    def listener(self, kind: type[Event], /) -> Observer | None:
        """Return what logs events of this kind; None for kinds that never tell of trouble."""
        if kind is AttemptEnded:
            return self._attempt_ended
        return self.observe if kind in _TROUBLE else None

    def _attempt_ended(self, event: Event) -> None:
        # Nearly all of the attempts succeed: one look at those.
        if isinstance(event, AttemptEnded) and event.error is not None:
            self.observe(event)

    def request_started(self) -> None:
        """Say nothing: a request is one line, at its end."""

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str = "",
        trace_id: str = "",
        cause: str = "",
        span_id: str = "",
    ) -> None:
        """Log one request."""
        level: Level = "INFO" if status < 500 else "WARNING"
        if self._least > _LEVELS[level]:
            return
        if self._sample < 1.0 and status < 400 and seconds < _SLOW and self._rng() >= self._sample:
            return
        record = self._record(level, method, endpoint, status, seconds, request_id, trace_id)
        if cause:
            record["cause"] = self._labelled(cause)
        if self._spans:
            record["span_id"] = span_id
        self._put(record)

    def _labelled(self, cause: str) -> str:
        name, colon, reason = cause.partition(": ")
        return f"{self._labels.get(name, name)}{colon}{reason}"

    def _record(
        self,
        level: Level,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str,
        trace_id: str,
    ) -> dict[str, object]:
        record: dict[str, object] = {
            "timestamp": self._timestamp(),
            "level": level,
            "event": "request",
            "request_id": request_id,
            "trace_id": trace_id,
            "method": method,
            "route": endpoint,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        return {**record, "service": self._service} if self._service else record

    def prepared(
        self, method: str, endpoint: str, status: int, cause: str = ""
    ) -> Callable[[float, str, str], None]:
        """Return what logs one request of this kind, in the same line as `request_ended` would."""
        template = self._template(method, endpoint, status, cause)
        if template is None:
            return partial(self.request_ended, method, endpoint, status, cause=cause)
        first, second, third, fourth, last = template

        def logged(seconds: float, request_id: str, trace_id: str) -> None:
            took = repr(round(seconds * 1000, 3))
            line = f"{first}{self._timestamp()}{second}{request_id}{third}{trace_id}{fourth}{took}{last}"
            self._append(line.encode())

        return logged

    def _template(self, method: str, endpoint: str, status: int, cause: str) -> list[str] | None:
        """Return what of a line of JSON stands between what differs; None where lines are of another kind, or drawn."""
        level: Level = "INFO" if status < 500 else "WARNING"
        drawn = self._sample < 1.0 and status < 400
        if drawn or self._spans or self._least > _LEVELS[level] or self._encode is not as_json:
            return None
        record = self._record(level, method, endpoint, status, _TOOK, "?", "?")
        if cause:
            record["cause"] = self._labelled(cause)
        line = as_json({**record, "timestamp": "?"}).decode()
        for name in ("timestamp", "request_id", "trace_id"):  # no text holds a bare quote, no line a NUL
            line = line.replace(f'"{name}":"?"', f'"{name}":"\0"')
        return line.replace(f'"duration_ms":{_TOOK * 1000!r}', '"duration_ms":\0').split("\0")

    def log(self, level: Level, event: str, *, service: str = "", **fields: object) -> None:
        """Log one line of trouble within the allowance of its kind; the ids come from the current context."""
        if _LEVELS[level] < self._least:
            return
        held = self._admit((event, service, _kind(fields)))
        if held is None:
            return
        request_id, trace_id, span_id = _ids()
        record: dict[str, object] = {"timestamp": self._timestamp(), "level": level, "event": event}
        record |= {"request_id": request_id, "trace_id": trace_id, "service": service or self._service}
        if self._spans:
            record["span_id"] = span_id
        for name, value in fields.items():
            record[name] = redacted(value) if isinstance(value, str) else value
        if held:
            record["suppressed"] = held
        self._put(record)

    def capture(self, *names: str, level: Level = "INFO") -> None:
        """Lead loggers of the standard library here until closed: the named ones, or the root without names."""
        least = max(_LEVELS[level], self._least)
        self._captured += [Capture(name, self.log, least) for name in names or ("",)]

    async def aclose(self) -> None:
        """Write what is left and stop, without holding the loop up."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Write what is left and stop, waiting at most 2 s for a stream that does not take it."""
        for captured in self._captured:
            captured.end()
        self._captured.clear()
        self._closed.set()
        self._some.set()
        self._writer.join(timeout=2.0)

    def _admit(self, kind: tuple[str, str, str]) -> int | None:
        now = self._clock.now()
        allowance = self._allowances.get(kind)
        if allowance is None:
            if len(self._allowances) >= _MOST_KINDS:
                self._allowances.clear()
            most, rate = (1.0, _EACH_MINUTE) if kind[0] in _REPEATED else (_BURST, 1.0)
            allowance = self._allowances[kind] = _LineQuota(now, most, rate)
        return allowance.admit(now)

    def _timestamp(self) -> str:
        """Return the wall clock as RFC 3339; the calendar is asked once a second."""
        second, fraction = divmod(self._clock.wall(), 1.0)
        if second != self._second:
            self._second = second
            self._calendar = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._calendar}.{int(fraction * 1e6):06d}+00:00"

    def _put(self, record: dict[str, object]) -> None:
        self._append(self._encode(record))

    def _append(self, line: bytes) -> None:
        if len(self._queue) >= self._capacity or self._closed.is_set():
            self.dropped += 1
            return
        self._queue.append(line)
        # The queue's length cannot tell whether the writer must be woken: it may be emptying it at this moment.
        if not self._some.is_set():
            self._some.set()

    def _write(self) -> None:
        """Empty the queue on the writer's own thread until closed; lines gather for a moment between writes."""
        while not self._closed.is_set():
            self._some.wait()
            self._closed.wait(_GATHER)
            self._some.clear()
            self._write_batch()
        self._write_batch()

    def _write_batch(self) -> None:
        queue = self._queue
        for lines in grouped([queue.popleft() for _ in range(len(queue))]):
            try:
                self._out.write(b"".join(lines))
            except Exception:  # noqa: BLE001 - a closed pipe, no memory: nobody is left to tell, and later lines may go out
                self.dropped += len(lines)


def _kind(fields: Mapping[str, object]) -> str:
    """Return which kind of its trouble this is: a service is unavailable for few reasons, and each is news."""
    reason = str(fields.get("reason", ""))
    return f"{reason}: {fields.get('detail', '')}" if reason == "unavailable" else reason


def _ids() -> tuple[str, str, str]:
    """Return the ids of request, trace and span of the current context; "" for what it does not know."""
    asked = context.current()
    found = next((value for name, value in asked.forward if name == b"traceparent"), b"")
    parent = found.decode("ascii", "replace")
    return asked.request_id, parent[3:35], parent[36:52]


def _told(event: Event) -> Told | None:
    """Return name, service and fields of an event that is worth a line."""
    match event:
        case AttemptEnded() | RetryScheduled() | RefreshFailed():
            return _of_error(event)
        case BreakerMoved(operation, before, after) if "closed" in (before, after):
            # Between the two it looks, again and again, whether the same outage is over.
            return "breaker_moved", upstream_of(operation), {"reason": after, "before": before}
        case CallShed(operation, reason):
            return "call_shed", upstream_of(operation), {"reason": reason, "operation": operation}
        case BudgetExhausted(operation):
            return "retry_budget_exhausted", upstream_of(operation), {"operation": operation}
        case StoreFailed() | StoreRestored():
            return _of_store(event)
    return None


def _of_error(event: AttemptEnded | RetryScheduled | RefreshFailed) -> Told | None:
    error = event.error
    if error is None or error.reason == "rejected":
        return None
    # What is kept may be of several services: the one to look at is the one that failed.
    asked = error.operation if isinstance(event, RefreshFailed) and error.operation else event.operation
    service, fields = upstream_of(asked), {"reason": error.reason, "operation": event.operation}
    match event:
        case AttemptEnded(_, attempt, seconds):
            took = {"attempt": attempt, "duration_ms": round(seconds * 1000, 3)}
            detail = {"detail": error.detail[:_LONGEST]} if error.detail else {}
            return "upstream_failed", service, {**fields, **detail, **took}
        case RetryScheduled(_, attempt, wait):
            more = {"attempt": attempt, "wait_ms": round(wait * 1000, 3)}
            return "retry_scheduled", service, {**fields, **more}
    return "refresh_failed", service, {**fields}


def _of_store(event: StoreFailed | StoreRestored) -> Told:
    if isinstance(event, StoreFailed):
        detail = {"detail": event.error} if event.error != event.reason else {}
        return "store_failed", event.store, {"reason": event.reason, **detail}
    return "store_restored", event.store, {}
