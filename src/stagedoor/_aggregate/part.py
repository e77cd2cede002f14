"""A part as it was declared: a plain function, and what to do without it."""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final, get_type_hints

from stagedoor.errors import ConfigError

__all__ = ["ABSENT", "Argument", "Part", "PartFunction", "PlanError", "PlanFinding", "Signature", "Summary"]

PartFunction: TypeAlias = Callable[..., Coroutine[Any, Any, object]]
# What `from __future__ import annotations` makes of each of them.
_SEEN: Final = (
    " in its module, where annotations that are text are read: declare it there, not inside a function or for type "
    "checkers alone"
)
_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@final
class _Absent:
    """No value at all: not even None."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """One thing in a declaration that cannot work, with the place where it can be put right."""

    file: str
    line: int
    aggregate: str
    part: str
    text: str

    def __str__(self) -> str:
        name = f"{self.aggregate}.{self.part}" if self.part else self.aggregate
        return f"{self.file}:{self.line}: {name}: {self.text}"


class PlanError(ConfigError):
    """An aggregate that cannot be run as declared; `findings` has every reason at once."""

    def __init__(self, findings: Sequence[PlanFinding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an aggregate: the function that brings its value, and what stands in for it."""

    name: str
    call: PartFunction
    required: bool = False
    fallback: object = ABSENT
    limit: float | None = None  # seconds from the part's start
    tolerant: frozenset[str] = frozenset()  # arguments that take the fallback of the part they name


@dataclass(frozen=True, slots=True)
class Summary:
    """The plain function that fills one field when the answer leaves."""

    name: str
    call: Callable[..., object]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a part's function."""

    name: str
    hint: Any
    default: object
    keyword_only: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What a part's function takes and returns, its annotations resolved."""

    arguments: tuple[Argument, ...]
    returns: Any


def signature_of(call: Callable[..., object]) -> Signature:
    """Read a function's arguments and types; raises `ConfigError` for what a plan cannot use."""
    try:
        hints = get_type_hints(call, include_extras=True)
    except NameError as error:
        raise ConfigError(f"its annotations cannot be resolved: {error}{_SEEN}") from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise ConfigError(f"its annotations cannot be resolved: {error}") from error
    parameters = inspect.signature(call).parameters.values()
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigError(f"argument {parameter.name!r} is given by its name: take out the / after it")
        if parameter.kind not in _NAMED:
            raise ConfigError(f"argument {parameter} has no name to be filled by")
    if "return" not in hints:
        raise ConfigError("it does not say what it returns")
    return Signature(tuple(_argument(parameter, hints) for parameter in parameters), hints["return"])


def _argument(parameter: inspect.Parameter, hints: dict[str, Any]) -> Argument:
    default = ABSENT if parameter.default is parameter.empty else parameter.default
    keyword_only = parameter.kind is parameter.KEYWORD_ONLY
    return Argument(parameter.name, hints.get(parameter.name, Any), default, keyword_only)
