"""What the door is told before it opens: the application, what it tells and asks, and the bounds it keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import uvicorn

from stagedoor._asgi import Application
from stagedoor._door.connection_limiter import ConnectionLimiter
from stagedoor._door.limits import DoorLimits
from stagedoor._ids import fresh_request_id
from stagedoor._problems import ProblemDetails

__all__ = ["ARRIVE_SECONDS", "GRACE", "DoorConfig", "NearAnswers", "ServerHooks"]

GRACE: Final = 10.0  # seconds that a stop may take
ARRIVE_SECONDS: Final = (
    0.02  # from the last SYN let in to the end of its handshake, and until its connection is taken up
)
_BACKLOG: Final = 4_096
# By name: the protocol reads this configuration, not the other way round.
_PROTOCOL: Final = "stagedoor._door.near:NearDoorProtocol"


Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
Peer: TypeAlias = tuple[str, int] | None


class Refusals(Protocol):
    """Who knows whole refusals of what there is no time for; whoever returns one has counted it."""

    def may_refuse(self) -> bool:
        """Tell whether anybody may be refused now, so that it is worth while to ask."""
        ...

    def refusal_alike(self, outline: bytes, path: bytes, octets: bytes, second: Fields) -> bytes | None:
        """Return the refusal of a GET whose outline, its request line apart, came before; None: read it."""
        ...

    def refusal(self, path: bytes, fields: Fields, outline: bytes | None, second: Fields) -> bytes | None:
        """Return the refusal of a GET that was read and found good; None: ask the application.

        With an outline, its request line apart, it speaks for all heads that have it.
        """
        ...


class NearAnswers(Protocol):
    """Who knows whole answers that the door may give without asking the application.

    `second` are the fields of every answer, a new list each second; whoever returns an answer has counted it.
    `deciding` are the names of the fields, in lower case, that an answer may depend on; one that ends in `*` stands for
    all that begin so.
    """

    deciding: frozenset[bytes]

    @property
    def shedding(self) -> Refusals:
        """Who refuses."""
        ...

    def known(self, octets: bytes, peer: Peer, second: Fields) -> bytes | None:
        """Return the answer to a head that came before just so; None: read it."""
        ...

    def permits(self, target: bytes) -> bool:
        """Tell whether answers to a target may be known, so that it is worth while to look for its outline."""
        ...

    def alike(self, outline: bytes, octets: bytes, peer: Peer, second: Fields) -> bytes | None:
        """Return the answer to a head whose outline came before (see `outline`); None: read it."""
        ...

    def find(
        self,
        method: str,
        path: bytes,
        query: bytes,
        fields: Fields,
        octets: bytes,
        outline: bytes | None,
        peer: Peer,
        second: Fields,
    ) -> bytes | None:
        """Return the answer to a head that was read and found good; None: ask the application.

        With an outline, it speaks for all heads that have it.
        """
        ...


def _ignore(problem: ProblemDetails, request_id: str) -> None:
    """Tell nobody of a refusal."""


def _nothing() -> None:
    """Have nothing to do when a stop begins, and no near cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHooks:
    """An application and what its door tells and asks.

    `refused` hears of each request that was turned away before the application; `drain` is called when a stop
    begins, while requests are still answered; `new_id` makes the ids of refusals. `near` returns the near cache of
    the application that is served when a connection comes, None for none.
    """

    app: Application
    refused: Callable[[ProblemDetails, str], None] = _ignore
    drain: Callable[[], object] = _nothing
    new_id: Callable[[], str] = fresh_request_id
    near: Callable[[], NearAnswers | None] = _nothing


class DoorConfig(uvicorn.Config):
    """uvicorn's configuration, with the door's limits; travels to worker processes."""

    def __init__(
        self,
        app: Application | ServerHooks | str,
        *,
        limits: DoorLimits,
        namespace: str,
        host: str,
        port: int,
        workers: int = 1,
    ) -> None:
        self.limits = limits
        self.limiter = ConnectionLimiter(limits.per_client, limits.proxies) if limits.per_client else None
        self.namespace = namespace
        self.roomy = limits.roomy
        self.draining = False  # a stop is under way: each answer is its connection's last
        self.entrance = app if isinstance(app, ServerHooks) else None
        super().__init__(
            app.app if isinstance(app, ServerHooks) else app,
            http=_PROTOCOL,
            ws="none",
            interface="asgi3",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            factory=isinstance(app, str),
            host=host,
            port=port,
            workers=workers,
            loop="uvloop",
        )

    def load(self) -> None:
        """Load the application; a factory may make an entrance or a bare application."""
        super().load()
        if isinstance(self.loaded_app, ServerHooks):
            self.entrance = self.loaded_app
            self.loaded_app = self.entrance.app
        entrance = self.entrance or ServerHooks(app=self.loaded_app)
        self.refused, self.drain, self.new_id = entrance.refused, entrance.drain, entrance.new_id
        self.near = entrance.near
