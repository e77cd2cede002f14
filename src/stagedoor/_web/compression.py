"""Answers in the coding that their client accepts, prepared once, off the event loop, and kept like any other answer.

    answer ─▶ may it? ─▶ which coding? ─▶ [ prepared before? ] ─▶ a thread ─▶ answer, or 304
    stream ─▶ may it? ─▶ which coding? ─▶ coded as it is sent (`coded_stream`)

What is prepared is kept by a digest of what it was made of, in the memory that bounds all answers, so that it is right
whoever asks and whenever the answer itself ends. What is too long to be prepared, or is handed on from a service, is
coded as it is sent, by so many at once as there is memory for; what comes above that leaves as it is.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final
from weakref import WeakSet

from stagedoor._cache.entry import Entry
from stagedoor._cache.memory import MemoryStore
from stagedoor._cache.store import StoredEntry
from stagedoor._requests import Headers
from stagedoor._web.answer import Repeat, WebAnswer, resolved, without_body
from stagedoor._web.coded_stream import CodedStream
from stagedoor._web.coders import CODERS, PIECEWISE
from stagedoor._web.coding import accepted_coding, is_compressible, selected, varied
from stagedoor._web.etags import coded_etag
from stagedoor._web.passed import as_passed, has_passed_forms, is_held, known_length
from stagedoor._web.request import listed
from stagedoor._web.routes import Route

__all__ = ["Compression", "has_forms"]

_KEEP: Final = 3_600.0  # seconds, if nobody needs the room
_SCHEMA: Final = "coded1"
_LARGEST: Final = 1_048_576  # octets of a body that is prepared: a larger one is kept by no store
_STREAMS: Final = 128  # that are coded at once, each with at most 0.8 MB


def has_forms(answer: WebAnswer, asked: bool | None) -> bool:
    """Tell whether an answer may be sent in other codings, as none with somebody else's tag; `asked` is its route's."""
    return (
        answer.status == 200
        and answer.stream is None
        and is_compressible(answer.headers, len(answer.body), asked)
        and (answer.etag is not None or not any(name == b"etag" for name, _ in answer.headers))
    )


class Compression:
    """Prepares and keeps the forms of answers."""

    def __init__(self, memory: MemoryStore, streams: int = _STREAMS) -> None:
        self._memory = memory
        self._most = streams
        self._streams = WeakSet[CodedStream]()  # one that nobody began, nor closed, takes no place
        self._making: dict[bytes, asyncio.Future[bytes]] = {}

    @property
    def under_way(self) -> int:
        """Return how many forms are being prepared."""
        return len(self._making)

    @property
    def streams(self) -> int:
        """Return how many streams are being coded."""
        return len(self._streams)

    async def coded(self, answer: WebAnswer, asked: bool | None, accepted: bytes | None) -> WebAnswer:
        """Return an answer that has forms as this client gets it.

        `asked` is what its route says, `accepted` what the client does.
        """
        coding = "" if accepted is None else selected(accepted)
        if not coding:
            return _varied(answer, "", answer.body, answer.repeat)
        etag = answer.etag and coded_etag(answer.etag, coding)
        if etag is not None and resolved(replace(answer, etag=etag)).status == 304 and answer.repeat is None:
            return _varied(answer, coding, answer.body, None)
        if len(answer.body) > _LARGEST:
            return self._streamed(answer, coding, _whole(answer.body), len(answer.body))
        return await self._prepared(answer, coding, shared=not asked)

    def passed(
        self, answer: WebAnswer, route: Route, method: str, headers: Mapping[bytes, bytes], fields: Headers
    ) -> WebAnswer:
        """Return a stream, or what a service answered, as this client gets it.

        `headers` are one of each of the request's fields, `fields` all lines.
        """
        said = dict(answer.headers)
        if answer.status == 304 and route.foreign:
            coding, condition = accepted_coding(headers, fields), listed(b"if-none-match", headers, fields)
            if is_held(said, coding, condition):
                return replace(answer, headers=without_body(varied(answer.headers, coding)))
        if not has_passed_forms(answer, said, route, headers):
            told = as_passed(answer.headers, said, route)
            return answer if told is answer.headers else replace(answer, headers=told)
        coding = accepted_coding(headers, fields) if answer.status == 200 else ""
        if not coding or method == "HEAD":
            return replace(answer, headers=varied(answer.headers, coding))
        source = _whole(answer.body) if answer.stream is None else answer.stream
        return self._streamed(answer, coding, source, known_length(answer, said))

    def _streamed(
        self, answer: WebAnswer, coding: str, source: AsyncIterator[bytes | memoryview], length: int | None
    ) -> WebAnswer:
        """Return an answer that is coded as it is sent, while there is room for one more such."""
        if len(self._streams) >= self._most:
            return replace(answer, headers=varied(answer.headers, ""), repeat=None)
        etag = answer.etag and coded_etag(answer.etag, coding)
        headers = varied(answer.headers, coding)
        fixed = length is not None and any(name == b"etag" and tag[:1] == b'"' for name, tag in headers)
        stream = CodedStream(source, PIECEWISE[coding], length, self._streams.discard, fixed=fixed)
        self._streams.add(stream)
        return WebAnswer(answer.status, headers, b"", stream, None, etag, answer.condition)

    async def _prepared(self, answer: WebAnswer, coding: str, *, shared: bool) -> WebAnswer:
        key = b"\0coded:%b:%b" % (coding.encode(), hashlib.blake2b(answer.body, digest_size=32).digest())
        held = self._memory.find(key) if shared else None
        body = await self._made(key, coding, answer.body) if held is None else held.entry.body
        if len(body) >= len(answer.body):
            return _varied(answer, "", answer.body, answer.repeat)
        if held is None and shared:
            self._memory.set(Entry(key, body, _KEEP, _SCHEMA), self._memory.purges.mark)
            held = self._memory.find(key)
        elsewhere = None if held is None else partial(self._memory.find, key)
        repeat = None if elsewhere is None else answer.repeat
        return _varied(answer, coding, body, repeat, elsewhere)

    async def _made(self, key: bytes, coding: str, body: bytes) -> bytes:
        """Return the body in a coding; who asks for the same meanwhile waits for the same."""
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(asyncio.to_thread(CODERS[coding], body))
            self._making[key] = making
            making.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(making)


def _varied(
    answer: WebAnswer,
    coding: str,
    body: bytes,
    repeat: Repeat | None,
    elsewhere: Callable[[], StoredEntry | None] | None = None,
) -> WebAnswer:
    """Return an answer in one of its codings, which says that there are others."""
    etag = answer.etag and coded_etag(answer.etag, coding)
    if repeat is not None:
        fields = varied(repeat.fields, coding)
        repeat = Repeat(repeat.kept, fields, repeat.told, body, etag, coding, True, elsewhere)
    headers = varied(answer.headers, coding)
    return WebAnswer(answer.status, headers, body, None, repeat, etag, answer.condition)


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is all here."""
    yield body
