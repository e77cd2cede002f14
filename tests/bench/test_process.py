"""What a tree of processes costs, and that nothing of it stays behind."""

import os
import sys
from collections.abc import Iterator

import pytest

from bench.process import PAGE, TICK, Command, Process, Stat, Usage, living, parse_stat, running, usage_of

LINE = (
    "4242 (a (odd) name) S 1 4242 4240 0 -1 4194560 900 0 0 0 "
    "150 50 7 3 20 0 3 0 12345 250000000 6400 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0\n"
)
BURN = (
    "import os, time\nos.fork()\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass\n"
)


def test_a_stat_line_is_read_past_a_name_with_parentheses() -> None:
    """proc(5): the name is whatever the program calls itself; fields count from the last parenthesis."""
    stat = parse_stat(LINE)

    assert stat == Stat(pid=4242, session=4240, cpu=210 * TICK, rss=6400 * PAGE)


def test_the_time_of_ended_children_counts() -> None:
    """Otherwise a worker that was replaced during a run would make its target look cheap."""
    without_children = parse_stat(LINE.replace("150 50 7 3", "150 50 0 0"))

    assert parse_stat(LINE).cpu - without_children.cpu == pytest.approx(10 * TICK)


def test_a_zombie_has_ended() -> None:
    """It waits to be collected by a parent that may never do so; there is nothing left to stop."""
    assert parse_stat(LINE.replace(") S", ") Z")).ended
    assert not parse_stat(LINE).ended


def test_only_processes_of_the_session_are_summed() -> None:
    """The target's workers count, its neighbours do not."""
    stats = [Stat(1, 7, 1.0, 10), Stat(2, 7, 0.5, 20), Stat(3, 8, 9.0, 90)]

    assert usage_of(7, stats) == Usage(cpu=1.5, rss=30)


@pytest.fixture
def burning() -> Iterator[Process]:
    code = BURN + "print('done', flush=True)\ntime.sleep(60)\n"
    argv = (sys.executable, "-c", code)
    with running(Command(name="burn", argv=argv, cores=tuple(os.sched_getaffinity(0)))) as process:
        yield process


@pytest.mark.live
@pytest.mark.slow
def test_the_cpu_time_of_a_forked_child_belongs_to_the_tree(burning: Process) -> None:
    """Two processes burn 0.2 s each: the tree has used 0.4 s, whoever looks from the root alone sees half."""
    while burning.log().count("done") < 2:
        os.sched_yield()

    assert 0.35 < burning.usage().cpu < 4.0


@pytest.mark.live
@pytest.mark.slow
def test_nothing_of_the_tree_outlives_the_block() -> None:
    """Also a child that ignores SIGTERM, after its parent obeyed it."""
    code = (
        "import os, signal, time\n"
        "if os.fork() == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    command = Command(
        name="stubborn", argv=(sys.executable, "-c", code), cores=tuple(os.sched_getaffinity(0))
    )
    with running(command) as process:
        while process.log().count("ready") < 2:
            os.sched_yield()

    assert living(process.pid) == []


@pytest.mark.live
def test_a_command_that_ends_early_is_reported_with_what_it_said() -> None:
    """The reason is in its log, and the log is gone with it."""
    argv = (sys.executable, "-c", "raise SystemExit('no such setting')")
    command = Command(name="broken", argv=argv, cores=tuple(os.sched_getaffinity(0)))

    with running(command) as process, pytest.raises(RuntimeError, match="no such setting"):
        process.wait_until_answers("http://127.0.0.1:9/")
