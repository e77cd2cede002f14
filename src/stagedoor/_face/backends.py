"""Upstreams that speak something else than HTTP: a search engine, a queue, a database, with the same policies."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from stagedoor._call import Env, Transport
from stagedoor._face.caller import caller_here
from stagedoor._face.places import Place
from stagedoor._face.remote import AnyPolicy
from stagedoor.errors import ConfigError

__all__ = ["Backend"]

P = TypeVar("P")
R = TypeVar("R")
_PROMISED: Final = ("send", "key_of", "idempotent", "aclose")


class Backend(Generic[P, R]):
    """An upstream with a transport of one's own, made by `Gateway.upstream`."""

    def __init__(
        self,
        name: str,
        make: Callable[[Env], Transport[P, R]],
        *,
        label: str,
        health: P | None,
        attempt: float | None,
        policies: Sequence[AnyPolicy] | None,
        place: Place,
    ) -> None:
        self.name = name
        self.make = make
        self.label = label or name
        self.health = health
        self.attempt = attempt
        self.policies = policies
        self.place = place

    def transport(self, env: Env) -> Transport[P, R]:
        """Make a transport of its own for a gateway at work; raises `ConfigError` for what is none."""
        made: object = self.make(env)
        lacking = [name for name in _PROMISED if not callable(getattr(made, name, None))]
        if lacking:
            raise ConfigError(
                f"{self.place}: upstream {self.name!r}: make returns a Transport, not {type(made).__name__}, "
                f"which lacks {', '.join(lacking)}"
            )
        return cast("Transport[P, R]", made)

    async def call(self, operation: str, payload: P, *, idempotent: bool | None = None) -> R:
        """Send a payload; `operation` is for metrics and logs, `idempotent` overrides what the transport says.

        Raises `UpstreamError`, and `RuntimeError` outside a request.
        """
        upstream: Any = caller_here().running.upstream(self)
        answer: R = await upstream.call(operation, payload, idempotent=idempotent)
        return answer

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"
