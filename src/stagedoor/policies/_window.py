"""A rolling count of outcomes, in buckets.

The window is cut into buckets of equal width. The bucket of the running moment and those before it that lie
inside the window count; when time enters a new bucket, the oldest is emptied and reused. So nothing older than
the window ever counts, and what is younger by less than one bucket may already be forgotten (C2): the price of
constant memory and constant time.
"""

__all__ = ["OutcomeWindow"]


class OutcomeWindow:
    """How many calls ended in the last `seconds`, how many failed, how many were slow."""

    __slots__ = ("_bucket", "_buckets", "_index", "_over", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float, buckets: int) -> None:
        self._width = seconds / buckets
        self._buckets = [[0, 0, 0] for _ in range(buckets)]
        self._index = 0
        self._bucket = self._buckets[0]
        self._over = self._width  # when the bucket's time is
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Count one outcome."""
        if now >= self._over:  # nearly always it is the bucket of the last outcome
            self.roll(now)
        bucket = self._bucket
        bucket[0] += 1
        self.calls += 1
        if failed or slow:
            bucket[1] += failed
            bucket[2] += slow
            self.failures += failed
            self.slow += slow

    def roll(self, now: float) -> None:
        """Forget what has left the window."""
        index = int(now / self._width)
        for step in range(min(index - self._index, len(self._buckets))):
            self._drop(self._buckets[(index - step) % len(self._buckets)])
        self._index = max(index, self._index)
        self._bucket = self._buckets[self._index % len(self._buckets)]
        self._over = (self._index + 1) * self._width

    def clear(self) -> None:
        """Forget everything."""
        for bucket in self._buckets:
            self._drop(bucket)

    def _drop(self, bucket: list[int]) -> None:
        self.calls -= bucket[0]
        self.failures -= bucket[1]
        self.slow -= bucket[2]
        bucket[:] = (0, 0, 0)
