"""The breaker's machine: by values, and against a naive oracle that keeps every moment in a list."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stagedoor.errors import ConfigError
from stagedoor.policies._circuit import Circuit, CircuitRule

RATE = CircuitRule(consecutive=None, failure_rate=0.5, minimum=10, probe_after=1.0, open_for=8.0, jitter=0.0)


def play(circuit: Circuit, outcomes: str, now: float = 1000.0) -> str:
    """Let calls in and end them at once: f failed, s slow, b both, anything else good; return the state."""
    for outcome in outcomes:
        ticket = circuit.admit(now)
        assert ticket is not None
        circuit.record(ticket, now, outcome in "fb", outcome in "sb", 0.0)
    return circuit.state


def opened(options: CircuitRule = RATE, now: float = 1000.0) -> Circuit:
    circuit = Circuit(options)
    play(circuit, "f" * 10, now)
    assert circuit.state == "open"
    return circuit


def half_open(options: CircuitRule = RATE) -> tuple[Circuit, int]:
    circuit = opened(options)
    ticket = circuit.admit(1001.0)
    assert ticket is not None
    return circuit, ticket


def test_c1_below_the_minimum_no_rate_is_computed() -> None:
    """C1: 9 failures of 9 stay closed with a minimum of 10, the 10th opens."""
    circuit = Circuit(RATE)

    assert [play(circuit, "f" * 9), play(circuit, "f")] == ["closed", "open"]


def test_c1_the_rate_counts_when_a_success_completes_the_minimum() -> None:
    """C1: which call is the tenth does not matter."""
    assert play(Circuit(RATE), "f" * 9 + ".") == "open"


def test_c1_the_threshold_itself_opens() -> None:
    """C1: equal is enough; one less is not."""
    states = [play(Circuit(RATE), "." * (10 - failures) + "f" * failures) for failures in (4, 5)]

    assert states == ["closed", "open"]


def test_c1_seven_of_a_hundred_reach_seven_per_cent() -> None:
    """0.07 x 100 is 7.000000000000001 in floats: the comparison must not fall for it."""
    circuit = Circuit(replace(RATE, failure_rate=0.07, minimum=100))

    assert play(circuit, "." * 93 + "f" * 7) == "open"


def test_c1_slow_calls_are_a_trigger_of_their_own() -> None:
    """C1: an upstream that answers everything too late does no good either."""
    options = replace(RATE, slow_rate=0.8)
    states = [play(Circuit(options), "s" * slow + "." * (10 - slow)) for slow in (7, 8)]

    assert states == ["closed", "open"]


def test_c1_failures_in_a_row_are_a_third_trigger() -> None:
    """C1: five in a row open long before twenty calls are there; a success between them starts anew."""
    circuit = Circuit(CircuitRule(consecutive=5, minimum=20))

    assert [play(circuit, "ffff"), play(circuit, ".ffff"), play(circuit, "f")] == ["closed", "closed", "open"]


def test_c2_failures_that_left_the_window_do_not_open() -> None:
    """C2: yesterday's trouble is no reason."""
    circuit = Circuit(RATE)
    play(circuit, "f" * 9, now=1000.0)

    assert play(circuit, "f" * 9, now=1010.1) == "closed"


def test_an_open_circuit_lets_nobody_in_before_its_time() -> None:
    """The open time is a promise to the upstream."""
    circuit = opened()

    assert [circuit.admit(now) for now in (1000.0, 1000.999)] == [None, None]
    assert circuit.state == "open"


@pytest.mark.parametrize(("roll", "until"), [(0.0, 1000.1), (0.5, 1000.09), (0.99, 1000.0802)])
def test_the_open_time_is_shortened_by_chance(roll: float, until: float) -> None:
    """Workers that opened together must not probe together; and none waits longer than the rule says."""
    circuit = Circuit(CircuitRule(consecutive=1, jitter=0.2))
    circuit.record(0, 1000.0, failed=True, slow=False, roll=roll)

    assert circuit.until == pytest.approx(until)


@pytest.mark.parametrize("probes", [1, 3])
def test_c3_half_open_lets_exactly_the_configured_number_out(probes: int) -> None:
    """C3: a thousand callers at the instant of expiry, and only the probes go."""
    circuit = opened(replace(RATE, probes=probes))
    tickets = [circuit.admit(1001.0) for _ in range(1000)]

    assert sum(ticket is not None for ticket in tickets) == probes
    assert (circuit.state, circuit.out) == ("half_open", probes)


def test_c3_a_probe_that_succeeded_makes_no_room_for_a_further_one() -> None:
    """C3: three probes are three calls, not three at a time."""
    circuit = opened(replace(RATE, probes=3))
    tickets = [circuit.admit(1001.0) for _ in range(3)]
    circuit.record(tickets[0] or 0, 1001.1, failed=False, slow=False, roll=0.0)

    assert circuit.admit(1001.1) is None
    assert (circuit.state, circuit.out) == ("half_open", 2)


def test_a_good_probe_closes_and_the_past_is_forgotten() -> None:
    """After closing, the old failures must not open it at the next one."""
    circuit, ticket = half_open()
    circuit.record(ticket, 1001.1, failed=False, slow=False, roll=0.0)

    assert (circuit.state, circuit.out, circuit.window.calls) == ("closed", 0, 0)
    assert play(circuit, "f" * 9, now=1001.2) == "closed"


@pytest.mark.parametrize(("failed", "slow"), [(True, False), (False, True), (True, True)])
def test_a_bad_probe_opens_again_for_twice_the_time(failed: bool, slow: bool) -> None:
    """Failed or slow: it is not well yet (F4: each failed probe doubles the wait)."""
    circuit, ticket = half_open()
    circuit.record(ticket, 1001.5, failed=failed, slow=slow, roll=0.0)

    assert (circuit.state, circuit.until, circuit.out) == ("open", 1003.5, 0)


def waits(circuit: Circuit, probes: int) -> list[float]:
    """Fail so many probes, each at once, and return the waits before them."""
    found: list[float] = []
    now = 1000.0
    for _ in range(probes):
        ticket = circuit.admit(now)
        assert ticket is not None
        circuit.record(ticket, now, failed=True, slow=False, roll=0.0)
        found.append(circuit.until - now)
        now = circuit.until
    return found


def test_each_failed_probe_doubles_the_wait_up_to_the_longest() -> None:
    """F4: 0.1 s after a short failure; one probe a second for an upstream that stays away."""
    assert waits(Circuit(CircuitRule(consecutive=1)), 7) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])


def test_a_longest_wait_below_the_first_is_both() -> None:
    """Who sets only `open_for` means it."""
    assert waits(Circuit(CircuitRule(consecutive=1, open_for=0.05)), 2) == pytest.approx([0.05, 0.05])


def test_the_waits_begin_anew_once_it_was_closed() -> None:
    """F4: the next hiccup is as short as the first, as far as anyone knows."""
    circuit = Circuit(CircuitRule(consecutive=1))
    waits(circuit, 3)
    ticket = circuit.admit(circuit.until)
    circuit.record(ticket or 0, circuit.until, failed=False, slow=False, roll=0.0)

    assert circuit.state == "closed"
    assert waits(circuit, 1) == pytest.approx([0.1])


def test_c4_a_late_success_does_not_close_an_open_circuit() -> None:
    """C4: it was sent while the circuit was closed, and tells of another time."""
    circuit = Circuit(RATE)
    late = circuit.admit(1000.0)
    play(circuit, "f" * 10)
    circuit.record(late or 0, 1000.5, failed=False, slow=False, roll=0.0)

    assert (circuit.state, circuit.until) == ("open", 1001.0)


@pytest.mark.parametrize("failed", [True, False])
def test_c4_a_late_result_teaches_nothing_while_half_open(failed: bool) -> None:
    """C4: only the probe decides; a late failure does not extend the open time either."""
    circuit = Circuit(RATE)
    late = circuit.admit(1000.0)
    play(circuit, "f" * 10)
    circuit.admit(1001.0)
    circuit.record(late or 0, 1001.1, failed=failed, slow=False, roll=0.0)

    assert (circuit.state, circuit.out, circuit.until) == ("half_open", 1, 1001.0)


def test_c5_a_released_probe_lets_the_next_caller_probe() -> None:
    """C5: neither success nor failure; with client disconnects this is the common path."""
    circuit, ticket = half_open()
    circuit.release(ticket)

    assert (circuit.state, circuit.out) == ("half_open", 0)
    assert circuit.admit(1001.1) is not None
    assert circuit.admit(1001.1) is None


def test_c5_a_late_release_frees_no_place_of_others() -> None:
    """C5: a ticket from the closed time holds no place among the probes."""
    circuit = Circuit(RATE)
    late = circuit.admit(1000.0)
    play(circuit, "f" * 10)
    circuit.admit(1001.0)
    circuit.release(late or 0)

    assert circuit.out == 1


def test_c7_a_release_does_not_move_the_window() -> None:
    """C7: what is ignored is not counted as a call."""
    circuit = Circuit(RATE)
    for _ in range(100):
        circuit.release(circuit.admit(1000.0) or 0)

    assert (circuit.window.calls, circuit.out) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consecutive", 0),
        ("failure_rate", 0.0),
        ("failure_rate", 1.1),
        ("slow_rate", 0.0),
        ("slow_after", 0.0),
        ("minimum", 0),
        ("window", 0.0),
        ("window", float("nan")),
        ("buckets", 0),
        ("probe_after", 0.0),
        ("probe_after", float("inf")),
        ("open_for", 0.0),
        ("jitter", -0.1),
        ("probes", 0),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(field: str, value: float) -> None:
    """A breaker that never opens, or never closes, must not start."""
    with pytest.raises(ConfigError, match=rf"Rule\({field}="):
        replace(CircuitRule(), **{field: value})  # type: ignore[arg-type]


class CircuitMachine(RuleBasedStateMachine):
    """The circuit beside an oracle that keeps every call and every moment, and computes all anew each time."""

    @initialize(
        consecutive=st.sampled_from([None, 1, 3]),
        minimum=st.integers(1, 6),
        rate=st.sampled_from([0.25, 0.5, 1.0]),
        probes=st.integers(1, 3),
    )
    def start(self, consecutive: int | None, minimum: int, rate: float, probes: int) -> None:
        """Begin with any rule; one bucket per moment of the oracle's grid, so that both forget alike."""
        self.rule = CircuitRule(
            consecutive=consecutive,
            minimum=minimum,
            failure_rate=rate,
            slow_rate=rate,
            window=8.0,
            buckets=8,
            probe_after=2.0,
            open_for=5.0,
            jitter=0.5,
            probes=probes,
        )
        self.circuit = Circuit(self.rule)
        self.now = 0
        self.state = "closed"
        self.until = 0.0
        self.refusals = 0  # probes that failed since it was last closed
        self.epoch = 0
        self.ended: list[tuple[int, bool, bool]] = []
        self.passed = 0
        self.out: list[tuple[int | None, int]] = []  # the circuit's ticket, the oracle's epoch

    def move(self, state: str) -> None:
        self.state, self.epoch, self.passed, self.ended = state, self.epoch + 1, 0, []

    def probing(self) -> int:
        return sum(epoch == self.epoch for _, epoch in self.out)

    @rule(seconds=st.integers(0, 9))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def ask(self) -> None:
        """Let a call ask whether it may go."""
        if self.state == "open" and self.now >= self.until:
            self.move("half_open")
        free = self.state == "closed" or (
            self.state == "half_open" and self.probing() + self.passed < self.rule.probes
        )
        ticket = self.circuit.admit(self.now)

        assert (ticket is not None) == free
        if free:
            self.out.append((ticket, self.epoch))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), failed=st.booleans(), slow=st.booleans(), roll=st.sampled_from([0.0, 0.5]))
    def end(self, data: st.DataObject, failed: bool, slow: bool, roll: float) -> None:
        """One of the calls under way ends, in any order."""
        ticket, epoch = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.circuit.record(ticket or 0, self.now, failed, slow, roll)
        if epoch != self.epoch:
            return
        if self.state == "half_open":
            self.passed += not (failed or slow)
            if failed or slow:
                self.open(roll)
            elif self.passed == self.rule.probes:
                self.move("closed")
                self.refusals = 0
        else:
            self.ended.append((self.now, failed, slow))
            if self.must_open():
                self.open(roll)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """One of the calls under way is cancelled."""
        ticket, _ = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.circuit.release(ticket or 0)

    def open(self, roll: float) -> None:
        self.move("open")
        self.until = self.now + min(5.0, 2.0 * 2**self.refusals) * (1 - 0.5 * roll)
        self.refusals += 1

    def must_open(self) -> bool:
        row = self.rule.consecutive
        if row is not None and len(self.ended) >= row and all(failed for _, failed, _ in self.ended[-row:]):
            return True
        young = [item for item in self.ended if item[0] > self.now - 8]
        failures, slow = sum(item[1] for item in young), sum(item[2] for item in young)
        enough = len(young) >= self.rule.minimum
        return enough and max(failures, slow) >= self.rule.failure_rate * len(young)

    @invariant()
    def agrees(self) -> None:
        """Both stand in the same state, with the same probes out."""
        if not hasattr(self, "circuit"):
            return
        probes = self.probing() if self.state == "half_open" else 0
        assert (self.circuit.state, self.circuit.out) == (self.state, probes)


TestCircuitAgainstOracle = CircuitMachine.TestCase


@pytest.mark.parametrize("outcomes", ["", "f" * 10])
def test_a_circuit_that_is_held_open_lets_nobody_in(outcomes: str) -> None:
    """Issue 14: an operator's word lasts; let go, the next call is a probe."""
    circuit = Circuit(RATE)
    play(circuit, outcomes)
    circuit.hold("open", 1000.0)
    held = circuit.admit(1e9)
    circuit.hold("auto", 2e9)

    assert held is None
    assert circuit.admit(2e9) is not None
    assert circuit.state == "half_open"


def test_a_circuit_that_is_held_closed_does_not_open() -> None:
    """Issue 14: whatever calls bring; let go, it learns as before."""
    circuit = opened()
    circuit.hold("closed", 1000.0)
    held = play(circuit, "f" * 20)
    circuit.hold("closed", 1000.0)
    circuit.hold("auto", 1000.0)

    assert held == "closed"
    assert play(circuit, "f") == "open"


def test_a_circuit_that_nobody_holds_is_let_go_without_effect() -> None:
    """An open one is probed at once; a closed one stays what it is."""
    circuit = Circuit(RATE)
    circuit.hold("auto", 1000.0)

    assert circuit.state == "closed"


def test_c4_what_comes_back_after_the_hold_teaches_nothing() -> None:
    """C4: it was sent into another world."""
    circuit = Circuit(RATE)
    ticket = circuit.admit(1000.0)
    assert ticket is not None
    circuit.hold("open", 1000.0)
    circuit.record(ticket, 1001.0, False, False, 0.0)

    assert circuit.state == "open"
