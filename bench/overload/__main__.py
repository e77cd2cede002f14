"""What a gateway answers when more is asked than can be answered (PROMISES A11, O1 to O8).

Three grounds: services that are saturated (each has so many places, and is offered five times what they carry), one
service at a tenth of its speed beside a healthy one, and a gateway whose processor is saturated. All loads are open
loops; health is asked beside them. Judge ratios within one run: generator and services share the machine.

    python -m bench.overload [--grounds saturated slow processor] [--places 20] [--ms 50] [--seconds 6]
"""

import argparse
import json
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.overload.shots import Kind, fire
from bench.pace import quantile
from bench.process import ROOT, Command, Process, cores, free_port, running

LIVE, PROFILE = "/health/live", "/api/profile/"
LOG_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Ground:
    """A gateway and what stands behind it."""

    gateway: Process
    port: int
    services: tuple[int, ...]

    def refusals(self) -> list[float]:
        """Return the milliseconds of all answers with 503 so far, by the log of the gateway."""
        return [one["duration_ms"] for one in self._lines() if one.get("status") == 503]

    def _lines(self) -> Iterator[dict[str, float]]:
        for line in self.gateway.log(LOG_BYTES).splitlines():
            if line.startswith("{") and '"request"' in line:
                yield json.loads(line)

    def pace(self, service: int, share: float) -> None:
        """Let one service work at a share of its speed."""
        _get(self.services[service], f"/pace?{share:g}")

    def began(self) -> list[int]:
        """Return the calls that each service has begun."""
        return [json.loads(_get(port, "/seen"))["begun"] for port in self.services]


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return bytes(answer.read())


@contextmanager
def ground(name: str, places: int, seconds: float) -> Iterator[Ground]:
    """Start services of so many places, and a gateway before them."""
    core, others = cores()
    ports, port = [free_port() for _ in range(3)], free_port()
    stub = (sys.executable, "-m", "bench.overload.stub", str(places), f"{seconds:g}", *map(str, ports))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(running(Command(name="services", argv=stub, cores=others)))
        services.wait_until_answers(f"http://127.0.0.1:{ports[2]}/seen")
        gateway = stack.enter_context(running(GATEWAYS[name](port, ports, core, scratch)))
        gateway.wait_until_answers(f"http://127.0.0.1:{port}{LIVE}")
        yield Ground(gateway, port, tuple(ports))


def cinema(port: int, services: Sequence[int], core: tuple[int, ...], scratch: Path) -> Command:
    """Run the platform's gateway as an operator does; only the limit per client is off."""
    names = ("USERS", "ORDERS", "PRODUCTS")
    urls = {
        f"GATEWAY_{name}_URL": f"http://127.0.0.1:{one}" for name, one in zip(names, services, strict=True)
    }
    return Command(
        name="cinema",
        argv=(sys.executable, "-m", "cinema", "gateway"),
        cores=core,
        environment={
            "PYTHONPATH": str(ROOT / "src"),
            "GATEWAY_PORT": str(port),
            "GATEWAY_RATE_LIMIT": "0",
            **urls,
        },
        folder=scratch,
    )


def crowded(port: int, services: Sequence[int], core: tuple[int, ...], _: Path) -> Command:
    """Run the gateway of two services that have nothing to do with each other."""
    return Command(
        name="crowded",
        argv=(sys.executable, "-m", "stagedoor", "run", "bench.overload.app:app", "--port", str(port)),
        cores=core,
        environment={
            "PYTHONPATH": str(ROOT / "src"),
            "CROWDED_ONE_URL": f"http://127.0.0.1:{services[0]}",
            "CROWDED_TWO_URL": f"http://127.0.0.1:{services[1]}",
        },
    )


GATEWAYS = {"cinema": cinema, "crowded": crowded}


def saturated(asked: argparse.Namespace) -> None:
    """Offer saturated services what they carry, then five times that, then less again."""
    for places, ms in [(20, 50), (10, 20)] if asked.places is None else [(asked.places, asked.ms)]:
        carried = places * 1000 / ms
        print(f"\nservices of {places} places x {ms:g} ms: {carried:g} calls/s each")
        with ground("cinema", places, ms / 1000) as one:
            best = max(
                _told(one, f"{share:g} x", {PROFILE: share * carried}, asked.seconds) for share in (1.0, 1.1)
            )
            seen = len(one.refusals())
            good = _told(one, "5 x", {PROFILE: 5 * carried, LIVE: 20}, asked.seconds)
            refused = one.refusals()[seen:]
            print(f"  goodput at 5 x: {good / best:.0%} of the best; {_spread(refused)}")
            _told(one, "0.7 x, just after", {PROFILE: 0.7 * carried}, 4)


def slow(asked: argparse.Namespace) -> None:
    """Let one of two services work at a tenth of its speed, under a load that both carry otherwise."""
    places, ms = asked.places or 20, asked.ms
    rate = 0.6 * places * 1000 / ms
    print(f"\none of two services at a tenth of its speed, {rate:g} requests/s to each")
    with ground("crowded", places, ms / 1000) as one:
        before = _fired(one, "both healthy", {"/one/": rate, "/two/": rate}, asked.seconds)
        one.pace(0, 0.1)
        now = _fired(one, "the first slow", {"/one/": rate, "/two/": rate, LIVE: 20}, asked.seconds)
        kept = (now["/two/"].good / now["/two/"].asked) / (before["/two/"].good / before["/two/"].asked)
        print(f"  the second keeps {kept:.1%}; {_spread(one.refusals())}")
        one.pace(0, 1.0)
        _fired(one, "healthy again", {"/one/": rate, "/two/": rate}, 4)


def processor(asked: argparse.Namespace) -> None:
    """Find what the gateway's processor carries, then offer twice and five times that."""
    print("\nthe gateway's processor is what is short; services answer at once")
    with ground("cinema", 10_000, 0.0) as one:
        best = rate = 400.0
        while True:
            good = 0.0
            for _ in range(3):  # a hiccup of the machine is no bound of the gateway
                good = max(good, _told(one, f"{rate:g}/s", {PROFILE: rate}, asked.seconds / 2))
                if good >= 0.9 * rate:
                    break
            best = max(best, good)
            if good < 0.9 * rate:
                break
            rate *= 1.25
        for times in (1, 2, 5):
            seen = len(one.refusals())
            good = _told(one, f"{times} x", {PROFILE: times * best, LIVE: 20}, asked.seconds)
            print(f"  goodput at {times} x: {good / best:.0%} of the best; {_spread(one.refusals()[seen:])}")


def _told(one: Ground, what: str, rates: dict[str, float], seconds: float) -> float:
    return _fired(one, what, rates, seconds)[PROFILE].good / seconds


def _fired(one: Ground, what: str, rates: dict[str, float], seconds: float) -> dict[str, Kind]:
    """Fire and print what became of each kind; time for the log to be written is taken."""
    kinds = fire(one.port, seconds, rates, cores()[1])
    time.sleep(0.2)
    for kind, seen in kinds.items():
        print(
            f"  {what:18} {kind:14} {seen.asked / seconds:7.0f}/s asked {seen.good / seconds:7.1f}/s whole  p50 "
            f"{seen.p50 * 1000:5.1f} p99 {seen.p99 * 1000:6.1f} ms  {dict(seen.statuses)}  each second "
            f"{list(seen.per_second)}  late {seen.lateness * 1000:.1f}",
            flush=True,
        )
    return kinds


def _spread(refused: Sequence[float]) -> str:
    if not refused:
        return "nothing refused"
    figures = ", ".join(
        f"{name} {quantile(refused, share):.2f}" for name, share in (("p50", 0.5), ("p99", 0.99))
    )
    return f"{len(refused)} refused, duration_ms {figures}, max {max(refused):.1f}"


GROUNDS = {"saturated": saturated, "slow": slow, "processor": processor}


def main(options: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description="Measure overload.")
    parser.add_argument("--grounds", nargs="+", choices=list(GROUNDS), default=list(GROUNDS))
    parser.add_argument("--places", type=int, help="of each service; unless given 20 x 50 ms and 10 x 20 ms")
    parser.add_argument("--ms", type=float, default=50.0, help="that each call holds a place")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load")
    asked = parser.parse_args(options)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda code, _: sys.exit(128 + code))
    for name in asked.grounds:
        GROUNDS[name](asked)


if __name__ == "__main__":
    main(sys.argv[1:])
