"""The error tree and what its docstring promises."""

import pytest

from stagedoor import errors
from stagedoor._requests import HttpResponse
from stagedoor.errors import (
    CircuitOpen,
    ConfigError,
    Overloaded,
    StagedoorError,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)


def drawn() -> dict[str, tuple[str, str]]:
    """Read the tree of the docstring: each name with its parent and what stands in its line."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    rows: dict[str, tuple[str, str]] = {}
    path: list[tuple[int, str]] = []
    for line in lines:
        name, depth = line.split()[0], len(line) - len(line.lstrip())
        path = [(level, parent) for level, parent in path if level < depth]
        rows[name] = (path[-1][1] if path else "Exception", line)
        path.append((depth, name))
    return rows


def test_the_tree_is_as_drawn() -> None:
    """The docstring is what people read; it must not lie."""
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, StagedoorError)
    }

    assert {name: parent for name, (parent, _) in drawn().items()} == real


@pytest.mark.parametrize(
    "kind",
    [UpstreamTimeout, UpstreamUnavailable, CircuitOpen, Overloaded, UpstreamRejected, UpstreamGarbled],
)
def test_each_error_gives_the_reason_that_is_drawn(kind: type[UpstreamError]) -> None:
    """Verdicts, logs and metrics carry the reason."""
    assert f" {kind.reason} " in f"{drawn()[kind.__name__][1]} "


def test_an_error_answers_what_policies_ask() -> None:
    """By default nothing may be repeated, and nobody said anything."""
    plain = UpstreamTimeout("users.get")
    said = UpstreamUnavailable(
        "users.get", "503", retryable=True, retry_after=2.0, response=HttpResponse(status=503)
    )

    assert (plain.operation, plain.retryable, plain.retry_after, plain.response) == (
        "users.get",
        False,
        None,
        None,
    )
    assert (said.retryable, said.retry_after, said.response) == (True, 2.0, HttpResponse(status=503))


def test_an_error_reads_as_a_sentence() -> None:
    """What was called, and what went wrong: the detail, or else the reason."""
    texts = [str(UpstreamTimeout("users.get")), str(UpstreamUnavailable("users.get", "connection refused"))]

    assert texts == ["users.get: timeout", "users.get: connection refused"]


def test_one_root_catches_everything_on_purpose() -> None:
    """And only that: a bug in between passes by."""
    assert issubclass(UpstreamError, StagedoorError)
    assert issubclass(ConfigError, StagedoorError)
    assert not issubclass(ValueError, StagedoorError)
