"""Who has waited too long, as values of a made-up clock."""

import pytest

from stagedoor._door.limits import DoorLimits, idle_allowance, occupancy
from stagedoor._door.timeouts import ConnectionTimeouts, Phase

LIMITS = DoorLimits()


def look(
    timeouts: ConnectionTimeouts, now: float, *, load: float = 0.0, reading: bool = True, buffered: int = 0
) -> str:
    return timeouts.look(now, load=load, reading=reading, buffered=buffered)[0]


@pytest.mark.parametrize(
    ("load", "seconds"), [(0.0, 600.0), (0.85, 600.0), (0.92, 181.4), (0.95, 2.0), (1.2, 2.0)]
)
def test_o3_idle_time_shrinks_under_pressure(load: float, seconds: float) -> None:
    """O3: linearly between 85 % and 95 %, 600 s with a floor of 2 s is 181.4 s at 92 %."""
    assert idle_allowance(600.0, 2.0, load) == pytest.approx(seconds)


def test_o3_the_cap_is_where_requests_are_shed() -> None:
    """O3: `max_connections` is the 0.95 of what the process can carry."""
    assert occupancy(12_000, LIMITS) == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("phase", "limit", "verdict"),
    [("head", 10.0, "head_late"), ("idle", 75.0, "close"), ("body", 20.0, "body_late")],
)
def test_t13_each_phase_has_its_time(phase: Phase, limit: float, verdict: str) -> None:
    """T13: 10 s for a head, 20 s of silence in a body, 75 s between requests."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter(phase, 100.0)

    assert look(timeouts, 100.0 + limit - 0.001) == "wait"
    assert look(timeouts, 100.0 + limit) == verdict


def test_what_is_ours_to_do_has_no_limit_here() -> None:
    """The application's time is the deadline's business."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("ours", 100.0)

    assert look(timeouts, 10_000.0) == "wait"


def test_lingering_begins_when_the_answer_has_left() -> None:
    """B8, RFC 9112 9.6: 2 s to read the end and go; what a slow reader has not taken is not cut off by them."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.written = 100_000
    timeouts.enter("over", 100.0)
    verdicts = [
        look(timeouts, now, buffered=buffered)
        for now, buffered in ((102.0, 50_000), (104.0, 10_000), (105.9, 0), (106.0, 0))
    ]

    assert verdicts == ["wait", "wait", "wait", "abort"]


def test_t13_no_phase_passes_its_limit_unseen() -> None:
    """T13: the next look is never later than the end of the phase, nor than the shortest limit."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    seen = []
    now, again = 100.0, LIMITS.shortest
    timeouts.enter("idle", 103.0)
    while look(timeouts, now) == "wait":
        again = timeouts.look(now, load=0.0, reading=True, buffered=0)[1]
        seen.append(again)
        now += again

    assert now == pytest.approx(178.0, abs=0.01)
    assert max(seen) <= 10.0


def test_t13_a_dribbled_body_must_keep_above_the_floor() -> None:
    """T13: one octet a second is not silence, and not enough."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("body", 100.0)
    verdicts = []
    for second in range(1, 21):
        timeouts.octets(1, 100.0 + second)
        verdicts.append(look(timeouts, 100.0 + second))

    assert verdicts == ["wait"] * 19 + ["body_late"]


def test_t13_a_steady_body_may_take_as_long_as_it_needs() -> None:
    """T13: above the floor there is no limit to the whole."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("body", 100.0)
    verdicts = set()
    for second in range(1, 600):
        timeouts.octets(100, 100.0 + second)
        verdicts.add(look(timeouts, 100.0 + second))

    assert verdicts == {"wait"}


def test_t13_while_we_do_not_read_nobody_is_late() -> None:
    """T13: back-pressure of ours is no fault of the client's; its time counts again afterwards."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("body", 100.0)
    verdicts = [look(timeouts, 100.0 + second, reading=False) for second in range(60)]

    assert set(verdicts) == {"wait"}
    assert look(timeouts, 179.5) == "body_late"


def test_t13_a_reader_below_the_floor_is_cut_off() -> None:
    """T13: 16 KiB in 20 s, counted only while something waits for the reader."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("ours", 100.0)
    timeouts.written = 1_000_000
    verdicts = [look(timeouts, 100.0 + second, buffered=1_000_000 - second) for second in range(0, 21, 5)]

    assert verdicts == ["wait"] * 4 + ["abort"]


def test_t13_a_reader_above_the_floor_is_waited_for() -> None:
    """T13: slow is allowed, stuck is not."""
    timeouts = ConnectionTimeouts(LIMITS, 100.0)
    timeouts.enter("ours", 100.0)
    timeouts.written = 10_000_000
    verdicts = {
        look(timeouts, 100.0 + second, buffered=10_000_000 - second * 1_000) for second in range(0, 3_600, 5)
    }

    assert verdicts == {"wait"}
