"""What an upstream may make us hold or read before its answer counts as garbled (T18)."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one answer. Sizes are bytes.

    `head` also bounds what may arrive in a chunked body without being body: chunk extensions and trailers.
    `body` bounds bodies that are read whole, after decompression too; streamed ones are bounded by back-pressure.
    """

    head: int = 64 * 1024
    fields: int = 256
    interim: int = 16
    body: int = 16 * 1024 * 1024
