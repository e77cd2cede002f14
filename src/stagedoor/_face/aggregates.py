"""A screen as it is declared: a model, and an `async def` for each of its parts."""

import re
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Generic, Literal, ParamSpec, TypeVar, overload

from pydantic import BaseModel, RootModel

from stagedoor._aggregate import verdict as judged
from stagedoor._context import Priority
from stagedoor._face.cache import Cache
from stagedoor._face.caller import caller_here
from stagedoor._face.declared import (
    DeclaredPart,
    Limit,
    uses_of,
    validate_async,
    validate_plain,
    validate_seconds,
    validate_takes,
    validate_unnamed,
)
from stagedoor._face.fields import Cookie
from stagedoor._face.guards import Guard
from stagedoor._face.places import Place, here, place_of_code
from stagedoor._face.service import Service
from stagedoor._face.uses import SOURCE
from stagedoor.errors import ConfigError

__all__ = ["Aggregate", "Delivery", "OrFallback", "Result", "Verdict"]

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
M_co = TypeVar("M_co", bound=BaseModel, covariant=True)


class FallbackMarker:
    """Marks an argument that takes a part's fallback."""

    def __repr__(self) -> str:
        return "OrFallback"


FALLBACK = FallbackMarker()
_APART = re.compile(r"\W+")  # what a generic model's name has beside letters: Page[Film]
OrFallback = Annotated[T, FALLBACK]
"""An argument that takes the other part's fallback, instead of the asking part being skipped."""


class Verdict:
    """How a part fared: `fresh`, `cached`, `stale`, `fallback` (asked, failed) or `missing` (not asked), and why.

    `reason` is "" for a part that has its value, else a word such as `timeout` or `depends_on_<part>`; `age` is how
    many seconds past its lifetime a stale value is; `ms` is how long the part took, None if it made no call.
    """

    __slots__ = ("age", "ms", "reason", "state")

    def __init__(self, told: judged.PartVerdict) -> None:
        self.state: Literal["fresh", "cached", "stale", "fallback", "missing"] = told.status
        self.reason: str = told.reason or ""
        self.age: float = told.age or 0.0
        self.ms: float | None = told.ms

    def __repr__(self) -> str:
        return f"<Verdict {self.state}{f', {self.reason}' if self.reason else ''}>"


class Delivery:
    """What is only known when an answer leaves.

    `cached` tells whether it was kept, `seconds` how long this very answer took, `parts` how each part fared.
    """

    __slots__ = ("_verdicts", "cached", "seconds")

    def __init__(self, verdicts: Mapping[str, judged.PartVerdict], cached: bool, seconds: float) -> None:
        self._verdicts = verdicts
        self.cached = cached
        self.seconds = seconds

    @property
    def parts(self) -> Mapping[str, Verdict]:
        """How each part came about, by its name."""
        return {name: Verdict(told) for name, told in self._verdicts.items()}

    def parts_json(self) -> dict[str, judged.VerdictJson]:
        """Write the verdicts as JSON has them: `status` and `ms` always, `reason` and `age` where there is one."""
        told = judged.verdict_json
        return {name: told(verdict) for name, verdict in self._verdicts.items()}


class Result(Generic[M_co]):
    """A screen without the web: its value, and how each part fared."""

    __slots__ = ("_complete", "_headers", "_parts", "_value")

    def __init__(
        self,
        value: M_co,
        parts: Mapping[str, Verdict],
        complete: bool,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._value = value
        self._parts = parts
        self._complete = complete
        self._headers = headers or {}

    @property
    def value(self) -> M_co:
        """The screen itself, as a client would get it; defaults stand in for what failed."""
        return self._value

    @property
    def parts(self) -> Mapping[str, Verdict]:
        """How each part came about, by its name."""
        return self._parts

    @property
    def complete(self) -> bool:
        """Whether nothing is lacking or old: every part is fresh or cached."""
        return self._complete

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields of an answer that is made of it: `Answer(value, headers=result.headers)`.

        They say how the parts fared, whether it was kept (`Cache-Status`), and how long it may be kept from here on
        (`Cache-Control`).
        """
        return self._headers


class Aggregate(Generic[M]):
    """A screen: one typed answer made of parts. `Gateway.aggregate` makes it."""

    def __init__(
        self,
        path: str,
        model: type[M],
        *,
        vary: AbstractSet[str | Cookie],
        cache: Cache | None,
        deadline: Limit,
        stale_before_partial: bool,
        deprecated: bool,
        reserve: Limit = None,
        tags: tuple[str, ...] = (),
        guard: Guard | None = None,
        priority: Priority = "detail",
        place: Place,
    ) -> None:
        given: object = model
        if not isinstance(given, type) or not issubclass(given, BaseModel) or issubclass(given, RootModel):
            raise ConfigError(f"{place}: a screen is a pydantic model with fields, not {model!r}")
        self.path = path
        self.model = model
        self.vary = vary
        self.cache = cache
        self.deadline = deadline
        self.stale_before_partial = stale_before_partial
        self.deprecated = deprecated
        self.priority: Priority = priority
        self.compress: bool | None = None
        self.reserve = reserve
        self.tags = tags
        self.guard = guard
        self.place = place
        self.parts: list[DeclaredPart] = []
        self.summarised: Callable[..., object] | None = None
        self.completed: Callable[[Any, Delivery], object] | None = None

    @property
    def name(self) -> str:
        """Return what metrics and logs call it."""
        return _APART.sub("_", self.model.__name__).strip("_").lower()

    @overload
    def part(self, function: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def part(
        self,
        /,
        *,
        limit: float | None = None,
        cache: Cache | None = None,
        uses: AbstractSet[Service | Callable[..., Awaitable[object]]] | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]: ...
    def part(
        self,
        function: Callable[P, Awaitable[T]] | None = None,
        /,
        *,
        limit: float | None = None,
        cache: Cache | None = None,
        uses: AbstractSet[Service | Callable[..., Awaitable[object]]] | None = None,
    ) -> Callable[P, Awaitable[T]] | Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare the decorated `async def` as the part that fills the field of its name, and return it unchanged.

        Arguments named like parts are those parts; the others come from path, query or, with `Header` and `Cookie`,
        from fields. A field with a default is optional and the default stands in; one without is required. `limit` is
        a deadline of its own, in seconds from its start; `cache` keeps its value; `uses` names services and sources
        that the function's code does not show. Raises `ConfigError` for what is no `async def`.
        """
        place = here()
        validate_seconds(limit, "limit", place)
        validate_unnamed(cache, place)
        known = uses_of(uses, place, lambda one: getattr(one, SOURCE, None))

        def declare(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            validate_async(call, "part", place)
            self.parts.append(
                DeclaredPart(function=call, limit=limit, cache=cache, uses=known, place=place_of_code(call))
            )
            return call

        return declare if function is None else declare(function)

    def summary(self, function: Callable[P, T], /) -> Callable[P, T]:
        """Declare the decorated plain function as the one that fills its field when the answer is made.

        Its arguments are parts, inputs and `report`, a `stagedoor.Report`. Raises `ConfigError` for a second one, and
        for an `async def`.
        """
        if self.summarised is not None:
            raise ConfigError(f"{here()}: {self.summarised.__name__} is the summary already")
        validate_plain(function, "summary", here())
        self.summarised = function
        return function

    def delivered(self, function: Callable[[Any, "Delivery"], T], /) -> Callable[[Any, "Delivery"], T]:
        """Declare the decorated plain function as the one that completes the summary of each answer that leaves.

        It takes the summary as JSON, as it was when the answer was made, and the delivery; what it returns is sent.
        Raises `ConfigError` for a second one, for an `async def`, and for one that takes something else.
        """
        if self.completed is not None:
            raise ConfigError(
                f"{here()}: the summary is completed already, at {place_of_code(self.completed)}"
            )
        validate_plain(function, "delivered", here())
        validate_takes(function, "delivered", ("the summary", "the delivery"), here())
        self.completed = function
        return function

    async def run(self, **inputs: object) -> Result[M]:
        """Make the screen without the web: policies, cache and identity are as on its route.

        Inputs are given as the parts take them. Raises what a part raises, `UpstreamError` if nothing can be had,
        `TypeError` for an input that is missing or none, `RuntimeError` outside a request.
        """
        caller = caller_here()
        result: Result[M] = await caller.running.screen(self).result(caller, inputs)
        return result

    def __repr__(self) -> str:
        return f"<Aggregate {self.path} {self.model.__name__}>"
