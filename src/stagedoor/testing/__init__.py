"""Fakes that are part of the product: they pass the same contract suites as the real things."""

from stagedoor.testing.calls import call_of
from stagedoor.testing.client import Client
from stagedoor.testing.clock import ManualClock, settle
from stagedoor.testing.events import Events
from stagedoor.testing.faults import Faults
from stagedoor.testing.scripted import ScriptedTransport
from stagedoor.testing.stage import Asked, Reply, Script, Stage

__all__ = [
    "Asked",
    "Client",
    "Events",
    "Faults",
    "ManualClock",
    "Reply",
    "Script",
    "ScriptedTransport",
    "Stage",
    "call_of",
    "settle",
]
