"""What each index says of itself: of which source it is, and up to which of its changes it was filled.

Theory. The state lies beside the index and may be parted from it: a folder or a snapshot is put back, an index is
copied, a second one is given the state of the first. So each batch, when it has committed, marks the versions that it
has reached with its position, and notes in the state what they say now. Where one says something else, it was filled up
to another place; what is in it is known all the same, and everything is followed from the earliest of all places. A
batch that died behind its marks is repeated in the same way. An index without a mark, of another source, or of a
position that the source does not know any more, is built anew.
"""

import json
from typing import NamedTuple

from cinema.etl.state import Position

__all__ = ["Carried", "carried_in", "text_of"]


class Carried(NamedTuple):
    """What an index says of itself."""

    source: str
    position: Position


def text_of(carried: Carried) -> str:
    """Return what is kept with an index."""
    return json.dumps(carried._asdict(), ensure_ascii=False)


def carried_in(text: str) -> Carried | None:
    """Return what a text that was kept with an index says; None if it is another one."""
    try:
        carried = Carried(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
    return carried if isinstance(carried.position, dict) else None
