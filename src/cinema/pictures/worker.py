"""The process that pictures are decoded in: one that waits, and a fork of it for each picture.

Theory. Decoders are large programs in C, and files are hostile. A fork decodes one picture with 1 GiB of address space,
so much time, and no right to write more than the picture is long; the kernel ends it where it oversteps, and nobody
else is touched. Forking a process that has loaded Pillow takes two milliseconds where starting one takes a hundred.

A job is 256 octets of JSON on the socket that is this process's standard input, and three descriptors: the file, what
is to be written, and where the verdict goes. A fork that is ended says nothing; whoever asked sees the end of the pipe.
The process ends when the other side of the socket does.
"""

import gc
import json
import mmap
import os
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from cinema.pictures.bare import bared
from cinema.pictures.bounds import Bounds, NotAPicture, TooMuch
from cinema.pictures.decode import decode, shrink

__all__ = ["JOB", "judge", "main", "most_written", "thumbnail"]

JOB = 256  # octets of a message
_MEMORY = 1 << 30
_JUDGING = 1.7  # seconds of CPU: the contract says two, and the answer is to be there by then
_DRAWING = 6.0  # of a picture that was judged: decoding it, and averaging it
_WAITING = 4.0  # times as long by the clock: others may have the processor
_WRITES = 64 << 20  # octets, whatever is read: thumbnails are not always smaller


def main() -> None:
    """Fork for each job until nobody can send one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are nobody's to wait for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as jobs:
        while True:
            message, descriptors, _, _ = socket.recv_fds(jobs, JOB, 3)
            if not message:
                return
            if os.fork() == 0:
                _work(message, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)


def _work(message: bytes, descriptors: Sequence[int]) -> None:
    """Do one job in a fork, say how it went, and end without a word to anybody else."""
    try:
        source, target, answer = descriptors
        job = json.loads(message)
        _bind(_DRAWING if "width" in job else _JUDGING, most_written(os.fstat(source).st_size))
        verdict = _verdict(job, source, target)
        os.write(answer, json.dumps(verdict).encode())
    finally:
        os._exit(0)


def most_written(read: int) -> int:
    """Return the octets that may be written of a file of so many: what is stored is never longer than what was sent."""
    return max(_WRITES, read)


def _bind(seconds: float, writes: int) -> None:
    """Take no more than a picture may cost."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (writes, writes))
    signal.setitimer(signal.ITIMER_PROF, seconds)  # RLIMIT_CPU counts whole seconds
    signal.setitimer(signal.ITIMER_REAL, _WAITING * seconds)


def _verdict(job: Mapping[str, Any], source: int, target: int) -> dict[str, object]:
    try:
        if "width" in job:
            return {"drawn": thumbnail(source, target, job["format"], job["width"])}
        bounds = Bounds(pixels=job["pixels"])
        return {"format": judge(source, target, bounds)}
    except NotAPicture as error:
        return {"status": 415, "detail": str(error)}
    except TooMuch as error:
        return {"status": 422, "detail": str(error)}
    except MemoryError:
        return {"status": 422, "detail": "it takes too much memory to decode"}


def judge(source: int, target: int, bounds: Bounds) -> str:
    """Write what is the picture in one file into another, decode that, and return its format.

    Raises:
        NotAPicture: it is none, or not whole.
        TooMuch: it is over a bound.

    """
    if os.fstat(source).st_size == 0:
        raise NotAPicture("the file is empty")
    with os.fdopen(os.dup(target), "wb") as file:
        name, size, end = _write_bare(source, file, bounds)
    with os.fdopen(os.dup(target), "rb") as file:
        file.seek(0)
        decode(file, name, bounds)
    with os.fdopen(os.dup(target), "r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(end)
    return name


def _write_bare(source: int, file: BinaryIO, bounds: Bounds) -> tuple[str, int, bytes]:
    """Write a picture as it is to be judged; return its format, how much of that stays, and how it ends."""
    # Closed by whoever drops it last: errors on their way out still hold parts of it.
    bare = bared(memoryview(mmap.mmap(source, 0, access=mmap.ACCESS_READ)), bounds)
    file.writelines(bare.pieces.kept)
    size = file.tell()
    file.write(bare.pieces.probe)
    return bare.format, size, bare.pieces.end


def thumbnail(source: int, target: int, name: str, width: int) -> bool:
    """Draw a stored picture smaller; return False if it is no wider than that."""
    with os.fdopen(os.dup(source), "rb") as file, os.fdopen(os.dup(target), "wb") as drawn:
        file.seek(0)
        return shrink(file, name, width, drawn)


if __name__ == "__main__":
    main()
