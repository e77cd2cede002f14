"""One fault after the other under load, and what is said of it: `python -m tests.deep.thirty_faults --only redis`.

The platform in processes, over PostgreSQL, Valkey and S3, then over SQLite, a directory and an embedded index, and over
OpenSearch; 30 requests a second over profiles, films, memes with pictures and the film API, and some uploads. Each
fault stays a few seconds. Then log, metrics and health are asked, and must have named the same backend and the same
cause, within a second of the first failure, once; nothing may break, and all must be whole two seconds later. Where the
machine itself was late, it says so, and takes nothing that is late for a fault.

Names are resolved from a file of our own and disks are full for nobody else: with the rights for it, this runs in a
mount namespace of its own. Without them those faults are skipped.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.deep.faults.ground import GROUNDS, Ground, opened
from tests.deep.faults.listed import FAULTS, Fault
from tests.deep.faults.weather import Load

WHOLE = 2.0
SOON = 1.0
BUSY = 0.1
OF_TIME = {"timeout", "overloaded"}  # what is said where a machine has no time
KEPT = 1.0  # seconds: so long what was kept may be answered
# What tells of a request, or of a change of state that is no trouble by itself.
BESIDE = {
    "request",
    "store_restored",
    "breaker_moved",
    "retry_scheduled",
    "call_shed",
    "retry_budget_exhausted",
}
_APART = "GROUND_APART"


@dataclass
class Verdict:
    """What was said of one fault, and what was wrong with that."""

    fault: Fault
    log: str = "-"
    metric: str = "-"
    health: str = "-"
    wrong: list[str] = field(default_factory=list)
    busy: float = 0.0

    def __str__(self) -> str:
        said = "well" if not self.wrong else f"WRONG: {'; '.join(self.wrong)}"
        if self.busy > BUSY:
            said += f" (the machine was late by {self.busy:.2f} s)"
        return (
            f"{self.fault.name:<38} log: {self.log} | metrics: {self.metric} | health: {self.health} | {said}"
        )


def kind_of(line: dict[str, Any]) -> tuple[str, ...]:
    """Return which kind of trouble a line tells of."""
    return tuple(str(line.get(name, "")) for name in ("event", "service", "reason", "detail"))


def at(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def judge_log(verdict: Verdict, ground: Ground, load: Load, began: float) -> None:
    """Look whether the log names the cause, in time, once, and nobody else."""
    lines, broken = ground.said_since(began)
    verdict.wrong += [f"no line of a log: {one[:200]}" for one in broken[:3]]
    errors = [one for one in lines if one["level"] in ("ERROR", "CRITICAL")]
    verdict.wrong += [f"error: {json.dumps(one)[:300]}" for one in errors[:3]]
    trouble = [one for one in lines if one["event"] not in BESIDE and one["level"] != "INFO"]
    failed = load.first_failure(began)
    judge_cause(verdict, ground, trouble, began, began + KEPT if failed is None else failed)
    moves = [one for one in lines if one["event"] == "breaker_moved"]
    counted = (*trouble, *(moves if verdict.busy <= BUSY else ()))
    counts = Counter((one["_from"], *kind_of(one)) for one in counted)
    verdict.wrong += [f"{count} x {kind}" for kind, count in counts.items() if count > 1]
    judge_blame(verdict, lines, trouble)


def judge_cause(
    verdict: Verdict, ground: Ground, trouble: list[dict[str, Any]], began: float, since: float
) -> None:
    """Look whether the cause is told within a second of the first failure, or was within the minute before."""
    told = [one for one in trouble if verdict.fault.is_told_by(one)]
    if told:
        first = min(told, key=at)
        verdict.log = f"{' '.join(kind_of(first)[1:])} {at(first) - since:+.2f} s"
        if at(first) > since + SOON:
            verdict.wrong.append(f"told {at(first) - since:.1f} s after the first failure")
    elif again := ground.told_before(verdict.fault, began):
        verdict.log = f"{again} (within the minute before)"
    else:
        verdict.wrong.append(f"not told; but {sorted({kind_of(one) for one in trouble})}")


def judge_blame(verdict: Verdict, lines: list[dict[str, Any]], trouble: list[dict[str, Any]]) -> None:
    """Look whether anybody else is blamed; what is late on a busy machine is nobody's fault."""
    busy, concerned = verdict.busy > BUSY, verdict.fault.concerned
    blamed = {kind_of(one) for one in trouble if one["service"] not in concerned}
    verdict.wrong += [f"blames {one}" for one in blamed if not (busy and OF_TIME & {*one})]
    causes = {(one["cause"], one["_from"], one["route"]) for one in lines if one.get("cause")}
    wrong = [one for one in causes if one[0].partition(":")[0] not in concerned]
    verdict.wrong += [
        f"gives as cause {one}" for one in wrong if not (busy and one[0].endswith(tuple(OF_TIME)))
    ]


def judge_health(verdict: Verdict, health: dict[str, Any]) -> None:
    """Look whether health says it of the same backend, and why."""
    fault, components = verdict.fault, health.get("components", {})
    found = components.get(fault.component or fault.label, {})
    verdict.health = f"{found.get('status')}: {found.get('detail', '')}"
    if fault.health is not None:  # else reading goes on
        if found.get("status") not in ("unhealthy", "degraded"):
            verdict.wrong.append("health does not know")
        elif not re.search(fault.health, found.get("detail", "")):
            verdict.wrong.append(f"health does not say why ({fault.health})")
    ill = {name for name, one in components.items() if one["status"] != "healthy"}
    ill -= {"redis"} if verdict.busy > BUSY else set()
    if strangers := ill - fault.concerned - {fault.component}:
        verdict.wrong.append(f"health blames {strangers}")


def judge_metrics(verdict: Verdict, before: dict[str, float], after: dict[str, float]) -> None:
    """Look whether metrics count it for the same backend, by the same reason."""
    fault = verdict.fault
    risen = {
        name: after[name] - before.get(name, 0.0) for name in after if after[name] > before.get(name, 0.0)
    }
    errors = {
        name.partition('"')[2].partition('"')[0]: count
        for name, count in risen.items()
        if name.startswith("service_errors_total{")
    }
    reasons = {
        name.partition('reason="')[2].partition('"')[0]: int(count)
        for name, count in risen.items()
        if name.startswith("upstream_failures_total{") and f'service_name="{fault.label}"' in name
    }
    breaker = after.get(f'circuit_breaker_state{{service_name="{fault.label}"}}', -1.0)
    verdict.metric = f"{errors.get(fault.label, 0):g} errors {reasons}, breaker {breaker:g}"
    if fault.reasons and not {*reasons} & {*fault.reasons}:
        verdict.wrong.append(f"metrics name {reasons}, not {fault.reasons}")
    if verdict.busy <= BUSY and (strangers := {*errors} - fault.concerned):
        verdict.wrong.append(f"metrics blame {strangers}")


def judge_return(verdict: Verdict, partial: Sequence[str], health: dict[str, Any]) -> None:
    """Look whether everything is whole again."""
    verdict.wrong += [f"not whole after {WHOLE:g} s: {one}" for one in partial]
    components = health.get("components", {})
    ill = {name: one.get("detail") for name, one in components.items() if one["status"] != "healthy"}
    verdict.wrong += [f"health afterwards: {ill or 'none'}"] if ill or not health else []


async def tried(ground: Ground, load: Load, fault: Fault) -> Verdict:
    """Let one fault come and go, and judge what was said."""
    verdict = Verdict(fault)
    before = await ground.metrics()
    began = time.time()
    async with fault.happens(ground):
        await asyncio.sleep(fault.seconds - 0.6)
        health = await ground.health()
        after = await ground.metrics()
        await asyncio.sleep(0.6)
    ended = time.time()
    verdict.busy = load.was_late(began)
    judge_log(verdict, ground, load, began)
    judge_health(verdict, health)
    judge_metrics(verdict, before, after)
    await asyncio.sleep(max(0.0, ended + WHOLE + 0.7 - time.time()))
    verdict.busy = load.was_late(began)
    verdict.wrong += load.broken(began)
    if verdict.busy <= BUSY:  # else it says how the machine is
        judge_return(verdict, load.partial(ended + WHOLE), await ground.health())
    return verdict


async def tour(ground: Ground, faults: Sequence[Fault]) -> list[Verdict]:
    """Try all faults of a ground."""
    async with opened(ground):
        load = Load(ground.platform.port)
        await load.learn()
        running = asyncio.create_task(load.run())
        await asyncio.sleep(1.0)
        verdicts = []
        for fault in faults:
            if fault.needs_rights and not ground.apart:
                print(f"{fault.name:<38} skipped: needs the right to mount")
                continue
            verdicts.append(await tried(ground, load, fault))
            print(verdicts[-1], flush=True)
        load.stop()
        await running
    return verdicts


def apart() -> None:
    """Go on in a mount namespace of our own, if we may."""
    if os.geteuid() or os.environ.get(_APART):
        return
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0:
        os.environ[_APART] = "1"
        os.execvp(
            "unshare",
            ["unshare", "-m", "--", sys.executable, "-m", "tests.deep.thirty_faults", *sys.argv[1:]],
        )


def main() -> int:
    """Run, print, and return 1 if anything was said wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="faults whose names or grounds match this pattern")
    given = parser.parse_args()
    apart()
    verdicts: list[Verdict] = []
    for name, ground in GROUNDS.items():
        faults = [one for one in FAULTS[name] if re.search(given.only, f"{name}: {one.name}")]
        if faults:
            with ExitStack() as stack:
                verdicts += asyncio.run(tour(ground(stack, apart=bool(os.environ.get(_APART))), faults))
    wrong = [one for one in verdicts if one.wrong]
    print(f"{len(verdicts)} faults, {len(wrong)} of them said wrongly")
    return 1 if wrong or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
