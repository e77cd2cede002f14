"""The rolling window against the list of time stamps that it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.policies._window import OutcomeWindow

STEPS = st.lists(st.tuples(st.floats(0, 7), st.booleans(), st.booleans()), max_size=60)


@given(steps=STEPS, seconds=st.sampled_from([1.0, 10.0, 0.3]), buckets=st.integers(1, 12))
def test_c2_the_window_counts_what_a_list_of_moments_would(
    steps: list[tuple[float, bool, bool]], seconds: float, buckets: int
) -> None:
    """C2: nothing older than the window counts; younger than the window less one bucket always does."""
    window, seen, now = OutcomeWindow(seconds, buckets), [], 1000.0
    width = seconds / buckets
    for pause, failed, slow in steps:
        now += pause
        window.add(now, failed, slow)
        seen.append((now, failed, slow))
        surely = [item for item in seen if item[0] > now - seconds + width * 1.001]
        possibly = [item for item in seen if item[0] > now - seconds - width * 0.001]

        assert len(surely) <= window.calls <= len(possibly)
        assert sum(item[1] for item in surely) <= window.failures <= sum(item[1] for item in possibly)
        assert sum(item[2] for item in surely) <= window.slow <= sum(item[2] for item in possibly)


def test_c2_a_failure_older_than_the_window_does_not_count() -> None:
    """C2: the last moment that counts lies inside the window."""
    window = OutcomeWindow(10.0, 10)
    window.add(1000.0, failed=True, slow=True)
    counts = []
    for now in (1000.9, 1009.9, 1010.0):
        window.roll(now)
        counts.append((window.calls, window.failures, window.slow))

    assert counts == [(1, 1, 1), (1, 1, 1), (0, 0, 0)]


@pytest.mark.parametrize("pause", [10.0, 11.0, 1e6])
def test_a_long_silence_empties_every_bucket(pause: float) -> None:
    """Buckets are reused: none may come back with what it held a turn ago."""
    window = OutcomeWindow(10.0, 10)
    for step in range(30):
        window.add(1000.0 + step / 3, failed=True, slow=False)
    window.roll(1010.0 + pause)

    assert (window.calls, window.failures) == (0, 0)


def test_a_cleared_window_starts_anew() -> None:
    """A circuit that closes forgets why it opened."""
    window = OutcomeWindow(10.0, 10)
    window.add(1000.0, failed=True, slow=True)
    window.clear()
    window.add(1000.0, failed=False, slow=False)

    assert (window.calls, window.failures, window.slow) == (1, 0, 0)
