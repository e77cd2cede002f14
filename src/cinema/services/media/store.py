"""Where pictures lie: a local directory, or a bucket of any store that speaks S3 (obstore).

A picture is written at once or not at all: to a file beside its place that is renamed in the end, or by one request;
never in parts, since S3 keeps the parts of an upload that was given up. What a crash leaves of such a file is listed
under the name it would have had, and goes with it.
"""

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nsmallest
from io import FileIO
from pathlib import Path
from typing import Any, Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from cinema.checks import refusal
from cinema.services.frame import Outage
from cinema.services.lateness import told_when_late
from cinema.services.media.causes import SKEWED, why
from cinema.services.media.names import is_name
from cinema.settings import Settings, SettingsError
from stagedoor.errors import Reason

__all__ = ["S3", "Local", "Lying", "Objects", "objects_of"]

T = TypeVar("T")
_CHUNK: Final = 131_072
_HALF_WRITTEN: Final = re.compile(r"(?P<name>.+)#[0-9]+")  # how obstore calls a file before it is renamed
# A transfer may take as long as its client does; what is bounded is how long the store may say nothing.
_TIMES: Final = {"connect_timeout": "2s", "read_timeout": "20s", "timeout": "1day"}
_RETRIES: Final = 2
_ANSWER_SECONDS = 8.0  # retries included; the gateway waits for ten
_WRITE_SECONDS: Final = 30.0
_LIST_SECONDS: Final = 25.0
_CLOSED: Final = {
    errno.ENOSPC: "its disk is full",
    errno.EROFS: "its disk can only be read",
    errno.EACCES: "its folder may not be used by this user",
}


@dataclass(frozen=True, slots=True)
class Lying:
    """A picture in the store, and for how many seconds it has been there."""

    name: str
    age: float


class Objects:
    """Pictures by name. Each method raises `Outage` if the store does not answer."""

    ordered = True  # names come in order

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - obstore has a class for each kind, and no base class
        self._store = store
        self.tell: Callable[[], object] = _nobody  # called when an answer is late

    @property
    def raw(self) -> Any:  # noqa: ANN401 - as above
        """Return obstore's own object, for who asks what is wrong with it."""
        return self._store

    async def _asked(self, asked: Awaitable[T]) -> T:
        return await _answered(asked, _ANSWER_SECONDS, self.tell)

    async def put(self, name: str, body: memoryview) -> None:
        """Keep a picture; afterwards it is there whole."""
        written = obstore.put_async(self._store, name, body, use_multipart=False)
        await _answered(written, _WRITE_SECONDS, _nobody)  # a large one takes its time

    async def closed(self) -> str:
        """Say what keeps the store from taking pictures; "" if nothing does, or nobody knows without asking."""
        return ""

    async def size(self, name: str) -> int | None:
        """Return how many octets a picture has, None if there is none of this name."""
        with suppress(FileNotFoundError):
            return int((await self._asked(obstore.head_async(self._store, name)))["size"])
        return None

    async def read(self, name: str, first: int, size: int) -> AsyncIterator[bytes | memoryview] | None:
        """Return so many octets of a picture as a stream, None if there is none of this name.

        The stream raises `Outage` where it brings fewer or more.
        """
        if size == 0:
            return None
        with suppress(FileNotFoundError):
            options: Any = {"range": (first, first + size)}
            found = await self._asked(obstore.get_async(self._store, name, options=options))
            return _octets(found, size)
        return None

    async def delete(self, name: str) -> None:
        """Remove a picture; one that is not there is none the less removed."""
        with suppress(FileNotFoundError):
            await self._asked(obstore.delete_async(self._store, name))

    async def names(self, after: str, limit: int) -> Sequence[Lying]:
        """Return the pictures whose names come after another, in order, at most so many."""
        now, found = datetime.now(UTC), list[Lying]()
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                async for rows in obstore.list(self._store, offset=after if is_name(after) else None):
                    found += [
                        _lying(row, now) for row in rows if is_name(row["path"]) and row["path"] > after
                    ]
                    if self.ordered and len(found) >= limit:
                        break
        except (BaseError, OSError) as error:
            raise _outage(error) from error
        return nsmallest(limit, found, key=lambda one: one.name)

    async def check(self) -> None:
        """Look whether the store is there.

        Raises:
            SettingsError: there is no such bucket, or it is not for us.
            Outage: it does not answer.

        """
        await self._asked(obstore.list_with_delimiter_async(self._store, prefix="check"))


class S3(Objects):
    """A bucket."""

    def __init__(self, settings: Settings) -> None:
        endpoint = settings.media_s3_endpoint or ""
        options: Any = {**_TIMES, "allow_http": endpoint.startswith("http:")}
        retry: Any = {"max_retries": _RETRIES}
        super().__init__(
            S3Store(
                settings.media_s3_bucket,
                endpoint=endpoint,
                region=settings.media_s3_region or "",
                access_key_id=settings.media_s3_access_key or "",
                secret_access_key=settings.media_s3_secret_key or "",
                virtual_hosted_style_request=False,
                client_options=options,
                retry_config=retry,
            )
        )
        self._bucket = settings.media_s3_bucket

    async def check(self) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                with told_when_late(self.tell):
                    await obstore.list_with_delimiter_async(self._store, prefix="check")
        except (BaseError, OSError) as error:
            fault = _fault_of(str(error), self._bucket)
            if fault is None:
                raise _outage(error) from error
            raise SettingsError(fault) from None


class Local(Objects):
    """A directory of this machine."""

    ordered = False

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        super().__init__(LocalStore(folder.resolve()))

    async def put(self, name: str, body: memoryview) -> None:
        await self._look()  # else it would be made anew, on another disk than the one that is gone
        await super().put(name, body)

    async def size(self, name: str) -> int | None:
        size = await super().size(name)
        if size is None:
            await self._look()
        return size

    async def check(self) -> None:
        await self._look()
        await super().check()

    async def closed(self) -> str:
        return _CLOSED.get(await self._asked(asyncio.to_thread(refusal, self._folder)), "")

    async def _look(self) -> None:
        """Raise `Outage` if the whole folder has gone."""
        if not await self._asked(asyncio.to_thread(self._folder.is_dir)):  # a disk far away may hang
            raise Outage(
                "media_store", "the image store does not answer", ("unavailable", "its folder is not there")
            )

    async def read(self, name: str, first: int, size: int) -> AsyncIterator[bytes | memoryview] | None:
        if not await self.size(name):
            return None
        with suppress(FileNotFoundError):
            file = await self._asked(asyncio.to_thread((self._folder / name).open, "rb", buffering=0))
            return _FileReading(file, first, first + size, self._asked)
        return None

    async def delete(self, name: str) -> None:
        await super().delete(name)
        await asyncio.to_thread(self._delete_half_written, name)

    async def names(self, after: str, limit: int) -> Sequence[Lying]:
        found = [*await super().names(after, limit), *await asyncio.to_thread(self._half_written, after)]
        # Where one name has both, the younger counts: it is being written.
        youngest = {one.name: one for one in sorted(found, key=lambda one: -one.age)}
        return nsmallest(limit, youngest.values(), key=lambda one: one.name)

    def _half_written(self, after: str) -> list[Lying]:
        now, found = datetime.now(UTC).timestamp(), []
        for path in self._folder.iterdir():
            match = _HALF_WRITTEN.fullmatch(path.name)
            if match and is_name(match["name"]) and match["name"] > after:
                with suppress(FileNotFoundError):
                    found.append(Lying(match["name"], max(0.0, now - path.stat().st_mtime)))
        return found

    def _delete_half_written(self, name: str) -> None:
        for path in self._folder.glob(f"{name}#*"):
            path.unlink(missing_ok=True)


def _fault_of(said: str, bucket: str | None) -> str | None:
    """Return which setting an error speaks of, if it does; obstore has no classes for these answers to a list."""
    if "<Code>NoSuchBucket</Code>" in said:
        return f"MEDIA_S3_BUCKET: there is no bucket {bucket!r}; create it first"
    if SKEWED in said:  # a clock comes right by itself
        return None
    if "403 Forbidden" in said or "401 Unauthorized" in said:
        return f"MEDIA_S3_ACCESS_KEY, MEDIA_S3_SECRET_KEY: the bucket {bucket!r} is not for them"
    return None


def objects_of(settings: Settings) -> Objects:
    """Return the store that the settings describe; nothing is asked of it yet."""
    return S3(settings) if settings.media_store == "s3" else Local(settings.media_dir)


def _outage(error: BaseException) -> Outage:
    return Outage("media_store", "the image store does not answer", why(error))


def _nobody() -> None:
    """Tell nobody."""


async def _answered(asked: Awaitable[T], seconds: float, tell: Callable[[], object]) -> T:
    """Wait for the store; what it does not have is `FileNotFoundError`, any other failure an outage."""
    try:
        async with asyncio.timeout(seconds):
            with told_when_late(tell):
                return await asked
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise _outage(error) from error


async def _octets(found: Any, size: int) -> AsyncIterator[memoryview]:  # noqa: ANN401 - obstore's result
    """Yield what a store sends, which may be well formed and not what was asked for."""
    try:
        async for piece in found.stream(min_chunk_size=_CHUNK):
            size -= len(piece)
            if size < 0:
                raise _other_length()
            yield memoryview(piece)
    except (BaseError, OSError) as error:
        raise _outage(error) from error
    if size:
        raise _other_length()


def _other_length() -> Outage:
    why_not: tuple[Reason, str] = ("garbled", "its answer is not of the length that it says")
    return Outage("media_store", "the image store does not answer", why_not)


class _FileReading:
    """Octets of a file, piece by piece: obstore's own stream of a file takes eight times the CPU.

    The file stays open, so that who deletes it meanwhile cuts nobody's answer off.
    """

    def __init__(
        self, file: FileIO, first: int, end: int, asked: Callable[[Awaitable[bytes]], Awaitable[bytes]]
    ) -> None:
        self._file = file
        self._at = first
        self._end = end
        self._asked = asked

    def __aiter__(self) -> "_FileReading":
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end:
            await self.aclose()
            raise StopAsyncIteration
        try:
            piece = await self._asked(asyncio.to_thread(self._piece))
        except BaseException:
            await self.aclose()
            raise
        self._at += len(piece)
        return piece

    def _piece(self) -> bytes:
        piece = os.pread(self._file.fileno(), min(_CHUNK, self._end - self._at), self._at)
        if not piece:
            raise _other_length()
        return piece

    async def aclose(self) -> None:
        """Give the file back; what a thread still reads of it is for nobody."""
        self._file.close()


def _lying(row: Any, now: datetime) -> Lying:  # noqa: ANN401 - obstore's row
    return Lying(row["path"], max(0.0, (now - row["last_modified"]).total_seconds()))
