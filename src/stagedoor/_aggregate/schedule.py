"""A plan as its runner wants it: everything that can be looked up beforehand has been."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stagedoor._aggregate.part import PartFunction

__all__ = ["ModelShape", "PartStep", "Schedule"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStep:
    """One part, ready to run."""

    index: int
    name: str
    task: str  # the name of its task
    slot: int  # where its value goes
    call: PartFunction
    arguments: Callable[[Sequence[object]], Sequence[object]]  # picks them from the slots
    needs: tuple[int, ...]  # the parts among its arguments
    feeds: tuple[int, ...]  # the parts that wait for it
    required: bool
    fallback: object
    limit: float | None
    kinds: tuple[type, ...] = ()  # what its value is an instance of; none: not known
    tolerant: frozenset[int] = frozenset()  # the needs whose fallback it takes
    place: str = "-"  # file and line of its function


@dataclass(frozen=True, slots=True)
class ModelShape(Generic[M]):
    """The model that an outcome fills: its fields in order, and the one that a summary fills."""

    model: type[M]
    fields: tuple[str, ...]
    summary: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Generic[M]):
    """All parts and what they share. A slot holds a source, a request value or a part's value, in this order."""

    name: str
    budget: float
    shape: ModelShape[M]
    sources: tuple[object, ...]
    values: tuple[str, ...]
    names: tuple[str, ...]  # of the parts
    steps: tuple[PartStep, ...]
    roots: tuple[PartStep, ...]
    waiting: tuple[int, ...]  # how many parts each step waits for
    summarised: tuple[str, ...]  # what the summary takes
