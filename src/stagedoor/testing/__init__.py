"""Fakes that are part of the product: they pass the same contract suites as the real things."""

from stagedoor.testing.calls import call_of
from stagedoor.testing.client import Client
from stagedoor.testing.clock import ManualClock, settle
from stagedoor.testing.events import Events
from stagedoor.testing.faults import Faults
from stagedoor.testing.script import Script
from stagedoor.testing.stage import Asked, Reply, Stage, StageScript

__all__ = [
    "Asked",
    "Client",
    "Events",
    "Faults",
    "ManualClock",
    "Reply",
    "Script",
    "Stage",
    "StageScript",
    "call_of",
    "settle",
]
