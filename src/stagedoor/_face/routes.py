"""What a gateway declares of those that ask it: screens, handlers, passages."""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, LiteralString, ParamSpec, TypeVar

from pydantic import BaseModel

from stagedoor._context import WEIGHTS, Priority
from stagedoor._face.aggregates import Aggregate
from stagedoor._face.cache import Cache
from stagedoor._face.declared import (
    Handler,
    Passage,
    tags_of,
    validate_async,
    validate_cache,
    validate_operation,
    validate_seconds,
)
from stagedoor._face.fields import Cookie, checked_set, field_name
from stagedoor._face.guards import Guard, validate_guard
from stagedoor._face.operation import Operation
from stagedoor._face.options import validate_flags, words
from stagedoor._face.places import Place, here, place_of_code
from stagedoor._face.service import Service
from stagedoor._face.templates import route_names
from stagedoor.errors import ConfigError

__all__ = ["Routes"]

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
_LARGE = 1_048_576
_LONGEST_UPLOAD = 86_400.0
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Routes:
    """What a gateway answers, as declared."""

    def __init__(self) -> None:
        self.aggregates: list[Aggregate[Any]] = []
        self.handlers: list[Handler] = []
        self.passages: list[Passage] = []

    def aggregate(
        self,
        path: LiteralString,
        model: type[M],
        *,
        vary: AbstractSet[str | Cookie] = frozenset(),
        cache: Cache | None = None,
        deadline: float | None = None,
        stale_before_partial: bool = False,
        deprecated: bool = False,
        reserve: float | None = None,
        tags: Sequence[str] = (),
        guard: Guard | None = None,
        priority: Priority = "detail",
        compress: bool | None = None,
    ) -> Aggregate[M]:
        """Declare a screen: one typed answer made of parts.

        With the path "" it has no route of its own: handlers `run` it, so that several routes can show one kept answer
        in their ways. `vary` says what of the caller identifies it; nothing: public. A part that would forward a field
        the screen does not vary by is refused before it is sent. `stale_before_partial` lets a whole older answer in
        its stale-if-error window go before a new partial one. `reserve` is the seconds of the deadline that rendering
        and the way back take; the parts have the rest. `tags` group it in documents. `priority` says who goes
        first where not all can be served. `guard` says who may come in, and who
        that is identifies the answer. `compress` as for `get`. Raises `ConfigError`.
        """
        place = here()
        _validate_priority(priority, place)
        validate_seconds(deadline, "deadline", place)
        validate_cache(cache, place)
        validate_seconds(reserve, "reserve", place)
        validate_guard(guard, place)
        validate_flags(
            place, stale_before_partial=stale_before_partial, deprecated=deprecated, compress=compress
        )
        if path:
            route_names(path, str(place))
        aggregate = Aggregate(
            path,
            model,
            vary=checked_set(vary, f"{place}: vary"),
            cache=cache,
            deadline=deadline,
            stale_before_partial=stale_before_partial,
            deprecated=deprecated,
            reserve=reserve,
            tags=words(tags, "tags", place),
            guard=guard,
            priority=priority,
            place=place,
        )
        aggregate.compress = compress
        self.aggregates.append(aggregate)
        return aggregate

    def get(
        self,
        path: LiteralString,
        *,
        cache: Cache | None = None,
        vary: AbstractSet[str | Cookie] = frozenset(),
        deadline: float | None = None,
        deprecated: bool = False,
        live: bool = False,
        etag: bool = False,
        tags: Sequence[str] = (),
        guard: Guard | None = None,
        priority: Priority = "detail",
        compress: bool | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of GET and HEAD. Raises `ConfigError`.

        Names in the path are path parameters; `Annotated[str, Header()]` and `Annotated[str, Cookie("sid")]` are
        fields; an argument of the type `Running` is the gateway at work; all else is the query. It returns a value,
        None (204) or an `Answer`; bytes with a content type of their own go as they stand. A `live` one answers however
        often a client has asked, and however much there is to do; the others by their `priority`. With `etag` its
        answers carry an entity tag, and who holds one already is answered 304 (RFC 9110 13.1.2). `tags` group it in
        documents. Text and JSON of 1 KB and more leave compressed where everybody may see them; with `compress` also
        what is private or not kept, which must not show a secret beside what a stranger chose (BREACH); False: never.
        """
        place = here()
        _validate_priority(priority, place)
        validate_cache(cache, place)
        validate_flags(place, deprecated=deprecated, live=live, etag=etag, compress=compress)
        return self._handler(
            "GET",
            path,
            place,
            cache=cache,
            vary=checked_set(vary, f"{place}: vary"),
            deadline=deadline,
            deprecated=deprecated,
            live=live,
            etag=etag,
            tags=words(tags, "tags", place),
            guard=guard,
            priority=priority,
            compress=compress,
        )

    def post(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
        guard: Guard | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of POST. Raises `ConfigError`.

        A model argument is the body (at most `limit` bytes); names in the path are path parameters;
        `Annotated[str, Header()]` and `Annotated[str, Cookie("sid")]` are fields; all else is the query. It returns a
        value (`status`, else 200), None (`status`, else 204) or an `Answer`. `purges` are tags, dropped here before
        the answer leaves, also when the outcome of the write is unknown. `guard` says who may come in.
        """
        return self._writing("POST", path, status, purges, deadline, limit, deprecated, guard)

    def put(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
        guard: Guard | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of PUT; see `post`."""
        return self._writing("PUT", path, status, purges, deadline, limit, deprecated, guard)

    def patch(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
        guard: Guard | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of PATCH; see `post`."""
        return self._writing("PATCH", path, status, purges, deadline, limit, deprecated, guard)

    def delete(
        self,
        path: LiteralString,
        *,
        status: int | None = None,
        purges: Sequence[str] = (),
        deadline: float | None = None,
        limit: int = 1_048_576,
        deprecated: bool = False,
        guard: Guard | None = None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Declare a handler of DELETE; see `post`."""
        return self._writing("DELETE", path, status, purges, deadline, limit, deprecated, guard)

    def _writing(
        self,
        method: str,
        path: str,
        status: int | None,
        purges: Sequence[str],
        deadline: float | None,
        limit: int,
        deprecated: bool,
        guard: Guard | None,
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        place = here()
        if status is not None and not (type(status) is int and 200 <= status <= 299):
            raise ConfigError(f"{place}: status={status!r} is that of a success, 200 to 299")
        validate_flags(place, deprecated=deprecated)
        return self._handler(
            method,
            path,
            place,
            status=status,
            purges=tags_of(purges, place),
            deadline=deadline,
            limit=_bytes(limit, place),
            deprecated=deprecated,
            guard=guard,
        )

    def _handler(
        self,
        method: str,
        path: str,
        place: Place,
        **options: Any,  # noqa: ANN401 - the fields of `Handler`
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        validate_seconds(options.get("deadline"), "deadline", place)
        validate_guard(options["guard"], place)
        route_names(path, str(place))

        def declare(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            validate_async(function, f"{method.lower()}({path!r})", place)
            self.handlers.append(
                Handler(method=method, path=path, function=function, place=place_of_code(function), **options)
            )
            return function

        return declare

    def proxy(  # noqa: PLR0913 - all that is said of a passage
        self,
        path: LiteralString,
        service: Service,
        *,
        to: LiteralString = "",
        methods: AbstractSet[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = frozenset({"GET"}),
        purges: Sequence[str] = (),
        limit: int = 1_048_576,
        deadline: float | None = None,
        guard: Guard | None = None,
        priority: Priority = "detail",
        operation: Operation | None = None,
        purge_field: str = "",
        recognises: Guard | None = None,
        subject_field: str = "",
        compress: bool | None = None,
    ) -> None:
        """Pass requests through, streamed both ways, to the path `to` (the same unless given).

        All end-to-end fields pass but credentials, those that any guard of the gateway reads among them, and what leads
        frameworks to another path or method; these pass by the service's `forward`. What a proxy says of its client
        passes from trusted ones. `limit` bounds the body, in bytes; the deadline holds until the head of the answer.
        With an `operation`, of one method, answers are held to what it promises. `purge_field` names a field of the
        answer that lists tags to drop, and goes no further; writes are heard to their end for it, though their client
        leaves. `priority` as for a screen; `guard` says who may come in. Instead of it, `recognises` lets everybody
        in. Whom either knows is told to the service by `subject_field`, as a digest that no two subjects share; what a
        client sends under that name is dropped on every passage.
        `compress` as for `get`. Raises `ConfigError`.
        """
        place = here()
        _validate_priority(priority, place)
        given: object = service
        if not isinstance(given, Service):
            raise ConfigError(f"{place}: proxy leads to a service, not to {service!r}")
        if not _METHODS.issuperset(methods):
            raise ConfigError(f"{place}: methods is a set of {', '.join(sorted(_METHODS))}, not {methods!r}")
        validate_guard(guard, place)
        validate_flags(place, compress=compress)
        _validate_recognised(recognises, guard, subject_field, place)
        _validate_subject(subject_field, service, place)
        # A large body takes as long as its client does; with a small one more than 30 s are milliseconds.
        most = _bytes(limit, place)
        validate_seconds(deadline, "deadline", place, *([_LONGEST_UPLOAD] if most > _LARGE else []))
        names = route_names(path, str(place))
        validate_operation(operation, methods, names, place)
        self.passages.append(
            Passage(
                path=path,
                service=service,
                to=to,
                methods=frozenset(methods),
                purges=tags_of(purges, place),
                limit=most,
                deadline=deadline,
                priority=priority,
                place=place,
                guard=guard,
                operation=operation,
                purge_field=field_name(purge_field).encode() if purge_field else b"",
                recognises=recognises,
                subject_field=field_name(subject_field).encode() if subject_field else b"",
                compress=compress,
            )
        )


def _validate_recognised(known: Guard | None, guard: Guard | None, field: str, place: Place) -> None:
    validate_guard(known, place)
    if known is not None and (guard is not None or not field):
        raise ConfigError(f"{place}: recognises= goes with subject_field=, and without guard=")


def _validate_subject(field: str, service: Service, place: Place) -> None:
    """Raise `ConfigError` for a field that the service would see as a client wrote it."""
    if field and field_name(field) in service.forward.names:
        raise ConfigError(
            f"{place}: subject_field={field!r}: the service {service.name!r} forwards it, so clients could write it"
        )


def _validate_priority(said: str, place: Place) -> None:
    if said not in WEIGHTS:
        raise ConfigError(f"{place}: priority={said!r} must be one of {', '.join(WEIGHTS)}")


def _bytes(limit: object, place: Place) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"{place}: limit={limit!r} is bytes, 1 or more")
    return limit
