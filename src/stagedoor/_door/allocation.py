"""How much freed memory the C library keeps (mallopt(3); glibc alone has it).

By default what lies free at the end of its heap goes back to the kernel above 128 KiB, and comes again as pages that
have to be cleared: some 25 page faults for each 100 KB of a body that passes, a fifth of the time it takes. And once
large blocks have been freed, the library takes further ones of up to 32 MB from its heap, where they leave holes. Each
thread may get a heap of its own, with its own end and holes: fifty uploads that are written in threads cost twice the
memory that way.
"""

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD: Final = (-1, 16 * 1024 * 1024)
_MMAP_THRESHOLD: Final = (-3, 1024 * 1024)
_ARENA_MAX: Final = (-8, 2)


def keep_freed_memory() -> None:
    """Keep 16 MiB at the end of a heap, blocks of 1 MiB and above out of it, and two heaps in all."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, octets in (_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX):
            mallopt(option, octets)
