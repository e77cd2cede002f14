"""What is compared: the gateway of the platform, and two written by hand for this one answer."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.process import ROOT, Command

__all__ = ["OURS", "PEERS", "TARGETS", "Make", "Upstreams", "of_tree"]

# Every target keeps a deadline, but one that a busy machine does not reach: a round in which calls were given up would
# compare other work.
DEADLINE_MS: Final = 2_000
ATTEMPT_MS: Final = 900  # orders, then products, inside the deadline
FOLDER: Final = Path(__file__).resolve().parent
OURS: Final = "cinema"
PEERS: Final = ("fastify", "fastapi")


Make = Callable[[int, "Upstreams", tuple[int, ...], Path], Command]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where the three services listen."""

    users: str
    orders: str
    products: str

    def named(self, prefix: str = "") -> dict[str, str]:
        """Return them as environment variables."""
        return {
            f"{prefix}USERS_URL": self.users,
            f"{prefix}ORDERS_URL": self.orders,
            f"{prefix}PRODUCTS_URL": self.products,
        }


def by_hand(upstreams: Upstreams) -> dict[str, str]:
    """Return the settings of the peers."""
    return {"DEADLINE_MS": str(DEADLINE_MS), **upstreams.named()}


def cinema(
    port: int,
    upstreams: Upstreams,
    cores: tuple[int, ...],
    scratch: Path,
    *,
    name: str = OURS,
    tree: Path = ROOT,
) -> Command:
    """Run the gateway as an operator does: every policy, verdict, metric and log line; only the throttle is off."""
    return Command(
        name=name,
        argv=(sys.executable, "-m", "cinema", "gateway"),
        cores=cores,
        environment={
            "PYTHONPATH": str(tree / "src"),
            "GATEWAY_PORT": str(port),
            "GATEWAY_RATE_LIMIT": "0",
            "GATEWAY_DEADLINE_MS": str(DEADLINE_MS),
            "GATEWAY_ATTEMPT_TIMEOUT_MS": str(ATTEMPT_MS),
            "GATEWAY_CONNECT_TIMEOUT_MS": str(ATTEMPT_MS),
            **upstreams.named("GATEWAY_"),
        },
        folder=scratch,  # no .env of the checkout, and ./data is thrown away
    )


def fastify(port: int, upstreams: Upstreams, cores: tuple[int, ...], _: Path) -> Command:
    """Run Fastify + undici."""
    environment = {"NODE_ENV": "production", "PORT": str(port), **by_hand(upstreams)}
    argv = ("node", str(FOLDER / "fastify_undici.mjs"))
    return Command(name="fastify", argv=argv, cores=cores, environment=environment)


def fastapi(port: int, upstreams: Upstreams, cores: tuple[int, ...], _: Path) -> Command:
    """Run FastAPI + aiohttp."""
    server = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    argv = (
        sys.executable,
        "-m",
        "uvicorn",
        "bench.profile.fastapi_aiohttp:app",
        "--port",
        str(port),
        *server,
    )
    return Command(name="fastapi", argv=argv, cores=cores, environment=by_hand(upstreams))


def of_tree(tree: Path) -> Make:
    """Return the gateway as another checkout of this project has it: what a change costs shows in one run."""
    return partial(cinema, name=str(tree), tree=tree.resolve())


TARGETS: Final[dict[str, Make]] = {
    OURS: cinema,
    "fastify": fastify,
    "fastapi": fastapi,
}
