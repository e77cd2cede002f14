"""Calls without an upstream, for testing a policy alone."""

from typing import TypeVar

from stagedoor._call import Call
from stagedoor._deadline import NEVER, DueTime

__all__ = ["call_of"]

P = TypeVar("P")


def call_of(
    payload: P,
    *,
    operation: str = "users.get",
    identity: str = "",
    deadline: DueTime = NEVER,
    idempotent: bool = True,
    attempt: int = 1,
) -> Call[P]:
    """Make a call as an upstream would, to try a policy alone; its key is the payload's representation."""
    return Call(
        operation=operation,
        payload=payload,
        key=repr(payload).encode(),
        identity=identity,
        deadline=deadline,
        idempotent=idempotent,
        attempt=attempt,
    )
