"""Serve memes or media in a process that kills itself where it is told to, or notes where it has been.

    python -m tests.live.killing.killed SERVICE FILE LINE before|during
    python -m tests.live.killing.killed SERVICE note PATH

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
from tests.live.killing.awaits import SOURCES, Source


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def soon() -> None:
    time.sleep(0.0015)
    die()


def tracing(source: Source, file: str, line: int, mode: str) -> Any:
    path = str(source.folder / file)

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_lineno == line:
            if mode == "before":
                die()
            threading.Thread(target=soon).start()
        return local

    return lambda frame, *_: local if frame.f_code.co_filename == path else None


def noting(source: Source, out: Path) -> Any:
    ours = {str(source.folder / file): file for file in source.files}
    seen: set[tuple[str, int]] = set()
    log = out.open("a", buffering=1)

    def local(frame: FrameType, event: str, _: object) -> Any:
        place = (ours[frame.f_code.co_filename], frame.f_lineno)
        if event == "line" and place not in seen:
            seen.add(place)
            log.write(f"{place[0]}:{place[1]}\n")
        return local

    return lambda frame, *_: local if frame.f_code.co_filename in ours else None


if __name__ == "__main__":
    service, *words = sys.argv[1:]
    source = SOURCES[service]
    noted = words[0] == "note"
    sys.settrace(
        noting(source, Path(words[1])) if noted else tracing(source, words[0], int(words[1]), words[2])
    )
    serve(load(None), service)
