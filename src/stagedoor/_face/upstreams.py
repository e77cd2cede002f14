"""What a gateway declares of those that it asks: services, upstreams of another kind, sources of one's own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ParamSpec, TypeVar, overload

from stagedoor._call import Env, Transport
from stagedoor._face.backends import Backend
from stagedoor._face.cache import Cache
from stagedoor._face.declared import (
    Source,
    validate_async,
    validate_plain,
    validate_policies,
    validate_seconds,
    validate_takes,
    validate_unnamed,
)
from stagedoor._face.fields import Cookie, checked_set
from stagedoor._face.options import validate_flags
from stagedoor._face.places import here, place_of_code
from stagedoor._face.remote import AnyPolicy
from stagedoor._face.service import Service
from stagedoor._face.sessions import Sessions
from stagedoor._face.settings import validate_url
from stagedoor._face.sources import wrapped
from stagedoor.errors import ConfigError

__all__ = ["Upstreams"]

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
R = TypeVar("R")


class Upstreams:
    """What a gateway asks, as declared."""

    def __init__(self) -> None:
        self.services: list[Service] = []
        self.sources: list[Source] = []
        self.backends: list[Backend[Any, Any]] = []

    def service(  # noqa: PLR0913 - each is a word of the declaration
        self,
        name: str,
        url: str = "",
        *,
        forward: AbstractSet[str | Cookie | Sessions] = frozenset(),
        headers: Mapping[str, str] | None = None,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
        coalesce: bool = True,
        label: str = "",
        health: str = "",
        connections: int = 100,
        connect: float = 0.05,
        decompress: bool = False,
    ) -> Service:
        """Declare an upstream and return its typed client.

        Of the caller's fields it sees request id, trace, and those in `forward`; `headers` are sent with every call.
        `Sessions` in `forward` are sent as their access token, on routes that they guard.
        `attempt` is the time-out of one attempt in seconds; unless given, what the screens that use it leave for it.
        `policies` replace the ordinary ones, outermost first; `cache` keeps answers; `coalesce` joins equal questions.
        `label` is what metrics and health call it, its name unless given. `health` is a path that must be there; unless
        given /health is asked, and a service without one counts as well. At most so many `connections` are open, each
        made within `connect` seconds. `decompress` asks for gzip or deflate and decodes whole answers, bounded: for
        one that is far away. Raises `ConfigError`.
        """
        place = here()
        given: object = name
        if not isinstance(given, str) or not given.isidentifier():
            raise ConfigError(f"{place}: a service's name is an identifier such as 'accounts', not {name!r}")
        if url:
            validate_url(url, f"{place}: service {name!r}")
        validate_seconds(attempt, "attempt", place)
        unsaid: object = connect
        validate_seconds(0.0 if unsaid is None else connect, "connect", place)
        validate_unnamed(cache, place)
        validate_policies(policies, place, attempt)
        said: object = headers
        if said is not None and not isinstance(said, Mapping):
            raise ConfigError(f'{place}: headers are a mapping, as in {{"x-shop": "1"}}, not {said!r}')
        validate_flags(place, coalesce=coalesce, decompress=decompress)
        if type(connections) is not int or connections < 1:
            raise ConfigError(f"{place}: connections={connections!r} is a whole number, 1 or more")
        service = Service(
            name,
            url,
            forward=checked_set(forward, f"{place}: forward"),
            headers=headers or {},
            attempt=attempt,
            policies=policies,
            cache=cache,
            coalesce=coalesce,
            label=label,
            health=health,
            pool=(connections, connect, decompress),
            place=place,
        )
        self.services.append(service)
        return service

    def upstream(
        self,
        name: str,
        make: Callable[[Env], Transport[Q, R]],
        *,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        label: str = "",
        health: Q | None = None,
    ) -> Backend[Q, R]:
        """Declare an upstream that speaks something else than HTTP: `make` returns its transport.

        `health` is the payload that a probe sends; without one /health does not show it. `attempt`, `policies` and
        `label` are as those of a service. Raises `ConfigError`.
        """
        place = here()
        given: object = name
        if not isinstance(given, str) or not given.isidentifier():
            raise ConfigError(f"{place}: an upstream's name is an identifier such as 'search', not {name!r}")
        validate_seconds(attempt, "attempt", place)
        validate_policies(policies, place, attempt)
        validate_takes(make, "make", ("the Env",), place)
        validate_plain(make, "make", place)
        backend = Backend(
            name, make, label=label, health=health, attempt=attempt, policies=policies, place=place
        )
        self.backends.append(backend)
        return backend

    @overload
    def source(self, function: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def source(
        self,
        /,
        *,
        safe: bool = False,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]: ...
    def source(
        self,
        function: Callable[P, Awaitable[T]] | None = None,
        /,
        *,
        safe: bool = False,
        attempt: float | None = None,
        policies: Sequence[AnyPolicy] | None = None,
        cache: Cache | None = None,
    ) -> Callable[P, Awaitable[T]] | Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Put policies, events and health round an `async def` of one's own (SQL, gRPC, a library).

        Only a `safe` one is repeated, joined or kept. Raises `ConfigError`.
        """
        place = here()
        validate_seconds(attempt, "attempt", place)
        validate_unnamed(cache, place)
        validate_policies(policies, place, attempt)
        validate_flags(place, safe=safe)
        if cache is not None and not safe:
            raise ConfigError(f"{place}: only a safe source is kept: say safe=True")

        def declare(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            validate_async(call, "source", place)
            declared = Source(
                function=call,
                safe=safe,
                attempt=attempt,
                policies=policies,
                cache=cache,
                place=place_of_code(call),
            )
            self.sources.append(declared)
            return wrapped(declared, call)

        return declare if function is None else declare(function)
