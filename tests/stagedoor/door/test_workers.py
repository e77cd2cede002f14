"""What a parent does with its workers, one look after the other."""

import time
from typing import Any

import pytest

from stagedoor._door.config import DoorConfig
from stagedoor._door.limits import DoorLimits
from stagedoor._door.workers import Workers
from tests.stagedoor.door.test_server import app


class Process:
    """A process that lives until it is told to end."""

    def __init__(self) -> None:
        self.pid = 0
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.alive = False


class Worker:
    """A worker that serves once it is told to."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.process = Process()
        self.began = self.leaves = time.monotonic()
        self.serves = False

    def is_well(self, _: float) -> bool:
        return self.process.alive

    def terminate(self, _: float) -> None:
        self.process.terminate()

    def end(self) -> None:
        self.process.terminate()


class Family:
    """Two workers and their parent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.born: list[Worker] = []
        self.parent = Workers(
            DoorConfig(app, limits=DoorLimits(), namespace="shop", host="127.0.0.1", port=0, workers=2)
        )
        monkeypatch.setattr(self.parent, "_another", self._bear)
        self.parent._workers = [self._bear(place) for place in range(2)]  # noqa: SLF001 - what is looked at

    def _bear(self, place: int) -> Any:
        self.born.append(Worker(place))
        return self.born[-1]

    def hang_up(self) -> None:
        self.parent._renew()  # noqa: SLF001 - the handler of SIGHUP

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.parent._tend(time.monotonic())  # noqa: SLF001 - what its loop does

    def at_work(self) -> list[Any]:
        return list(self.parent._workers)  # noqa: SLF001 - what is looked at

    def stop(self) -> None:
        self.parent._stop()  # noqa: SLF001 - at the end


@pytest.mark.parametrize("served", [0, 1, 2, 3])
def test_f2_a_hang_up_during_a_renewal_leaves_no_place_empty(
    monkeypatch: pytest.MonkeyPatch, served: int
) -> None:
    """F2: a successor took the place of another worker; one queue had two of them, and the other none."""
    family = Family(monkeypatch)
    family.hang_up()
    family.look(2)
    for one in family.born[2 : 2 + served]:
        one.serves = True
        family.look(2)
    before = len(family.born)
    family.hang_up()
    for _ in range(8):
        for one in family.born:
            one.serves = True
        family.look(2)
    left = family.at_work()
    family.stop()

    assert [one.place for one in left] == [0, 1]
    assert all(family.born.index(one) >= before for one in left)
