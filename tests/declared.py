"""Declare a plan of the engine: a model, a budget, and a plain function for each of its parts.

    profile = Aggregate(Profile, budget=0.165)

    @profile.part(required=True)
    async def user(user_id: str, users: Users) -> User:
        return await users.get(user_id)

The arguments a function names are the parts, request values and sources it waits for.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from stagedoor._aggregate.part import ABSENT, Part, PartFunction, Summary
from stagedoor._aggregate.plan import Plan, make_plan
from stagedoor.errors import ConfigError

__all__ = ["Aggregate"]

M = TypeVar("M")
Declared = TypeVar("Declared", bound=PartFunction)
Summarised = TypeVar("Summarised", bound=Callable[..., object])


class Aggregate(Generic[M]):
    """The declaration of one typed answer: a model whose fields are filled by parts.

    `budget` is what all parts have together, in seconds: the request's deadline less what rendering takes.
    `name` is what metrics, logs and headers call it; the model's name in lower case unless given.
    """

    def __init__(self, model: type[M], *, budget: float, name: str | None = None) -> None:
        self.model = model
        self.budget = budget
        self.name = model.__name__.lower() if name is None else name
        self._parts: list[Part] = []
        self._summary: Summary | None = None
        if not budget > 0:
            raise ConfigError(f"{self.name}: the budget must be above 0 seconds, not {budget}")

    def part(
        self, *, required: bool = False, fallback: object = ABSENT, limit: float | None = None
    ) -> Callable[[Declared], Declared]:
        """Declare the decorated `async def` as the part of its name, and return it unchanged.

        A `required` part that fails ends the aggregate with its error. Any other stands aside for its `fallback`;
        only a part that fills no field may be without either. `limit` is a deadline of its own, in seconds from its
        start.
        """

        def declare(call: Declared) -> Declared:
            name = call.__name__
            if not inspect.iscoroutinefunction(call):
                raise ConfigError(f"{self.name}.{name}: a part is an async def")
            if limit is not None and not 0 < limit <= self.budget:
                raise ConfigError(
                    f"{self.name}.{name}: limit {limit} is outside the budget of {self.budget} s"
                )
            self._parts.append(Part(name=name, call=call, required=required, fallback=fallback, limit=limit))
            return call

        return declare

    def summary(self, call: Summarised) -> Summarised:
        """Declare the decorated plain function as the one that fills its field when the answer leaves.

        Its arguments are parts, request values and `report`, a `Report`; it is called for answers from the cache
        as well.
        """
        name = call.__name__
        if self._summary is not None:
            raise ConfigError(f"{self.name}.{name}: {self._summary.name} is the summary already")
        if inspect.iscoroutinefunction(call):
            raise ConfigError(f"{self.name}.{name}: a summary is a plain def: it waits for nothing")
        self._summary = Summary(name, call)
        return call

    def plan(self, *, sources: Mapping[str, object], values: Mapping[str, Any]) -> Plan[M]:
        """Check everything and return the plan that serves requests; raises `PlanError` with every finding.

        `sources` are the objects that parts name as arguments, `values` the types of what each request brings.
        """
        return make_plan(
            name=self.name,
            model=self.model,
            budget=self.budget,
            parts=self._parts,
            summary=self._summary,
            sources=sources,
            values=values,
        )
