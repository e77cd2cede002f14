"""Upstreams that speak something else than HTTP: a search engine, a queue, a database, with the same policies."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from stagedoor._call import Env, Transport
from stagedoor._face.caller import caller_here
from stagedoor._face.places import Place
from stagedoor._face.remote import AnyPolicy

__all__ = ["Backend"]

P = TypeVar("P")
R = TypeVar("R")


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

    async def call(self, operation: str, payload: P, *, idempotent: bool | None = None) -> R:
        """Send a payload; `operation` is for metrics and logs, `idempotent` overrides what the transport says.

        Raises `UpstreamError`, and `RuntimeError` outside a request.
        """
        upstream: Any = caller_here().running.upstream(self)
        answer: R = await upstream.call(operation, payload, idempotent=idempotent)
        return answer

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"
