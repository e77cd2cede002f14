"""What is compared: the gateway of the platform, and two written by hand for this one answer."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.process import ROOT, Command

__all__ = ["OURS", "PEERS", "TARGETS", "Upstreams"]

FOLDER = Path(__file__).resolve().parent
OURS: Final = "cinema"
PEERS: Final = ("fastify", "fastapi")


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


def cinema(port: int, upstreams: Upstreams, cores: tuple[int, ...], scratch: Path) -> Command:
    """Run the gateway as an operator does: every policy, verdict, metric and log line; only the throttle is off."""
    return Command(
        name=OURS,
        argv=(sys.executable, "-m", "cinema", "gateway"),
        cores=cores,
        environment={
            "PYTHONPATH": str(ROOT / "src"),
            "GATEWAY_PORT": str(port),
            "GATEWAY_RATE_LIMIT": "0",
            **upstreams.named("GATEWAY_"),
        },
        folder=scratch,  # no .env of the checkout, and ./data is thrown away
    )


def fastify(port: int, upstreams: Upstreams, cores: tuple[int, ...], _: Path) -> Command:
    """Run Fastify + undici."""
    environment = {"NODE_ENV": "production", "PORT": str(port), **upstreams.named()}
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
    return Command(name="fastapi", argv=argv, cores=cores, environment=upstreams.named())


TARGETS: Final[dict[str, Callable[[int, Upstreams, tuple[int, ...], Path], Command]]] = {
    OURS: cinema,
    "fastify": fastify,
    "fastapi": fastapi,
}
