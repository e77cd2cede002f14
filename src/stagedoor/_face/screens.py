"""A screen at work: its plan, its cache, its route.

request ─▶ inputs ─▶ [ cached ▸ single flight ] ─▶ plan ─▶ rendered answer ─▶ delivered
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from stagedoor import _context as context
from stagedoor._aggregate.checks import NamedUpstream
from stagedoor._aggregate.part import ABSENT, Part, Summary, signature_of
from stagedoor._aggregate.plan import Plan, make_plan
from stagedoor._aggregate.traced import traced
from stagedoor._aggregate.verdict import PartVerdict, recorded
from stagedoor._cache.store import Store
from stagedoor._call import Call, Env
from stagedoor._context import Record
from stagedoor._events import AggregateEnded
from stagedoor._face.aggregates import Aggregate, Delivery, Result, Verdict
from stagedoor._face.caller import NO_INPUTS, Caller, entered, uncovered, unlike
from stagedoor._face.declared import DeclaredPart
from stagedoor._face.docstrings import words_of
from stagedoor._face.exact import exact
from stagedoor._face.fields_told import SCREEN_FIELDS
from stagedoor._face.functions import Calling, Made, MadeCodec, asked, through
from stagedoor._face.guarding import Guarding, claimed_values, identified, rules_of, validate_guarded, who_of
from stagedoor._face.inputs import Reader, nearest
from stagedoor._face.layouts import Layout
from stagedoor._face.problems import Problem, Refusals, carried
from stagedoor._face.readable import ReadableKey
from stagedoor._face.remote import Promised, cached, promising
from stagedoor._face.uses import used_by
from stagedoor._requests import Headers
from stagedoor._upstream import Upstream
from stagedoor._value import value
from stagedoor._web.aggregated import (
    Finish,
    Rendered,
    delivered,
    fields_of,
    rendered,
    renderer_of,
    verdicts_of,
    whole_body,
)
from stagedoor._web.answer import WebAnswer
from stagedoor._web.cached import KeptCodec
from stagedoor._web.request import Request
from stagedoor._web.routes import Documentation, RequestRefused, Route
from stagedoor.errors import ConfigError, UpstreamError
from stagedoor.policies._single_flight import SingleFlight

__all__ = ["Screen", "reserve"]

M = TypeVar("M", bound=BaseModel)
_RESERVE, _RESERVE_SHARE = 0.015, 0.05
_REFRESH = 1.0  # seconds a renewal has at least: nobody waits for it


def reserve(deadline: float) -> float:
    """Return the seconds of a deadline that rendering and the way back take; the parts have the rest."""
    return min(_RESERVE, deadline * _RESERVE_SHARE)


@value()
class Question:
    """What a screen is asked: its inputs, and who asks as far as that matters."""

    values: Mapping[str, Any]
    key: bytes
    name: str = ""  # the readable key, where one is declared


class Screen(Generic[M]):
    """One screen of a running gateway."""

    def __init__(
        self,
        layout: Layout[M],
        uses: Mapping[str, Sequence[NamedUpstream]],
        *,
        deadline: float,
        refusals: Refusals,
        store: Store,
        env: Env,
        guarding: Guarding | None = None,
    ) -> None:
        declared = layout.declared
        self.layout = layout
        self._guarding, self._claimed = guarding, tuple(layout.claimed.values())
        self.rules = rules_of(layout.where, layout.vary, layout.guard, self._claimed)
        self._store = store
        self._env = env
        self._refusals = refusals
        self._deadline = deadline
        self._now = env.clock.now
        self._kept_parts: list[Upstream[Any, Any]] = []
        left = reserve(deadline) if declared.reserve is None else declared.reserve
        self.plan = self._plan(layout, uses, deadline - left)
        try:
            self._renderer = renderer_of(self.plan)
        except ConfigError as error:
            raise ConfigError(f"{declared.place}: {self.rules.where}: {error}") from error
        self._read = Reader(layout.inputs).read
        self._finish = _finish_of(declared.completed)
        where = layout.where.encode()  # two screens may have one model, and so one name
        self._head = b"%d:%b%d;" % (len(where), where, len(layout.inputs))
        self._who = who_of(layout.vary, layout.guard, self._claimed)
        self._varies = bool(layout.vary.wanted) or layout.guard is not None
        key = None if declared.cache is None else declared.cache.key
        self._named = None if key is None else ReadableKey(key, layout.inputs).of
        self._lifetime = 0.0 if declared.cache is None else declared.cache.max_age
        self._tagged = None if declared.cache is None or not declared.cache.tags else declared.cache.tagged
        private = layout.vary.secret or (declared.cache is not None and declared.cache.private)
        self._scope = b"private" if private else b"public"
        self._vary: Headers = tuple(
            (b"vary", name.encode()) for name in [", ".join(layout.vary.names)] if name
        )
        self.upstream: Upstream[Question, Rendered] = Upstream(
            self.plan.name, self, *self._policies(declared, self._needed(uses)), env=env, observed=False
        )
        self._ask = self.upstream.layers[0]
        self._operation = f"{self.plan.name}.answer"

    def _policies(self, declared: Aggregate[M], needed: Sequence[Promised]) -> list[Any]:
        cache = declared.cache
        joined = SingleFlight(gate=promising(self.plan.name, needed), store=self._store)
        if cache is None:
            return [joined]
        options: dict[str, Any] = {"stale_before_partial": declared.stale_before_partial}
        options["refresh_deadline"] = max(_REFRESH, self._deadline)
        if cache.key is not None:
            options["key"] = lambda call: call.payload.name
        return [cached(cache, self._store, KeptCodec(Rendered), **options), joined]

    def _needed(self, uses: Mapping[str, Sequence[Any]]) -> list[Promised]:
        """Return what is asked first, and without which there is no answer."""
        kept = {part.name for part in self.layout.declared.parts if part.cache is not None}
        first = [one.name for one in self.plan.schedule.roots if one.required and one.name not in kept]
        return [behind for name in first for behind in uses.get(name, ())]

    def _plan(self, layout: Layout[M], uses: Mapping[str, Sequence[NamedUpstream]], budget: float) -> Plan[M]:
        declared = layout.declared
        summary = declared.summarised
        weights = {one.name: max(1, len(uses.get(one.name, ()))) for one in declared.parts}
        plan = make_plan(
            name=declared.name,
            model=declared.model,
            budget=budget,
            parts=[self._part(layout, part, budget, weights) for part in declared.parts],
            summary=None if summary is None else Summary(summary.__name__, summary),
            sources={},
            values=layout.values,
            fields=layout.fields,
            uses=uses,
        )
        return plan if self._env.tracer is None else traced(plan, self._env.tracer)

    def _part(self, layout: Layout[M], part: DeclaredPart, budget: float, weights: Mapping[str, int]) -> Part:
        if part.limit is not None and part.limit > budget:
            raise ConfigError(
                f"{part.place}: {layout.declared.name}.{part.name}: limit={part.limit:g} is above the {budget:g} s "
                "that the deadline leaves for parts"
            )
        call = part.function if part.cache is None else self._kept(layout, part)
        required = part.name in layout.required
        return Part(
            name=part.name,
            call=call,  # type: ignore[arg-type]
            required=required,
            fallback=ABSENT if required else layout.fallback(part.name),
            limit=layout.patience(part, weights, budget),
            tolerant=layout.tolerant(part),
        )

    def _kept(self, layout: Layout[M], part: DeclaredPart) -> Any:  # noqa: ANN401 - a function
        """Return a part that is kept by itself: by its arguments, and by who asks as far as the screen varies."""
        cache, function = part.cache, part.function
        if cache is None:
            raise ConfigError(f"{part.place}: no cache is declared")
        name = f"{layout.declared.name}_{part.name}"
        known = inspect.signature(function)
        codec = MadeCodec(signature_of(function).returns, part.place)
        calling = Calling(name, self._env, safe=True, foreign=False)
        behind = cached(cache, self._store, codec, refresh_deadline=max(_REFRESH, self._deadline))
        outer = behind, SingleFlight(sharing=Made.share, store=self._store)
        upstream: Upstream[Any, Any] = Upstream(name, calling, *outer, env=self._env, observed=False)
        self._kept_parts.append(upstream)
        # What else it is told of the caller is an argument, unless a screen within is told.
        claimed = self._claimed if used_by(function, Aggregate) else ()
        who = who_of(layout.vary, layout.guard, claimed)

        @wraps(function)
        async def kept(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function takes them
            asked_now = context.current()
            caller = asked_now.caller
            if asked_now.record.standing_in or not isinstance(caller, Caller):
                return await function(*given, **named)
            tags = cache.tagged(caller.inputs, name) if cache.tags else ()
            for one in tags:
                caller.tag(one)
            # A purge by the tags of its own use must reach it: arguments need not tell these apart (G4).
            said = exact((self.rules.where, who(caller), tags))
            return await through(upstream, f"{name}.value", asked(function, known, given, named, said, tags))

        return kept

    # What follows is the transport of the screen's own upstream: its payload is a question.

    async def send(self, call: Call[Question], /) -> Rendered:
        """Run the plan and render what it brought."""
        asked_now, values = context.current(), call.payload.values
        caller = asked_now.caller
        if not isinstance(caller, Caller):
            raise TypeError("a screen is asked by a caller")
        # Of a request to this screen the caller has no inputs yet.
        if caller.rules is self.rules and caller.inputs is NO_INPUTS:
            caller.inputs, fresh, token = values, caller, None
        else:
            fresh = caller.within(self.rules, values)
            token = entered(asked_now, fresh)
        try:
            outcome = await self.plan.run(values, self._env)
        except (Problem, ExceptionGroup) as raised:
            raise carried(self.plan.name, raised) from raised
        finally:
            if token is not None:
                context.leave(token)
        self._env.observe(AggregateEnded(self.plan.name, outcome.seconds, outcome.complete))
        tags = tuple(fresh.tags)
        if self._tagged is not None:
            tags += self._tagged(values, self.rules.where)
        return rendered(self.plan, self._renderer, values, outcome, self._lifetime, tags=tags, keep=True)

    def key_of(self, payload: Question, /) -> bytes:
        """Return the question's key."""
        return payload.key

    def idempotent(self, _: Question, /) -> bool:
        """Return True: a screen only asks."""
        return True

    async def aclose(self) -> None:
        """End what kept parts do behind."""
        for upstream in self._kept_parts:
            await upstream.aclose()

    def counts(self) -> Mapping[str, int]:
        """Return what kept parts hold."""
        total: dict[str, int] = {}
        for upstream in self._kept_parts:
            for name, number in upstream.counts().items():
                total[name] = total.get(name, 0) + number
        return total

    def __repr__(self) -> str:
        return f"<Screen {self.rules.where}>"

    def _question(self, caller: Caller, values: Mapping[str, Any]) -> Question:
        identity = self._who(caller) if self._varies else b""
        if self._named is not None:
            name = self._named(values, identity)
            return Question(values, name.encode("utf-8", "surrogatepass"), name)
        parts = [self._head, identity, *[one.key(values[one.argument]) for one in self.layout.inputs]]
        return Question(values, b"".join(parts))

    def _call(self, asked: context.RequestContext, question: Question) -> Call[Question]:
        """Return the call of a question; by position, for every request: names take a third longer."""
        return Call(
            self._operation,
            question,
            question.key,
            asked.identity,
            asked.deadline,
            True,
            asked.attempt,
            self.key_of,
            question,
        )

    async def handle(self, request: Request) -> WebAnswer:
        """Answer one request."""
        started = self._now()
        asked = context.current()
        caller = asked.caller
        if not isinstance(caller, Caller):
            raise TypeError("a screen is asked by a caller")
        try:
            values = self._read(request)
            if self._claimed:
                values |= claimed_values(self._claimed, caller)
            done = await self._ask(self._call(asked, self._question(caller, values)))
        except (UpstreamError, Problem) as error:
            raise RequestRefused(self._refusals(error)) from error
        record = asked.record
        took = self._now() - started
        return delivered(self.plan, done, record, took, self._finish, scope=self._scope, more=self._vary)

    async def result(self, caller: Caller, inputs: Mapping[str, object]) -> Result[M]:
        """Make the screen without the web."""
        missing = uncovered(caller.rules, self.layout.vary)
        if missing:
            raise ConfigError(f"{caller.rules.where}: {unlike(self.plan.name, missing)}")
        validate_guarded(caller.rules, self.layout.guard, self._claimed, self.plan.name)
        values, started = self._checked(inputs), self._now()
        outer, caller = caller, await identified(caller, self._guarding)
        values |= claimed_values(self._claimed, caller)
        asked_now = context.current()
        record = Record()
        deadline = asked_now.deadline.narrowed(self._now() + self._deadline)
        token = context.enter(replace(asked_now, record=record, deadline=deadline, caller=caller))
        try:
            done = await self._ask(self._call(context.current(), self._question(caller, values)))
        except UpstreamError as error:
            problem = getattr(error, "problem", None)
            raise (error if problem is None else problem) from error
        finally:
            context.leave(token)
        for one in done.tags:  # what is made of it is as old as it is
            outer.tag(one)
        told, took = verdicts_of(done, record), self._now() - started
        asked_now.record.take_in(recorded(told))
        parts = {name: Verdict(one) for name, one in told.items()}
        model = self._model(done, told, record.lookup != "miss", took)
        fields = fields_of(told, done.complete, record, took, scope=self._scope)
        headers = {name.decode(): said.decode() for name, said in (*fields, *self._vary)}
        return Result(model, parts, done.complete and record.lookup != "stale", headers)

    def _model(self, done: Rendered, told: Mapping[str, PartVerdict], cached: bool, took: float) -> M:
        """Return the model of an answer; one that comes from a cache is read from its JSON."""
        outcome = done.outcome
        if outcome is not None:
            made: M = copy.deepcopy(outcome.model(done.summary))
            return made
        try:
            body = whole_body(self.plan, done, self._finish, told, cached, took)
            return self.layout.declared.model.model_validate_json(body, by_alias=True, by_name=True)
        except ValidationError as error:
            raise ConfigError(
                f"{self.rules.where}: {self.layout.declared.model.__name__} cannot be read from the JSON it is "
                "written as, so that a kept answer cannot be a value: let its aliases agree"
            ) from error

    def _checked(self, inputs: Mapping[str, object]) -> dict[str, Any]:
        """Return the values of all inputs; raises `TypeError` for one that is missing, unknown or of another type."""
        known = {one.argument: one for one in self.layout.inputs}
        unknown = sorted(set(inputs) - set(known))
        if unknown:
            raise TypeError(f"{self.rules.where} has no input {unknown[0]!r}{nearest(unknown[0], known)}")
        values: dict[str, Any] = {}
        for name, one in known.items():
            if name not in inputs and one.required:
                raise TypeError(f"{self.rules.where} needs the input {name!r}")
            try:
                values[name] = one.adapter.validate_python(inputs.get(name, one.default))
            except ValidationError as error:
                raise TypeError(f"{self.rules.where}: input {name!r}: {error.errors()[0]['msg']}") from None
        return values

    def route(self) -> Route:
        """Return the route."""
        declared = self.layout.declared
        summary, description = words_of(declared.model)
        cache = declared.cache
        return Route(
            path=self.layout.template,
            handle=self.handle,
            parameters=self.layout.inputs,
            public=True,
            kind="aggregate",
            priority=declared.priority,
            cached=None if cache is None else cache.max_age,
            deadline=self._deadline,
            varies=self.layout.vary.names,
            compress=declared.compress,
            repeats=self.layout.vary.repeats if self.layout.guard is None else None,
            documentation=Documentation(
                summary=summary,
                description=description,
                tags=declared.tags,
                model=declared.model,
                problems=(404, 422, 429, 500, 502, 503, 504),
                headers=SCREEN_FIELDS,
                deprecated=declared.deprecated,
            ),
        )


def _finish_of(completed: Callable[[Any, Delivery], object] | None) -> Finish:
    """Return what completes the summary of an answer that leaves."""
    if completed is None:
        return lambda summary, *_: summary
    complete = completed
    return lambda summary, verdicts, cached, seconds: complete(summary, Delivery(verdicts, cached, seconds))
