"""Which services and sources a function uses, as far as its code tells.

Read from the code itself: names of its globals, what its closures hold, defaults, attributes of modules, and the
same for every function of the user's that it names. What is looked up at run time by text is not seen.
"""

import dis
import inspect
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stagedoor._face.backends import Backend
from stagedoor._face.service import Service

__all__ = ["SOURCE", "awaits", "reaches", "used_by"]

SOURCE = "__stagedoor_source__"  # the attribute by which a wrapped function says which source it is
_KIT = str(Path(__file__).parent.parent)
_DEEPEST = 12
_MOST = 100  # members of a container that are looked at


def used_by(function: Callable[..., object], *kinds: type) -> list[Any]:
    """Return the services and sources that a function may use, each once, in order of appearance.

    With `kinds` of the kit's, such as a screen, also what it uses of these.
    """
    found: dict[int, Any] = {}
    for one in _reached(function, set(), 0, *kinds):
        found.setdefault(id(one), one)
    return list(found.values())


def reaches(function: Callable[..., object], kind: type) -> bool:
    """Tell whether a function may use something of a kind of the kit's, such as a screen."""
    return any(isinstance(one, kind) for one in _reached(function, set(), 0, kind))


def awaits(function: Callable[..., object]) -> bool:
    """Tell whether a function awaits anything."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and any(step.opname == "GET_AWAITABLE" for step in dis.get_instructions(code))


def _reached(thing: object, seen: set[int], depth: int, *kinds: type) -> Iterator[Any]:
    if depth > _DEEPEST or id(thing) in seen:
        return
    seen.add(id(thing))
    source = getattr(thing, SOURCE, None) if callable(thing) else None
    if isinstance(thing, (Service, Backend, *kinds)):
        yield thing
    elif source is not None:
        yield source
    else:
        for one in _inside(thing):
            yield from _reached(one, seen, depth + 1, *kinds)


def _inside(thing: object) -> list[Any]:
    """Return what a thing holds that may be, or lead to, a service."""
    match thing:
        case partial():
            return [thing.func, *thing.args, *thing.keywords.values()]
        case types.MethodType():
            return [thing.__self__, thing.__func__]
        case types.FunctionType():
            return _function(thing)
        case type():
            return _class(thing)
        case list() | tuple() | set() | frozenset() | dict():
            return list(thing.values() if isinstance(thing, dict) else thing)[:_MOST]
    own = [type(thing), *getattr(thing, "__dict__", {}).values()]
    return own if _theirs(type(thing)) else []


def _function(function: types.FunctionType) -> list[Any]:
    code = function.__code__
    if code.co_filename.startswith(_KIT):
        wrapped = getattr(function, "__wrapped__", None)
        return [] if wrapped is None else [wrapped]
    names = sorted(set(_names(code)))
    known = [function.__globals__[name] for name in names if name in function.__globals__]
    modules = [one for one in known if isinstance(one, types.ModuleType)]
    inner = [vars(one)[name] for one in modules for name in names if name in vars(one)]
    cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return [one for one in (*known, *inner, *cells, *defaults) if not isinstance(one, types.ModuleType)]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _class(kind: type) -> list[Any]:
    if not _theirs(kind):
        return []
    members = [getattr(one, "__func__", one) for one in vars(kind).values()]
    bases = [base for base in kind.__bases__ if base is not object]
    return [*(one for one in members if isinstance(one, types.FunctionType | Service | Backend)), *bases]


def _theirs(kind: type) -> bool:
    """Tell whether a class was written by the user, and not by a library or the kit."""
    module = inspect.getmodule(kind)
    file = getattr(module, "__file__", None)
    if file is None:
        return module is not None and module.__name__ == "__main__"
    return not file.startswith(_KIT) and "site-packages" not in file and "/lib/python3" not in file
