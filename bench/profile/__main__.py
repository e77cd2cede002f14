"""Compare cold profile answers: user and orders side by side, then one batch of products, for users never seen before.

python -m bench.profile [--rounds 3] [--seconds 8] [--only fastify fastapi] [--beside ../before]
"""

import argparse
import json
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import engine, node
from bench.compare import Plan, Result, Target, closed_table, compare, open_table
from bench.load import fresh_prefix, require
from bench.process import Command, cores, free_port, running
from bench.profile.targets import PEERS, TARGETS, Make, Upstreams, of_tree
from bench.table import machine

PATH = "/api/profile/"
CALLS = 3  # upstream calls an answer needs: nobody may save one, nobody may repeat one
TOOLS = (
    ("wrk", "wrk"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("taskset", "util-linux"),
    ("setpriv", "util-linux"),
)


def main(options: Sequence[str]) -> int:
    """Run the comparison and print it; the exit code tells whether all targets did the same work, without errors."""
    asked = arguments().parse_args(options)
    plan = Plan(rounds=asked.rounds, seconds=asked.seconds, connections=asked.connections, rate=asked.rate)
    require(*TOOLS)
    node.install()
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that `with` stops what was started
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    core, others = cores()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where = start_upstreams(stack, others)
        makers = [TARGETS[name] for name in asked.only] + [of_tree(tree) for tree in asked.beside]
        targets = [start(stack, make, where, core, scratch) for make in makers]
        refuse_unequal(targets, where)
        results = compare(targets, PATH, plan, lambda: sum(fetch(f"{where.users}/calls").values()), others)
    code = report(results, plan)
    engine.main()
    return code


def arguments() -> argparse.ArgumentParser:
    """Return what can be asked for; the defaults are those of the published figures."""
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description="Compare cold profile answers."
    )
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="of each round, for each target")
    parser.add_argument("--connections", type=int, default=plan.connections)
    parser.add_argument("--rate", type=float, default=plan.rate, help="requests per second of the open loop")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--beside", nargs="+", type=Path, default=[], help="other checkouts of this project")
    return parser


def start_upstreams(stack: ExitStack, others: tuple[int, ...]) -> Upstreams:
    """Start the one process that is all three services."""
    ports = [free_port() for _ in range(3)]
    argv = (sys.executable, "-m", "bench.profile.stub", *map(str, ports))
    process = stack.enter_context(running(Command(name="upstreams", argv=argv, cores=others)))
    users, orders, products = (f"http://127.0.0.1:{port}" for port in ports)
    process.wait_until_answers(f"{products}/calls")
    return Upstreams(users, orders, products)


def start(stack: ExitStack, make: Make, where: Upstreams, core: tuple[int, ...], scratch: Path) -> Target:
    """Start one target and wait for its first answer."""
    port = free_port()
    command = make(port, where, core, scratch)
    target = Target(command.name, process := stack.enter_context(running(command)), port)
    process.wait_until_answers(f"{target.origin}{fresh_prefix(PATH)}0")
    return target


def refuse_unequal(targets: Sequence[Target], where: Upstreams) -> None:
    """Leave with a message if a target answers other values than the upstreams hold (G11)."""
    for target in targets:
        path = f"{fresh_prefix(PATH)}0"
        answer = fetch(f"{target.origin}{path}")
        expected = joined(where, path.removeprefix(PATH))
        wrong = [part for part, value in expected.items() if answer.get(part) != value]
        if wrong:
            raise SystemExit(
                f"{target.name} answers another {', '.join(wrong)} than the upstreams hold: {answer}"
            )


def joined(where: Upstreams, user_id: str) -> dict[str, object]:
    """Put the answer together by hand."""
    user = fetch(f"{where.users}/users/{user_id}")
    orders = fetch(f"{where.orders}/orders/user/{user_id}")
    ids = [item["product_id"] for order in orders for item in order["items"]]
    products = fetch(f"{where.products}/products/batch", {"product_ids": ids})
    return {"user": user, "orders": orders, "products": {product["id"]: product for product in products}}


def fetch(url: str, body: object = None) -> Any:  # noqa: ANN401 - JSON, as it comes
    """Get a URL, or post JSON to it, and decode the answer."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=5) as answer:
        return json.load(answer)


def report(results: Sequence[Result], plan: Plan) -> int:
    """Print the tables and what does not compare; return 1 if there is such a thing."""
    print(
        f"cold profiles, {plan.connections} connections, {plan.rounds} rounds of {plan.seconds:g} s, target on one core"
    )
    print(f"{machine()}, node {node.version()}\n")
    print(closed_table(results, PEERS))
    print(f"\nopen loop, {plan.rate:g} requests/s\n")
    print(open_table(results))
    faults = [fault for result in results for fault in unfit(result, plan)]
    print("\n".join(["", *faults]) if faults else "")
    return 1 if faults else 0


def unfit(result: Result, plan: Plan) -> list[str]:
    """Say why a result must not be compared: errors, or other upstream calls than its answers need."""
    faults = []
    if errors := sum(run.load.errors for run in result.runs):
        faults.append(f"{result.name}: {errors} errors under load")
    answers = sum(run.load.requests for run in result.runs)
    made = sum(run.calls for run in result.runs)
    cut_off = plan.connections * len(
        result.runs
    )  # requests under way when a round ended: paid for, not answered
    if not CALLS * answers <= made <= CALLS * (answers + cut_off):
        faults.append(f"{result.name}: {made} upstream calls for {answers} answers of {CALLS} each")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
