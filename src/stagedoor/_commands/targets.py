"""What `MODULE:ATTR` names, found and looked at; whatever is wrong with it ends the command in a line each."""

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import typer

from stagedoor._aggregate import Plan, PlanError
from stagedoor._aggregate.worst import NamedUpstream
from stagedoor._commands.failures import CONFIG, DATA, MISSING, USAGE, fail
from stagedoor._face.gateway import Gateway
from stagedoor.errors import ConfigError

__all__ = ["Inspectable", "RouteRow", "Target", "gateway_of", "inspected_of", "told"]

Target = Annotated[
    str,
    typer.Argument(metavar="MODULE:ATTR", help="The module and the Gateway in it; ATTR is app unless named"),
]

_KIT = Path(__file__).parents[1]
_PLACE = re.compile(r"[^:\s]+:[0-9]+: ")
_TARGET = re.compile(r"[\w.]+(?::[\w.]+)?")


class RouteRow(Protocol):
    """What `routes` shows of a route."""

    @property
    def method(self) -> str:
        """Its method, such as GET."""
        ...

    @property
    def path(self) -> str:
        """The template of its path, as it was declared."""
        ...

    @property
    def kind(self) -> str:
        """What it is: a screen, a handler, a proxy, or one that every gateway has."""
        ...

    @property
    def public(self) -> bool:
        """Whether everybody gets the same answer."""
        ...

    @property
    def cached(self) -> float | None:
        """For how many seconds an answer may be kept; None for not at all."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """What the commands ask of a gateway."""

    @property
    def plans(self) -> Sequence[Plan[Any]]:
        """The plans of its screens, whose worst case can be told."""
        ...

    @property
    def upstreams(self) -> Sequence[NamedUpstream]:
        """What it calls, each with its policies."""
        ...

    @property
    def routes(self) -> Sequence[RouteRow]:
        """What it serves."""
        ...


def gateway_of(target: str) -> Gateway:
    """Import what the target names; ends the command if that is no `Gateway`."""
    with told(), _guarded(target):
        found = _called(_found(target))
    if not isinstance(found, Gateway):
        fail(DATA, [f"{target!r} is no Gateway but {type(found).__name__}"])
    return found


def inspected_of(target: str, *, code: int = CONFIG) -> Inspectable:
    """Import what the target names and look at its declaration; mistakes in it end the command with `code`."""
    with told(code), _guarded(target):
        found = _called(_found(target))
        if isinstance(found, Gateway):
            return found.inspected()
    if not isinstance(found, Inspectable):
        fail(DATA, [f"{target!r} is no Gateway but {type(found).__name__}"])
    return found


@contextmanager
def told(code: int = CONFIG) -> Iterator[None]:
    """End the command with `code` if a declaration or setting is wrong: a line for each mistake, and no traceback."""
    try:
        yield
    except PlanError as error:
        fail(code, map(str, error.findings))
    except ConfigError as error:
        fail(code, [_placed(line, error) for line in str(error).splitlines()])


@contextmanager
def _guarded(target: str) -> Iterator[None]:
    """End the command with the place of whatever their code raises while it is imported and looked at."""
    try:
        yield
    except (ConfigError, typer.Exit):
        raise
    except Exception as error:  # noqa: BLE001 - their code may raise anything
        said = " ".join(str(error).split())
        fail(DATA, [f"{_place(error) or target}: {type(error).__name__}: {said}"])


def _called(found: object) -> object:
    """Call a function that needs nothing, and return what it makes."""
    makes = inspect.isroutine(found) and not inspect.signature(found).parameters
    return found() if makes and callable(found) else found


def _found(target: str) -> object:
    if target.partition(":")[0].endswith(".py"):
        fail(USAGE, [f"{target!r} is a file: name its module, as in shop:app"])
    if _TARGET.fullmatch(target) is None:
        fail(USAGE, [f"{target!r} is not of the form MODULE:ATTR, as in shop:app"])
    module, _, name = target.partition(":")
    home, name = _imported(module), name or "app"
    found: object = home
    for one in name.split("."):
        found = getattr(found, one, None)
    if found is None:
        there = [f"{module}:{one}" for one, thing in vars(home).items() if isinstance(thing, Gateway)]
        fail(MISSING, [f"{module!r} has no {name!r}; it has {', '.join(there) or 'no Gateway'}"])
    return found


def _imported(module: str) -> Any:  # noqa: ANN401 - a module of anybody's
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        fail(MISSING, [f"cannot import {module!r} from {Path.cwd()}: there is no module {error.name!r}"])
    finally:
        sys.path.remove(str(Path.cwd()))


def _placed(line: str, error: ConfigError) -> str:
    """Return a line of an error with the place that it names, else with the one that it comes from."""
    place = _place(error)
    return line if _PLACE.match(line) or not place else f"{place}: {line}"


def _place(error: Exception) -> str:
    """Return where a declaration went wrong: the innermost line that is not the kit's own; "" if there is none."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""


def _is_theirs(file: str) -> bool:
    """Tell whether a file is part of their code: not the kit's, no import machinery, no command line library."""
    return not file.startswith("<") and not Path(file).is_relative_to(_KIT) and "importlib" not in file
