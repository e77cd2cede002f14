"""Typed answers made of parts: declared, planned at start-up, run in parallel, judged part by part."""

from stagedoor.aggregate.batch import BatchPlan, batched
from stagedoor.aggregate.outcome import Outcome
from stagedoor.aggregate.part import ABSENT, Finding, PlanError
from stagedoor.aggregate.plan import Plan
from stagedoor.aggregate.verdict import PartVerdict, Report, Status, parts_header, server_timing, verdict_json

__all__ = [
    "ABSENT",
    "BatchPlan",
    "Finding",
    "Outcome",
    "PartVerdict",
    "Plan",
    "PlanError",
    "Report",
    "Status",
    "batched",
    "parts_header",
    "server_timing",
    "verdict_json",
]
