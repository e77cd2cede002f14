"""Ids of requests: which of a client's is kept, and how a new one is made."""

import random
import re
from typing import Final

__all__ = ["fresh_request_id", "randbytes", "request_id_of"]

_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Ids must be unlike one another, not unguessable; asking the system for each would cost a switch of threads.
randbytes: Final = random.Random().randbytes  # noqa: S311 - see above


def request_id_of(raw: bytes | None, fresh: str) -> str:
    """Keep a well-formed incoming request id, the last one given, else take the fresh one."""
    if raw is not None and _WELL_FORMED.fullmatch(raw):
        return raw.decode()
    return fresh


def fresh_request_id() -> str:
    """Return an id for a request that brought none."""
    return randbytes(16).hex()
