"""How the cost of some work grows with its size, told without a clock's verdict on this machine's speed."""

import time
from collections.abc import Callable

QUADRATIC = 8.0  # four times the size: linear work costs 4 times as much, quadratic 16 times


def growth(work: Callable[[int], object], size: int, *, rounds: int = 12) -> float:
    """Return how many times dearer `work(4 * size)` is than `work(size)`.

    Each is taken at its cheapest, in turns, so that neither a slow machine nor a busy one counts.
    It ends early, once the cost is seen to be below quadratic.
    """
    small = large = float("inf")
    for _ in range(rounds):
        small = min(small, _cost(work, size))
        large = min(large, _cost(work, 4 * size))
        if large < 0.75 * QUADRATIC * small:
            break
    return large / small


def _cost(work: Callable[[int], object], size: int) -> float:
    started = time.thread_time()
    work(size)
    return max(time.thread_time() - started, 1e-6)
