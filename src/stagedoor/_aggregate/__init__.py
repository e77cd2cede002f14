"""Typed answers made of parts: declared, planned at start-up, run in parallel, judged part by part."""

from stagedoor._aggregate.batch import BatchPlan, batched
from stagedoor._aggregate.outcome import Outcome
from stagedoor._aggregate.part import ABSENT, PlanError, PlanFinding
from stagedoor._aggregate.plan import Plan
from stagedoor._aggregate.verdict import (
    PartVerdict,
    Report,
    Status,
    parts_header,
    server_timing,
    verdict_json,
)

__all__ = [
    "ABSENT",
    "BatchPlan",
    "Outcome",
    "PartVerdict",
    "Plan",
    "PlanError",
    "PlanFinding",
    "Report",
    "Status",
    "batched",
    "parts_header",
    "server_timing",
    "verdict_json",
]
