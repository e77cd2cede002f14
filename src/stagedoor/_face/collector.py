"""When Python looks for cycles in a process that is a gateway's own.

What a request makes goes by itself, as soon as nobody refers to it. At the default of 700 new objects the collector
runs several times per answer over all requests under way: a tenth of the CPU of a cold one. While a gateway starts
nearly nothing is garbage, and looking for it again and again is an eighth of the start.
"""

import gc
from typing import Final

__all__ = ["hold_collector", "spare_collector"]

_RARELY: Final = (50_000, 20, 50)


def hold_collector() -> None:
    """Look for no cycles until the gateway has started: `spare_collector` ends it."""
    gc.disable()


def spare_collector() -> None:
    """Look for cycles rarely from now on, and never among what is there, which lives as long as the process."""
    gc.freeze()
    gc.set_threshold(*_RARELY)
    gc.enable()
