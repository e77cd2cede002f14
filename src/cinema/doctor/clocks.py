"""Clocks that disagree: lifetimes, tokens and signs of life are compared across machines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cinema.doctor.finding import Finding

__all__ = ["Clocks"]

_MOST = 5.0  # seconds: HTTP tells whole ones, and an answer may take three


@dataclass(slots=True)
class Clocks:
    """What the clocks of others say, each beside ours at that moment."""

    wall: Callable[[], float]
    _apart: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, told: float | None) -> None:
        """Take down what a machine says it is now."""
        if told is not None:
            self._apart[name] = told - self.wall()

    def findings(self) -> Iterator[Finding]:
        """Yield whose clock is off: ours, if everybody else says so."""
        off = {name: apart for name, apart in self._apart.items() if abs(apart) > _MOST}
        remedy = "Let both take the time from the network (chrony, systemd-timesyncd)."
        if (
            len(off) > 1
            and len(off) == len(self._apart)
            and max(off.values()) - min(off.values()) <= 2 * _MOST
        ):
            apart = sorted(off.values())[len(off) // 2]
            said = f"this machine's is {abs(apart):.0f} s {'behind' if apart > 0 else 'ahead of'} all others"
            yield Finding("clock", "clock_off", said, remedy)
            return
        for name, apart in off.items():
            said = (
                f"that of {name} is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
            )
            yield Finding("clock", "clock_off", said, remedy)
