"""Reading what wrk printed, and asking for what nobody asked before."""

import pytest

from bench.load import Load, fresh_prefix, parse_report, require

OUTPUT = """\
Running 8s test @ http://127.0.0.1:8000
  1 threads and 64 connections
  64000 requests in 8.01s, 96.00MB read
{"requests":64000,"microseconds":8000000,"p50":7900,"p99":15250,"refused":3,"broken":2,"late":1,"bytes":96000000}
"""


def test_the_last_line_of_wrk_is_its_report() -> None:
    """The script prints figures in microseconds; we keep seconds. All kinds of errors are one figure."""
    load = parse_report(OUTPUT)

    assert load == Load(requests=64000, seconds=8.0, p50=0.0079, p99=0.01525, errors=6, size=96_000_000)
    assert load.rate == 8000.0


def test_output_without_a_report_is_shown() -> None:
    """A wrk that could not connect says why, and that must not get lost."""
    with pytest.raises(ValueError, match="unable to connect"):
        parse_report("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_g11_no_prefix_is_the_beginning_of_another_runs_path() -> None:
    """G11: a fresh identity per request, also across runs: "r1n" + "12" never equals "r11n" + "2"."""
    prefixes = [fresh_prefix("/p/") for _ in range(12)]

    paths = {f"{prefix}{count}" for prefix in prefixes for count in range(120)}
    assert len(paths) == 12 * 120


def test_a_missing_tool_is_named_with_its_package() -> None:
    """The bench says what to install."""
    with pytest.raises(SystemExit, match=r"no-such-tool \(Debian: apt-get install its-package\)"):
        require(("sh", "dash"), ("no-such-tool", "its-package"))
