"""The key of a call: what tells it apart from every other, made when somebody asks and never missing.

`Upstream` makes it beforehand where it sees who needs it. It cannot see into a policy of one's own, or a transport that
keeps answers: so those who compare keys ask here. Two calls without a key would be equal whatever they carry, and one
would get the other's answer.
"""

from typing import TypeVar

from stagedoor._call import Call
from stagedoor.errors import ConfigError

__all__ = ["keyed"]

P = TypeVar("P")


def keyed(call: Call[P]) -> Call[P]:
    """Return the call with the key of the payload it carries now; raises `ConfigError` if it has none of bytes.

    A payload that was changed on the way is keyed anew; what a policy put into the key by itself stays part of it.
    """
    before, make = call.key, call.key_of
    if type(before) is not bytes:
        raise _no_bytes(call, before)
    if before and (make is None or call.keyed is call.payload):
        return call
    made = b"" if make is None else make(call.payload)
    if not made:
        raise ConfigError(
            f"{call.operation}: the call has no key, so it cannot be told from others; "
            "make calls by an Upstream, or give them a key"
        )
    if type(made) is not bytes:
        raise _no_bytes(call, made)
    key = b"%d:%b%b" % (len(before), before, made) if before else made
    # By position, for every call that is joined: `replace` takes ten times as long.
    return Call(
        call.operation,
        call.payload,
        key,
        call.identity,
        call.deadline,
        call.idempotent,
        call.attempt,
        call.key_of,
        call.payload,
    )


def _no_bytes(call: Call[P], key: object) -> ConfigError:
    return ConfigError(f"{call.operation}: the key of a call is bytes, not {type(key).__name__}")
