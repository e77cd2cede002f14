"""The door with a near cache: answers that it may give again by itself leave before any application is asked.

    octets ─▶ [ known octets ] ─▶ [ known outline ] ─▶ Reader ─▶ [ a head that is known ] ─▶ Exchange ─▶ application

Only a request that is alone is answered so: one that is the whole of what has arrived, on a connection where nothing is
under way, waits or is written slowly, in a process that is not stopping and has room. Everything else goes the long
way, where order, room and time are kept.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from stagedoor._door.config import DoorConfig, NearAnswers
from stagedoor._door.guards import split_target
from stagedoor._door.outline import outline_of
from stagedoor._door.protocol import DoorProtocol
from stagedoor._door.reader import Head

if TYPE_CHECKING:
    from uvicorn.server import ServerState

__all__ = ["NearDoorProtocol"]

_METHODS: Final = frozenset({"GET", "HEAD"})
_END_OF_LINE: Final = b"\r\n"
_VERSION: Final = b" HTTP/1.1"


class NearDoorProtocol(DoorProtocol):
    """One connection, whose kept answers leave at once."""

    __slots__ = ("_arrived", "_near", "_outline")

    def __init__(
        self,
        config: DoorConfig,
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._near = config.near()
        self._arrived = b""  # what is read now, if it may be a request that is alone and known
        self._outline: bytes | None = None  # of what has arrived

    def data_received(self, data: bytes) -> None:
        """Answer what came before just so, or read it."""
        near = self._near
        # Behind a part of a head, what has arrived may be the rest of it and more, and as long as all of it.
        if near is None or not (self._reader.is_empty() and self._is_free()):
            DoorProtocol.data_received(self, data)
            return
        whole = near.known(data, self._client, self._state.default_headers)
        if whole is None:
            whole = self._alike(near, data)
        if whole is None:
            DoorProtocol.data_received(self, data)
        else:
            self._give(whole)
        self._arrived = b""

    def _alike(self, near: NearAnswers, data: bytes) -> bytes | None:
        """Return the answer to a head of a known outline; what no answer is known for costs one look."""
        self._outline, self._arrived = None, data
        if not data.startswith(b"GET "):
            return None
        permitted, tight = near.permits(data[4 : data.find(b" ", 4)]), near.shedding.may_refuse()
        if not (permitted or tight):
            self._arrived = b""  # `begin` would find nothing more
            return None
        self._outline = outline = outline_of(data, self._limits, near.deciding)
        if outline is None:
            return None
        second = self._state.default_headers
        whole = near.alike(outline, data, self._client, second) if permitted else None
        return self._refused(near, outline, data) if whole is None and tight else whole

    def _refused(self, near: NearAnswers, outline: bytes, data: bytes) -> bytes | None:
        """Return the refusal of a head that is like one that was refused, wherever each of them leads."""
        line, end, others = outline.partition(_END_OF_LINE)
        if not line.endswith(_VERSION) or len(line) + len(end) > self._limits.request_line:
            return None
        target = split_target(line[4 : -len(_VERSION)])
        if target is None or not line.startswith(b"GET /"):
            return None
        return near.shedding.refusal_alike(others, target.raw_path, data, self._state.default_headers)

    def begin(self, head: Head) -> None:
        """Answer a request that is alone and known, or serve it."""
        near, arrived = self._near, self._arrived
        if near is None or head.size != len(arrived) or head.method not in _METHODS:
            DoorProtocol.begin(self, head)
            return
        target = head.target
        plain = head.version == "1.1" and head.keep_alive and target.authority is None
        whole = (
            near.find(
                head.method,
                target.raw_path,
                target.query,
                head.fields,
                arrived,
                self._outline,
                self._client,
                self._state.default_headers,
            )
            if plain
            else None
        )
        if whole is None and plain and head.method == "GET":
            whole = near.shedding.refusal(
                target.raw_path, head.fields, self._others(target.raw_path), self._state.default_headers
            )
        if whole is None:
            DoorProtocol.begin(self, head)
        else:
            self._give(whole)

    def _others(self, path: bytes) -> bytes | None:
        """Return the outline without the request line; None if it speaks for no other path: probes name any host."""
        if self._outline is None or path.startswith(self._limits.exempt):
            return None
        return self._outline.partition(_END_OF_LINE)[2]

    def _is_free(self) -> bool:
        """Tell whether an answer may leave at once, and the connection goes on after it."""
        config = self._config
        return (
            self._active is None
            and self._refusal is None
            and not self.paused
            and not config.draining
            and len(self._connections) < config.roomy
            and not self._transport.is_closing()
        )

    def _give(self, whole: bytes) -> None:
        self._timeouts.written += len(whole)
        self._transport.write(whole)
        self._state.total_requests += 1
        self._timeouts.enter("idle", self._loop.time())
