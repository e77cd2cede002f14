"""What the pure guards say of targets and fields."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor._door.guards import judge, split_target
from stagedoor._door.limits import DoorLimits
from tests.growth import QUADRATIC, growth


@given(st.binary(max_size=200))
def test_t8_a_target_is_taken_apart_without_loss_or_refused(target: bytes) -> None:
    """T8: path and query together are what was sent, byte for byte."""
    found = split_target(b"/" + target)

    if found is not None:
        again = found.raw_path + (b"?" + found.query if b"?" in target else b"")
        assert again == b"/" + target


@given(
    st.lists(st.sampled_from(["a", "@", ":", "80", "[::1]", "/", "?", "#", "evil", "%40", "x"]), max_size=6)
)
@example(["a", "@", "evil", "/", "x"])
@example(["a", ":", "80", "@", "evil"])
def test_t15_the_host_of_an_absolute_target_is_the_one_that_others_read(pieces: list[str]) -> None:
    """B4: what another URI parser takes for user information is accepted by nobody, whatever stands around it."""
    target = "http://" + "".join(pieces)
    found = split_target(target.encode())

    if found is not None:
        theirs = urlsplit(target)
        assert (found.authority or b"").decode() == theirs.netloc
        assert "@" not in theirs.netloc
        assert found.raw_path.decode() == theirs.path or theirs.path == ""


@given(st.lists(st.sampled_from(["a", "/", "%2f", "%2F", "%2e", "..", ".", "%5c", "%00", "%25", ";", "//"])))
def test_t8_an_encoded_slash_never_becomes_a_segment(pieces: list[str]) -> None:
    """T8: the decoded path has as many slashes as the raw one."""
    found = split_target(b"/" + "".join(pieces).encode())

    assert found is not None
    assert found.path.count("/") == found.raw_path.count(b"/")


@pytest.mark.parametrize(
    ("before", "piece", "after"),
    [(b"/", b"aaa", b"#"), (b"/", b"%41", b"%"), (b"/?", b"aaa", b"\xff"), (b"http://", b"aaa", b" /")],
)
def test_t10_targets_are_judged_in_linear_time(before: bytes, piece: bytes, after: bytes) -> None:
    """T10: no pattern backtracks over a long target."""
    found = split_target(before + piece * 10_000 + after)

    assert found is None or found.authority is not None
    assert growth(lambda times: split_target(before + piece * times + after), 10_000) < QUADRATIC


@given(st.binary(max_size=50))
def test_t22_any_host_is_judged_without_failing(host: bytes) -> None:
    """T22: junk is 400; what passes is printable and has no blank, slash or user info."""
    target = split_target(b"/")
    problem = judge(b"GET", "1.1", target, [(b"host", host)], DoorLimits())

    assert (problem is None) or problem.status == 400
    assert problem is not None or not set(host) & set(b" /@\\\t\r\n\0#?")


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", ""])
def test_other_versions_are_not_spoken(version: str) -> None:
    """Only 1.0 and 1.1."""
    problem = judge(b"GET", version, split_target(b"/"), [(b"host", b"a")], DoorLimits())

    assert problem is not None
    assert problem.status == 400


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        (b"shop.example", b"/", 0),
        (b"SHOP.example:8000", b"/", 0),
        (b"[::1]:8000", b"/", 0),
        (b"evil.example", b"/", 421),
        (b"shop.example.evil.example", b"/", 421),
        (b"10.0.0.7:8000", b"/health/ready", 0),
        (b"10.0.0.7:8000", b"/metrics", 0),
    ],
)
def test_t22_a_host_that_is_not_named_is_misdirected(host: bytes, path: bytes, status: int) -> None:
    """T22, contract 16: but health and metrics are asked by address."""
    limits = DoorLimits(hosts=frozenset({"shop.example", "[::1]"}))
    problem = judge(b"GET", "1.1", split_target(path), [(b"host", host)], limits)

    assert (0 if problem is None else problem.status) == status
