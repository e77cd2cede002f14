"""What a finished batch leaves behind: one file that is there whole or not at all.

The state is written after the index has confirmed a batch, so it may be behind the index and never ahead: after a
crash the last batch is repeated, which changes nothing. It names the versions of the indices it speaks of, and the
source, so that a state kept beside another index or another database is recognised, and everything begins anew.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from stagedoor._plain_file import read_plain

__all__ = ["Position", "State", "StateBroken", "read_state", "replace_file", "write_state"]

Position: TypeAlias = Mapping[str, Any]  # of a feed, which alone knows what is in it; JSON

_FORMAT = 1
_LARGEST = 2**30  # bytes: what is set aside stands in it


class StateBroken(ValueError):
    """Tell that a file is there and is no state."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the indices stand: which versions, of which source, up to which position of its changes.

    `untold` are cache tags that Redis has not heard of yet; `set_aside` are documents the index refused, by index
    and id, with the reason; `marks` are the positions that the indices carry themselves (`carried`).
    """

    source: str
    position: Position
    versions: Mapping[str, str]
    untold: tuple[str, ...] = ()
    set_aside: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Position] = field(default_factory=dict)


def read_state(path: Path) -> State | None:
    """Return the state; None if there is none. Raises `StateBroken` for a file that is something else."""
    try:
        held = json.loads(read_plain(path, _LARGEST))
        if held.pop("format") != _FORMAT:
            raise StateBroken("it is of another release")
        state = State(**held | {"untold": tuple(held["untold"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise StateBroken(f"{type(error).__name__}: {error}") from error
    parts = (state.position, state.versions, state.set_aside, state.marks)
    if not all(isinstance(part, dict) for part in parts):
        raise StateBroken("its parts are no objects")
    texts = (state.source, *state.untold, *state.versions.values(), *state.set_aside.values())
    if not all(isinstance(one, str) for one in texts):
        raise StateBroken("there is no text where one stands")
    return state


def write_state(path: Path, state: State) -> None:
    """Replace the state."""
    replace_file(path, json.dumps({"format": _FORMAT, **asdict(state)}, ensure_ascii=False))


def replace_file(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after a loss of power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:  # a full disk, mostly: leave nothing that takes its last room
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
