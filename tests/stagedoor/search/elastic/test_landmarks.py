"""Landmarks: a page of everything is looked for where it should be, and never taken from anywhere else."""

import random

import pytest

from stagedoor.search.elastic.landmarks import Landmark, Landmarks, Road, Window

ROAD = Road("movies", "own1.id", descending=False)
DOWN = Road("movies", "own1.id", descending=True)


def known(*marks: tuple[int, int], stretch: int = 10) -> Landmarks:
    landmarks = Landmarks(stretch)
    for key, rank in marks:
        landmarks.learn(ROAD, rank - 1, [[key - 1], [key]])
    return landmarks


@pytest.mark.parametrize(
    ("first", "behind", "expected"),
    [
        (0, 5, (None, 12)),
        (12, 20, (12, 25)),
        (13, 25, (12, 25)),
        (13, 26, (12, 25)),
        (24, 27, (12, 31)),
        (26, 33, None),
    ],
)
def test_a_page_lies_between_the_nearest_landmarks(
    first: int, behind: int, expected: tuple[int | None, int] | None
) -> None:
    """All documents of the page, and the ones next to it, are in the window."""
    window = known((120, 12), (250, 25), (310, 31)).window(ROAD, first, behind)

    found = (window.low.rank if window.low else None, window.high and window.high.rank) if window else None
    assert found == expected


def test_the_last_page_of_all_has_no_landmark_behind_it() -> None:
    """Nobody is answered beyond the 10,000th, so no rank there is ever learnt; the begin alone helps as much."""
    landmarks = known((5, 9_980), stretch=500)
    window = landmarks.window(ROAD, 9_985, 10_001)
    assert window is not None

    assert (window.low, window.high) == (Landmark(5, 9_980), None)
    assert landmarks.window(ROAD, 9_985, 10_000) is None
    assert landmarks.window(ROAD, 9_979, 10_001) is None
    landmarks.mistrust(window)
    assert landmarks.window(ROAD, 9_985, 10_001) == window


def test_a_wide_window_is_none() -> None:
    """To sort tens of thousands is what landmarks are there to avoid."""
    assert known((1_000, 100)).window(ROAD, 5, 10) is None


def test_the_ends_of_a_page_are_learnt() -> None:
    """A page may reach from one stretch into the next, and only the last of all shows the 10,000th."""
    landmarks = Landmarks(10)
    landmarks.learn(ROAD, 18, [[1], [2], [3], [3], [4]])
    window = landmarks.window(ROAD, 20, 23)

    assert window == Window(ROAD, Landmark(2, 19), Landmark(4, 22))


def test_every_order_has_its_own_landmarks() -> None:
    """The rank of a key upwards says nothing of its rank downwards."""
    assert known((120, 12)).window(DOWN, 0, 5) is None


@pytest.mark.parametrize("keys", [[], [[5]], [[5], [5]], [[5], [(1 << 63) - 1]], [[5], [-1 << 63]], [(), ()]])
def test_nothing_is_learnt_where_a_rank_does_not_show(keys: list[list[int]]) -> None:
    """The first of equal keys may be pages before; a missing value has no key at all."""
    landmarks = Landmarks(10)
    landmarks.learn(ROAD, 3, keys)

    assert landmarks.window(ROAD, 0, 1) is None


@pytest.mark.parametrize(
    ("road", "since", "until", "before"),
    [(ROAD, "gte", "lte", "lt"), (DOWN, "lte", "gte", "gt")],
    ids=["up", "down"],
)
def test_a_window_is_asked_for_by_its_keys(road: Road, since: str, until: str, before: str) -> None:
    """From one key up to the other, and what is before is counted without scores."""
    window = Window(road, Landmark(120, 12), Landmark(250, 25))
    narrowed = window.narrowed({"query": {}, "from": 14, "size": 3})

    assert narrowed == {
        "query": {"bool": {"filter": [{"range": {"own1.id": {since: 120, until: 250}}}]}},
        "from": 2,
        "size": 3,
    }
    assert window.before == {
        "query": {"bool": {"filter": [{"range": {"own1.id": {before: 120}}}]}},
        "size": 0,
        "track_total_hits": True,
    }
    assert Window(road, None, Landmark(250, 25)).before is None


def test_a_wrong_rank_is_put_right() -> None:
    """Four documents were removed before the landmark: it moves, and the question is asked again."""
    landmarks = known((120, 12), (250, 25))
    window = landmarks.window(ROAD, 13, 20)
    assert window is not None

    assert landmarks.correct(window, 12)
    assert not landmarks.correct(window, 8)
    moved = landmarks.window(ROAD, 13, 20)
    assert moved is not None
    assert moved.low == Landmark(120, 8)


def test_an_end_that_came_too_early_is_forgotten() -> None:
    """The window had fewer documents than its ranks promised."""
    landmarks = known((120, 12), (250, 25))
    window = landmarks.window(ROAD, 13, 20)
    assert window is not None
    landmarks.mistrust(window)
    landmarks.mistrust(window)

    assert landmarks.window(ROAD, 13, 20) is None


def test_windows_of_a_changing_list_hold_their_page_once_ranks_are_right() -> None:
    """A full window whose begin is counted right has the page, whatever its landmarks were learnt from."""
    rng = random.Random(20261121)
    landmarks, held = Landmarks(8), sorted(rng.sample(range(10_000), 200))
    answered = 0
    for _ in range(2_000):
        if rng.random() < 0.05:
            held = sorted(rng.sample(held, len(held) - 5) + rng.sample(range(10_000, 20_000), 5))
        first = rng.randrange(len(held) - 6)
        window = landmarks.window(ROAD, first, first + 6)
        if window is None or window.high is None:
            landmarks.learn(ROAD, first, [[key] for key in held[first : first + 6]])
            continue
        low = window.low.key if window.low else -1
        inside = [key for key in held if low <= key <= window.high.key]
        page = inside[first - window.start :][:6] if first >= window.start else []
        if len(page) < 6:
            landmarks.mistrust(window)
        elif landmarks.correct(window, sum(key < low for key in held)):
            answered += 1
            assert page == held[first : first + 6]

    assert answered > 1_000
