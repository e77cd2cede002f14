"""Serve an aggregate: run it, render it once, keep what is complete, and say how it came about.

    request ─▶ values ─▶ [ cached ▸ coalesced ] ─▶ assemble: plan.run ─▶ Rendered ─▶ delivered answer

An aggregate is an upstream of its own: the transport runs the plan, and the ordinary policies keep and join what it
brings. What is kept is rendered JSON; only the summary is written anew for each answer, so that a hit costs no
validation and no rendering of the parts.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, Generic, TypeAlias, TypeVar

import orjson
from pydantic_core import PydanticSerializationError

from stagedoor import context
from stagedoor.aggregate.outcome import Outcome
from stagedoor.aggregate.part import ABSENT
from stagedoor.aggregate.plan import Plan
from stagedoor.aggregate.verdict import Verdict, parts_header, recalled, server_timing
from stagedoor.call import Call, Env, Policy
from stagedoor.context import Record
from stagedoor.errors import UpstreamError, UpstreamGarbled
from stagedoor.events import AggregateEnded
from stagedoor.problems import Problem, problem_of
from stagedoor.requests import Headers
from stagedoor.upstream import Upstream
from stagedoor.value import value
from stagedoor.web.answer import Answer
from stagedoor.web.freshness import NO_STORE, cache_control, cache_status
from stagedoor.web.parameters import Parameter
from stagedoor.web.rendering import Renderer
from stagedoor.web.request import Request
from stagedoor.web.routes import Documentation, Refused, Route

__all__ = [
    "Assembly",
    "Delivery",
    "Finish",
    "Rendered",
    "RenderedCodec",
    "Values",
    "aggregate_route",
    "fields_of",
    "whole_body",
]

M = TypeVar("M")
Values: TypeAlias = Mapping[str, str]


@value()
class Rendered:
    """A complete or partial answer, ready but for its summary: `fields` is the JSON object without its last brace."""

    fields: bytes
    summary: Any  # what the plan's summary returned
    verdicts: Mapping[str, Verdict]
    complete: bool
    tags: tuple[str, ...] = ()
    outcome: Outcome[Any] | None = field(
        default=None, compare=False, repr=False
    )  # None for one that was kept


@value()
class Delivery:
    """What is only known when an answer leaves; `seconds` is how long this very answer took."""

    verdicts: Mapping[str, Verdict]
    cached: bool
    seconds: float


Finish: TypeAlias = Callable[[Any, Delivery], object]

_LOGGER = logging.getLogger("stagedoor.web")
_KEPT = frozenset({"hit", "stale"})
_JSON = (b"content-type", b"application/json")


def _as_it_is(summary: object, _: Delivery) -> object:
    return summary


class RenderedCodec:
    """For `Rendered`: one line of JSON with everything but the fields, then the fields as they are."""

    schema = "rendered2"

    def encode(self, value: Rendered, /) -> bytes:
        """Return the bytes."""
        verdicts = {name: [one.status, one.reason, one.ms, one.age] for name, one in value.verdicts.items()}
        head = [value.summary, verdicts, value.complete, value.tags]
        return orjson.dumps(head) + b"\n" + value.fields

    def decode(self, body: bytes, /) -> Rendered:
        """Return the value."""
        head, _, fields = body.partition(b"\n")
        summary, verdicts, complete, tags = orjson.loads(head)
        told = {name: Verdict(*one) for name, one in verdicts.items()}
        return Rendered(fields, summary, told, complete, tuple(tags))


class Assembly(Generic[M]):
    """The transport that runs a plan; its payload are the request's values."""

    def __init__(self, plan: Plan[M], env: Env, lifetime: float) -> None:
        self._plan = plan
        self._renderer = renderer_of(plan)
        self._env = env
        self._lifetime = lifetime

    async def send(self, call: Call[Values], /) -> Rendered:
        """Run the plan and render what it brought."""
        outcome = await self._plan.run(call.payload, self._env)
        self._env.observe(AggregateEnded(self._plan.name, outcome.seconds, outcome.complete))
        return rendered(self._plan, self._renderer, call.payload, outcome, self._lifetime)

    def key_of(self, payload: Values, /) -> bytes:
        """Return how many values there are, then names and values, each with its length before it."""
        parts = [part.encode() for pair in sorted(payload.items()) for part in pair]
        return b"".join([b"%d;" % len(payload), *[b"%d:%b" % (len(part), part) for part in parts]])

    def idempotent(self, _: Values, /) -> bool:
        """Return True: an aggregate only asks."""
        return True

    async def aclose(self) -> None:
        """Hold nothing."""

    def __repr__(self) -> str:
        return f"<Assembly {self._plan.name}>"


def renderer_of(plan: Plan[M]) -> Renderer[M]:
    """Return what writes a plan's answers; raises `ConfigError` if its model has no JSON form."""
    summary = plan.summary
    said = None if summary is None else plan.design.signatures[summary].returns
    return Renderer(plan.model, summary=summary, summarised=said)


def rendered(
    plan: Plan[M],
    renderer: Renderer[M],
    values: Mapping[str, Any],
    outcome: Outcome[M],
    lifetime: float,
    *,
    tags: tuple[str, ...] = (),
    keep: bool = False,
) -> Rendered:
    """Render an outcome: its fields as JSON, its summary as a value that the delivery completes.

    `keep` lets the answer carry the outcome, for whoever wants the values and not the bytes.
    """
    try:
        fields = renderer.render(_brought(outcome))
    except PydanticSerializationError:
        outcome = _mended(plan, renderer, outcome)
        fields = renderer.render(_brought(outcome))
    complete, summary = outcome.complete, None
    if outcome.shape.summary is not None:
        report = outcome.report(lifetime=lifetime if complete else 0.0, elapsed=outcome.seconds)
        summary = renderer.summary(plan.summarise(values, outcome, report))
    return Rendered(fields, summary, outcome.verdicts, complete, tags, outcome if keep else None)


def _brought(outcome: Outcome[M]) -> dict[str, object]:
    brought = outcome.values
    return {name: brought[name] for name in outcome.shape.fields}


def _mended(plan: Plan[M], renderer: Renderer[M], outcome: Outcome[M]) -> Outcome[M]:
    """Let fallbacks stand in for what has no JSON form; raises `UpstreamGarbled` for a part that has none."""
    values, verdicts = dict(outcome.values), dict(outcome.verdicts)
    for name, why in renderer.culprits(_brought(outcome), outcome.shape.fields).items():
        part = plan.design.by_name[name]
        _LOGGER.warning("%s.%s: its value has no JSON form: %s", plan.name, name, why)
        if part.required or part.fallback is ABSENT:
            raise UpstreamGarbled(f"{plan.name}.{name}", "its value has no JSON form")
        values[name] = copy.deepcopy(part.fallback)
        verdicts[name] = Verdict("fallback", "garbled", verdicts[name].ms)
    return replace(outcome, values=values, verdicts=verdicts)


def deliver(
    plan: Plan[M],
    value: Rendered,
    record: Record,
    seconds: float,
    finish: Finish,
    *,
    scope: bytes = b"private",
) -> Answer:
    """Return the answer: body, verdicts, and what caches may do with it (`scope` is b"public" or b"private")."""
    verdicts = verdicts_of(value, record)
    body = whole_body(plan, value, finish, Delivery(verdicts, record.lookup in _KEPT, seconds))
    return Answer(200, (_JSON, *fields_of(verdicts, value.complete, record, seconds, scope=scope)), body)


def fields_of(
    verdicts: Mapping[str, Verdict], complete: bool, record: Record, seconds: float, *, scope: bytes
) -> Headers:
    """Return the fields that say how an answer came about, and what caches may do with it."""
    timing = [server_timing(verdicts), f"total;dur={seconds * 1000:.1f}"]
    fresh = complete and record.lookup != "stale" and record.ttl is not None
    return (
        (b"stagedoor-parts", parts_header(verdicts).encode()),
        (b"server-timing", ", ".join(filter(None, timing)).encode()),
        cache_status(record),
        cache_control(scope, record.ttl or 0.0) if fresh else NO_STORE,
    )


def whole_body(plan: Plan[M], value: Rendered, finish: Finish, delivery: Delivery) -> bytes:
    """Return the JSON object of an answer that leaves now, its summary included."""
    summary = plan.summary
    if summary is None:
        return value.fields + b"}"
    said = finish(value.summary, delivery)
    comma = b"" if value.fields == b"{" else b","
    return value.fields + b'%b"%b":%b}' % (comma, summary.encode(), orjson.dumps(said))


def verdicts_of(value: Rendered, record: Record) -> Mapping[str, Verdict]:
    """Return the verdicts as they are for this answer: those of a kept one are all `cached`, or all `stale`."""
    if record.lookup == "hit":
        return recalled(value.verdicts)
    if record.lookup == "stale":
        return dict.fromkeys(value.verdicts, Verdict("stale", age=record.stale))
    return value.verdicts


def aggregate_route(
    path: str,
    plan: Plan[M],
    *policies: Policy[Values, Rendered],
    env: Env,
    parameters: tuple[Parameter, ...],
    documentation: Documentation,
    lifetime: float = 0.0,
    public: bool = False,
    finish: Finish = _as_it_is,
    problem: Callable[[Exception], Problem] = problem_of,
) -> tuple[Route, Upstream[Values, Rendered]]:
    """Return the route of an aggregate, and the upstream behind it (for purges, counts and closing).

    `policies` are those of the whole answer, outermost first: usually `Cached` and `Coalesced`. `finish` completes
    the summary for each delivery; `problem` may answer some errors otherwise than the table does. A route that is not
    public keys everything by the caller's credentials.
    """
    assembly = Assembly(plan, env, lifetime)
    upstream: Upstream[Values, Rendered] = Upstream(plan.name, assembly, *policies, env=env, observed=False)
    now = env.clock.now

    async def handle(request: Request) -> Answer:
        started = now()
        values = {one.name: one.parse(request.params[one.name]) for one in parameters}
        try:
            value = await upstream.call("answer", values)
        except UpstreamError as error:
            raise Refused(problem(error)) from error
        return deliver(plan, value, context.current().record, now() - started, finish)

    route = Route(
        path=path,
        handle=handle,
        parameters=parameters,
        public=public,
        documentation=documentation,
        kind="aggregate",
        cached=lifetime or None,
    )
    return route, upstream
