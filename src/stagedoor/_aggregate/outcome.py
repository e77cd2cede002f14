"""What a run brought: values, verdicts, and the model they fill."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, Generic, TypeVar

from stagedoor._aggregate.part import ABSENT
from stagedoor._aggregate.schedule import ModelShape
from stagedoor._aggregate.verdict import PartVerdict, Report, recalled, whole
from stagedoor._value import value

__all__ = ["Outcome"]

M = TypeVar("M")


@value()
class Outcome(Generic[M]):
    """What an aggregate brought: values and verdicts by part, in the order of declaration (P5).

    `seconds` is how long it took, `wall` when it was done (since 1970, for display).
    """

    shape: ModelShape[M] = field(repr=False)
    values: Mapping[str, Any]
    verdicts: Mapping[str, PartVerdict]
    seconds: float
    wall: float

    @property
    def complete(self) -> bool:
        """Tell whether every part is fresh or cached: only then may the answer be stored."""
        return whole(self.verdicts)

    def recalled(self) -> "Outcome[M]":
        """Return this outcome as a later request sees it that finds it in the cache."""
        return replace(self, verdicts=recalled(self.verdicts))

    def report(self, *, lifetime: float = 0.0, cached: bool = False, elapsed: float = 0.0) -> Report:
        """Return what a summary may ask; the arguments are what only the answer's route knows."""
        return Report(
            verdicts=self.verdicts,
            wall=self.wall,
            seconds=self.seconds,
            lifetime=lifetime,
            cached=cached,
            elapsed=elapsed,
        )

    def model(self, summary: object = ABSENT) -> M:
        """Build the model from values that have their types already, without validating them again."""
        values = {name: self.values[name] for name in self.shape.fields if name in self.values}
        if self.shape.summary is not None:
            values[self.shape.summary] = summary
        construct: Callable[..., M] = getattr(self.shape.model, "model_construct", self.shape.model)
        return construct(**values)
