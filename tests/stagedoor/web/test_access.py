"""What the door turns away is counted like everything else."""

from stagedoor import _problems as problems
from stagedoor._web.access import RequestCounter


class Sink:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def request_started(self) -> None:
        self.told.append(("started",))

    def request_ended(
        self,
        method: str,
        endpoint: str,
        status: int,
        seconds: float,
        request_id: str,
        trace_id: str,
        cause: str = "",
        span_id: str = "",
    ) -> None:
        self.told.append((method, endpoint, status, seconds, request_id, trace_id))


def test_a_refusal_of_the_door_begins_and_ends_at_every_sink() -> None:
    """The gauge of requests under way must come back to where it was."""
    sinks = (Sink(), Sink())

    RequestCounter(sinks, lambda: 0.0).refused(problems.uri_too_long(), "abc")

    assert [sink.told for sink in sinks] == [[("started",), ("OTHER", "unmatched", 414, 0.0, "abc", "")]] * 2
