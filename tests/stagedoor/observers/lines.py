"""Lines that were logged, read back."""

import io
import json
from typing import Any

from stagedoor._observers.logs import Format, Level, Logs
from stagedoor.testing.clock import ManualClock


class Sink(io.BytesIO):
    """Keep what was written after it is closed."""

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


def logs_into(
    sink: io.BytesIO, *, level: Level = "INFO", shape: Format = "json", capacity: int = 1_000
) -> tuple[Logs, ManualClock]:
    clock = ManualClock()
    return Logs(sink, level=level, format=shape, clock=clock, capacity=capacity), clock
