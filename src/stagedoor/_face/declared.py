"""What a gateway declares, before anything runs: screens, handlers, passages, sources."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stagedoor._context import Priority
from stagedoor._face.backends import Backend
from stagedoor._face.cache import UNNAMED, Cache
from stagedoor._face.fields import Cookie
from stagedoor._face.guards import Guard
from stagedoor._face.operation import Operation
from stagedoor._face.places import Place
from stagedoor._face.remote import AnyPolicy
from stagedoor._face.service import Service
from stagedoor._face.templates import Tag, named_tag
from stagedoor.errors import ConfigError

__all__ = [
    "DeclaredPart",
    "Handler",
    "Limit",
    "Passage",
    "Source",
    "validate_async",
    "validate_cache",
    "validate_operation",
    "validate_plain",
    "validate_policies",
    "validate_seconds",
    "validate_takes",
    "validate_unnamed",
]

Function: TypeAlias = Callable[..., Awaitable[Any]]
Limit: TypeAlias = float | None
_LONGEST = 30.0


@dataclass(frozen=True, kw_only=True)
class DeclaredPart:
    """One part of a screen."""

    function: Function
    limit: Limit
    cache: Cache | None
    uses: tuple[Any, ...] | None  # None: as far as the code tells
    place: Place

    @property
    def name(self) -> str:
        """Return the part's name, which is its field's."""
        return self.function.__name__


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A function behind a method and a path."""

    method: str
    path: str
    function: Function
    place: Place
    status: int | None = None
    purges: tuple[Tag, ...] = ()
    cache: Cache | None = None
    vary: AbstractSet[str | Cookie] = frozenset()
    deadline: Limit = None
    limit: int = 1_048_576
    deprecated: bool = False
    live: bool = False
    etag: bool = False
    compress: bool | None = None
    tags: tuple[str, ...] = ()
    guard: Guard | None = None
    priority: Priority = "detail"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A path that leads through to a service."""

    path: str
    service: Service
    to: str
    methods: frozenset[str]
    purges: tuple[Tag, ...]
    limit: int
    deadline: Limit
    priority: Priority
    place: Place
    guard: Guard | None = None
    operation: Operation | None = None
    purge_field: bytes = b""
    recognises: Guard | None = None
    subject_field: bytes = b""
    compress: bool | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """An `async def` of the user's own with policies round it."""

    function: Function
    safe: bool
    attempt: Limit
    policies: Sequence[AnyPolicy] | None
    cache: Cache | None
    place: Place
    signature: inspect.Signature = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signature", inspect.signature(self.function))

    @property
    def name(self) -> str:
        """Return what metrics and logs call it."""
        return self.function.__name__

    @property
    def label(self) -> str:
        """Return the label of its metrics."""
        return self.name


def validate_async(function: Any, what: str, place: Place) -> None:  # noqa: ANN401 - whatever was decorated
    """Raise `ConfigError` unless a decorated thing is an `async def`."""
    if not callable(function):
        raise ConfigError(f"{place}: {what} decorates an async def, not {type(function).__name__}")
    if not hasattr(function, "__name__"):
        raise ConfigError(f"{place}: {what} decorates a function with a name, not {type(function).__name__}")
    plain = inspect.unwrap(function)
    if inspect.isasyncgenfunction(plain):
        raise ConfigError(f"{place}: {what}: {function.__name__} yields; it must return its value, once")
    if not inspect.iscoroutinefunction(plain):
        raise ConfigError(f"{place}: {what}: {function.__name__} must be an async def")


def validate_plain(function: Any, what: str, place: Place) -> None:  # noqa: ANN401 - whatever was decorated
    """Raise `ConfigError` unless a decorated thing is a plain `def`, which is called and not awaited."""
    if not callable(function):
        raise ConfigError(f"{place}: {what} decorates a function, not {type(function).__name__}")
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        name = getattr(function, "__name__", "it")
        raise ConfigError(f"{place}: {what}: {name} must be a plain def: nothing awaits it")


def validate_takes(function: Any, what: str, takes: Sequence[str], place: Place) -> None:  # noqa: ANN401 - as given
    """Raise `ConfigError` unless something can be called with as many values as `takes` names."""
    if not callable(function):
        raise ConfigError(f"{place}: {what} is a function of {' and '.join(takes)}, not {function!r}")
    try:
        inspect.signature(function).bind(*takes)
    except TypeError:
        name = getattr(function, "__name__", "it")
        raise ConfigError(f"{place}: {what}: {name} must take {' and '.join(takes)}") from None
    except ValueError:
        return  # one of C, which does not tell


def validate_seconds(value: Limit, what: str, place: Place, most: float = _LONGEST) -> None:
    """Raise `ConfigError` unless a time is a number of seconds that makes sense for a request."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{place}: {what} is seconds, not {value!r}")
    if not 0 < value <= most:
        raise ConfigError(
            f"{place}: {what}={value!r} is seconds, above 0 and at most {most:g}; 165 ms are 0.165"
        )


def validate_cache(cache: object, place: Place) -> None:
    """Raise `ConfigError` unless a cache is one, or None."""
    if cache is not None and not isinstance(cache, Cache):
        raise ConfigError(f"{place}: cache is a Cache, as in cache=Cache(max_age=10), not {cache!r}")


def validate_operation(
    operation: object, methods: AbstractSet[str], names: Sequence[str], place: Place
) -> None:
    """Raise `ConfigError` unless an operation is one of a single method, whose query parameters have defaults."""
    if operation is None:
        return
    if not isinstance(operation, Operation) or len(methods) != 1:
        raise ConfigError(f"{place}: operation= is an Operation, and of one method: declare a proxy for each")
    missing = [name for name in operation.inputs if name not in names and name not in operation.defaults]
    if missing:
        raise ConfigError(f"{place}: operation: {', '.join(missing)}: neither in the path nor among defaults")


def validate_unnamed(cache: Cache | None, place: Place) -> None:
    """Raise `ConfigError` unless a cache is one that finds its own keys."""
    validate_cache(cache, place)
    if cache is not None and cache.key is not None:
        raise ConfigError(f"{place}: {UNNAMED}")


def validate_policies(policies: object, place: Place, attempt: Limit = None) -> None:
    """Raise `ConfigError` unless policies are a list of instances, and the only word on attempts."""
    if policies is None:
        return
    if attempt is not None:
        raise ConfigError(
            f"{place}: attempt={attempt:g} is ignored beside policies: say Timeout(attempt={attempt:g}) among them"
        )
    if not isinstance(policies, list | tuple):
        raise ConfigError(
            f"{place}: policies is a list, outermost first, as in [Retry(), Timeout(attempt=0.1)]"
        )
    for one in policies:
        if isinstance(one, type) or not callable(getattr(one, "wrap", None)):
            name = one.__name__ if isinstance(one, type) else repr(one)
            raise ConfigError(f"{place}: policies holds policies such as Retry(), not {name}")
        what = f"policies: {type(one).__name__}"
        validate_takes(one.wrap, what, ("the Send inside of it", "the Env"), place)
        validate_plain(one.wrap, what, place)


def tags_of(purges: Sequence[str], place: Place) -> tuple[Tag, ...]:
    """Return the tags that a write drops; raises `ConfigError` for what is none."""
    if isinstance(purges, str):
        raise ConfigError(f"{place}: purges is a list of tags, as in [{purges!r}]")
    return tuple(named_tag(text, f"{place}: purges") for text in purges)


def uses_of(
    uses: AbstractSet[Any] | None, place: Place, source_of: Callable[[Any], Any]
) -> tuple[Any, ...] | None:
    """Return the services and sources that `uses` names; raises `ConfigError` for anything else."""
    if uses is not None and not isinstance(uses, AbstractSet | tuple | list):
        raise ConfigError(f"{place}: uses is a set of services and sources, as in {{accounts}}, not {uses!r}")
    if uses is None:
        return None
    found: list[Any] = []
    for one in uses:
        known = one if isinstance(one, Service | Backend) else source_of(one)
        if known is None:
            raise ConfigError(f"{place}: uses={{...}} names services and sources, not {one!r}")
        found.append(known)
    return tuple(found)


Values: TypeAlias = Mapping[str, Any]
