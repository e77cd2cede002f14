"""Measure the catalogue: uncached requests through the gateway over many films, the worst of them, memory, building.

python -m bench.catalogue [--films 200000] [--rate 100] [--seconds 30] [--engine tantivy|opensearch|both] [--anew]
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from bench.catalogue import report
from bench.catalogue.first import first_start
from bench.catalogue.grounds import Grounds, grounds_for
from bench.catalogue.known import Known, read
from bench.catalogue.node import fits, node
from bench.catalogue.run import Plan, measure
from bench.load import require
from bench.table import machine

TOOLS = (("taskset", "util-linux"), ("setpriv", "util-linux"))
SHOWN = 10  # faults
ENGINES = ("tantivy", "opensearch")


def main(options: Sequence[str]) -> int:
    """Build what is missing, measure, print; the exit code tells whether every answer was right and none was cached."""
    asked = arguments().parse_args(options)
    require(*TOOLS)
    for number in (signal.SIGINT, signal.SIGTERM):  # an exception, so that `with` stops what was started
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    plan = Plan(rate=asked.rate, seconds=asked.seconds, tries=asked.tries)
    grounds = grounds_for(asked.films)
    grounds.sow()
    known = read(grounds.database)
    print(
        f"catalogue: {known.films:,} films, {len(known.genres)} genres, {known.persons:,} persons; "
        f"{plan.rate:g} requests/s for {plan.seconds:g} s\n{machine()}\n",
        flush=True,
    )
    engines = ENGINES if asked.engine == "both" else (asked.engine,)
    faults = [fault for engine in engines for fault in one(engine, grounds, known, plan, anew=asked.anew)]
    print(report.building(grounds.took(), known.films))
    if asked.first:
        print(report.first(first_start(plan.cores)))
    print("\n".join([*faults[:SHOWN], *([f"... {len(faults)} in all"] if len(faults) > SHOWN else [])]))
    return 1 if faults else 0


def one(engine: str, grounds: Grounds, known: Known, plan: Plan, *, anew: bool) -> list[str]:
    """Measure one engine and print it; return what was wrong."""
    with ExitStack() as stack:
        server = stack.enter_context(node(grounds)) if engine == "opensearch" else None
        if server:
            grounds.index(server.url, anew=anew or not fits(server.url))
        else:
            grounds.index(anew=anew)
        measured = measure(grounds, known, plan, server)
    print(report.tables(engine, measured, plan), flush=True)
    return [f"{engine}: {fault}" for fault in measured.faults]


def arguments() -> argparse.ArgumentParser:
    """Return what can be asked for; the defaults are those of the published figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalogue", description="Measure the catalogue.")
    parser.add_argument("--films", type=int, default=200_000)
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second of the open loop")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the open loop")
    parser.add_argument("--tries", type=int, default=7, help="of each hard question")
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="tantivy")
    parser.add_argument("--anew", action="store_true", help="build the index again, to time it")
    parser.add_argument(
        "--no-first", dest="first", action="store_false", help="leave out the first start with the real films"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
