"""How long a server that was late must be in time again before it is used: longer with each relapse.

A server that is late only now and then would otherwise be turned on and off with every other answer, and each return
costs somebody a time-out.
"""

__all__ = ["Recovery"]

_RELAPSE_SECONDS = 10.0
_MOST = 32


class Recovery:
    """Answers in time that are wanted in a row: one, and twice as many after each relapse, at most 32."""

    def __init__(self) -> None:
        self._wanted = 1
        self._left = 1
        self._restored = float("-inf")

    def failed(self, now: float, *, late: bool) -> None:
        """Note that the server failed while it was in use; `late` if it did so by answering late."""
        relapsed = late and now - self._restored < _RELAPSE_SECONDS
        self._wanted = min(2 * self._wanted, _MOST) if relapsed else 1
        self._left = self._wanted

    def missed(self) -> None:
        """Note that it failed again before it was back in use."""
        self._left = self._wanted

    def answered(self, now: float) -> bool:
        """Note an answer in time; tell whether it was the last that was wanted."""
        self._left -= 1
        if self._left > 0:
            return False
        self._restored = now
        return True
