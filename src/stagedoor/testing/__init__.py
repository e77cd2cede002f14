"""Fakes that are part of the product: they pass the same contract suites as the real things."""

from stagedoor.testing.clock import ManualClock, settle

__all__ = ["ManualClock", "settle"]
