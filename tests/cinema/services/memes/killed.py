"""Serve memes in a process of its own that kills itself where it is told to, or notes where it has been.

    python -m tests.cinema.services.memes.killed FILE LINE before|during
    python -m tests.cinema.services.memes.killed note PATH

`before` is before the await has begun, `during` while whatever it waits for is under way.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from cinema.services.serve import serve
from cinema.settings import load
from tests.cinema.services.memes.awaits import FILES, FOLDER

OURS = {str(FOLDER / file): file for file in FILES}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def soon() -> None:
    time.sleep(0.0015)
    die()


def tracing(file: str, line: int, mode: str) -> Any:
    path = str(FOLDER / file)

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_lineno == line:
            if mode == "before":
                die()
            threading.Thread(target=soon).start()
        return local

    return lambda frame, *_: local if frame.f_code.co_filename == path else None


def noting(out: Path) -> Any:
    seen: set[tuple[str, int]] = set()
    log = out.open("a", buffering=1)

    def local(frame: FrameType, event: str, _: object) -> Any:
        place = (OURS[frame.f_code.co_filename], frame.f_lineno)
        if event == "line" and place not in seen:
            seen.add(place)
            log.write(f"{place[0]}:{place[1]}\n")
        return local

    return lambda frame, *_: local if frame.f_code.co_filename in OURS else None


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.settrace(noting(Path(words[1])) if words[0] == "note" else tracing(words[0], int(words[1]), words[2]))
    serve(load(None), "memes")
