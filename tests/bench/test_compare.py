"""What is made of the rounds."""

from bench.compare import Result, Run, closed_table, rotated
from bench.load import Load


def run(*, requests: int, cpu: float, calls: int) -> Run:
    return Run(Load(requests, 8.0, 0.01, 0.02, 0, 0), cpu, 2**20, calls)


def test_one_disturbed_round_does_not_decide() -> None:
    """The cost is the median of the rounds: here 200 us, whatever happened in the third."""
    result = Result("ours", [run(requests=10_000, cpu=cpu, calls=30_000) for cpu in (2.0, 1.9, 7.0)])

    assert result.cost == 2.0 / 10_000


def test_upstream_calls_are_counted_per_answer_over_all_rounds() -> None:
    """A target that joins or repeats calls does other work than its peers."""
    rounds = [run(requests=100, cpu=1.0, calls=300), run(requests=300, cpu=1.0, calls=600)]

    assert Result("ours", rounds).calls == 2.25


def test_each_round_begins_with_another_target() -> None:
    """So that a disturbance with a period meets all of them."""
    assert [rotated("abc", turn) for turn in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_the_last_columns_are_multiples_of_the_peers() -> None:
    """Twice the cost of the peer reads 2.00; a peer that did not run has no column."""
    ours = Result("ours", [run(requests=1000, cpu=0.4, calls=3000)])
    peer = Result("peer", [run(requests=1000, cpu=0.2, calls=3000)])

    head, _, *rows = closed_table([ours, peer], ["peer", "absent"]).splitlines()

    assert head.endswith("x peer")
    assert [row.split()[-1] for row in rows] == ["2.00", "1.00"]
