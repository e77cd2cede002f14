"""What is made of bodies that passed through."""

from bench.compare import Result, Run
from bench.load import Load
from bench.proxy.__main__ import missed, rate


def result(name: str, *, megabytes: int, cpu: float = 1.0) -> Result:
    load = Load(10, 3.0, 0.01, 0.02, 0, megabytes * 1_000_000)
    return Result(name, [Run(load, cpu, 2**20, 10)] * 3)


def test_throughput_is_octets_for_a_second_of_processor() -> None:
    """Those of a body that was cut off at the end of a round have been paid for, and count."""
    assert rate(result("ours", megabytes=300, cpu=0.5)) == 600e6


def test_a_bound_that_is_missed_is_named() -> None:
    """Half of nginx, and level with Caddy."""
    results = [
        result(name, megabytes=size) for name, size in (("stagedoor", 90), ("nginx", 170), ("caddy", 100))
    ]

    assert missed(102_400, results) == ["102,400 octets: 0.90 of caddy, not 1.0"]
