"""Whether a value of one type may stand where another is wanted, as far as annotations tell.

Sensible rather than complete: equal types, subclasses, unions member by member, containers by their arguments. What
annotations cannot settle (type variables, bare containers, protocols without a run-time check) passes: a plan
refuses only what is certainly wrong.
"""

import types
from collections.abc import Coroutine, Sequence
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

__all__ = ["Hint", "broken_promise", "format_hint", "is_assignable", "is_instance", "kinds"]

Hint: TypeAlias = Any  # an annotation: a class, or one of the many forms of `typing`

_ANYTHING = (Any, object)
_WIDER = {int: (float, complex), float: (complex,)}  # PEP 484, the numeric tower
_WIDER_KINDS: dict[type, tuple[type, ...]] = {
    float: (int,),
    complex: (int, float),
}  # the same, the other way round


def is_assignable(given: Hint, wanted: Hint) -> bool:
    """Tell whether every value of the given type may stand where the wanted type is expected."""
    given, wanted = _plain(given), _plain(wanted)
    if _settled(given, wanted):
        return True
    if _origin(given) is Literal:
        return all(is_instance(value, wanted) for value in get_args(given))
    if _is_union(given):
        return all(is_assignable(member, wanted) for member in get_args(given))
    if _is_union(wanted):
        return any(is_assignable(given, member) for member in get_args(wanted))
    return _origin(wanted) is not Literal and _class_fits(given, wanted)


def is_instance(value: object, wanted: Hint) -> bool:
    """Tell whether a value may stand where the wanted type is expected; containers are not looked into."""
    wanted = _plain(wanted)
    if _is_union(wanted):
        return any(is_instance(value, member) for member in get_args(wanted))
    if _origin(wanted) is Literal:
        return value in get_args(wanted)
    if getattr(wanted, "_is_protocol", False):
        return all(hasattr(value, name) for name in _members(wanted))
    kind = _origin(wanted) or wanted
    if hasattr(kind, "__required_keys__"):  # a TypedDict, whose values say nothing of it
        return isinstance(value, dict) and kind.__required_keys__ <= value.keys()
    return is_assignable(type(value), kind)


def kinds(hint: Hint) -> tuple[type, ...]:
    """Return the classes of which a value of this type is an instance; none where that cannot be told."""
    hint = _plain(hint)
    if _is_union(hint):
        found = [kinds(member) for member in get_args(hint)]
        return () if () in found else tuple(kind for members in found for kind in members)
    kind = _unbound(_origin(hint) or hint)
    if hasattr(kind, "__required_keys__"):
        return (dict,)
    return () if _is_open(kind) else (kind, *_WIDER_KINDS.get(kind, ()))


def _is_open(kind: Hint) -> bool:
    """Tell whether values of other classes may stand for one of this kind."""
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return any(kind is one for one in _ANYTHING) or _stands_for_another(kind)


def _unbound(kind: Hint) -> Hint:
    """Return the class that a pydantic model was made from by giving it arguments: `Box` of `Box[int]`."""
    return getattr(kind, "__pydantic_generic_metadata__", {}).get("origin") or kind


def _stands_for_another(kind: Hint) -> bool:
    """Tell whether a class has no instances of its own, as pydantic's `AwareDatetime` or `EmailStr`."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not hasattr(kind, "model_fields")


def broken_promise(value: object, promised: Sequence[type]) -> str:
    """Say of what class a value is that was to be of others."""
    names = " or ".join(kind.__name__ for kind in promised)
    said = f"returned {type(value).__name__}, its annotation promises {names}"
    if not isinstance(value, Coroutine):
        return said
    value.close()  # nobody will wait for it now
    return f"{said}: was `await` forgotten?"


def format_hint(hint: Hint) -> str:
    """Return a type as its author wrote it, without module names."""
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    name = getattr(_origin(hint), "__name__", None)
    if name is None or _is_union(hint) or _origin(hint) is Literal:
        return str(hint).replace("typing.", "")
    return f"{name}[{', '.join('...' if item is ... else format_hint(item) for item in get_args(hint))}]"


def _settled(given: Hint, wanted: Hint) -> bool:
    """Tell whether no further look is needed: equal, anything goes, or a variable that stands for anything."""
    if wanted in _ANYTHING or given is Any or given == wanted:
        return True
    return isinstance(wanted, TypeVar) or isinstance(given, TypeVar)


def _plain(hint: Hint) -> Hint:
    """Take off what does not change the set of values: Annotated, NewType, a type alias."""
    while True:
        if _origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):  # `type X = ...` of Python 3.12
            hint = hint.__value__
        else:
            return type(None) if hint is None else hint


def _is_union(hint: Hint) -> bool:
    return _origin(hint) in {Union, types.UnionType}


def _class_fits(given: Hint, wanted: Hint) -> bool:
    have, want = _origin(given) or given, _origin(wanted) or wanted
    if _stands_for_another(want) or (have is not want and (_unbound(have) is want or _unbound(want) is have)):
        return True
    if hasattr(want, "__required_keys__"):  # a TypedDict, of typing or typing_extensions: equal or nothing
        return False
    if not (isinstance(have, type) and isinstance(want, type)):
        return True
    if want in _WIDER.get(have, ()):
        return True
    try:
        related = issubclass(have, want)
    except TypeError:  # a protocol that cannot be asked at run time
        return True
    return related and _arguments_fit(have, get_args(given), get_args(wanted))


def _arguments_fit(have: type, given: Sequence[Hint], wanted: Sequence[Hint]) -> bool:
    """Compare the arguments of two related containers, a tuple by its items."""
    if not given or not wanted:
        return True
    if have is tuple:
        return _tuple_fits(given, wanted)
    return len(given) != len(wanted) or all(map(is_assignable, given, wanted))


def _tuple_fits(given: Sequence[Hint], wanted: Sequence[Hint]) -> bool:
    if given[-1] is ... or len(wanted) == 1:
        items = [item for item in given if item is not ...]
        open_ended = wanted[-1] is ... or len(wanted) == 1
        return open_ended and all(is_assignable(item, wanted[0]) for item in items)
    if wanted[-1] is ...:
        return all(is_assignable(item, wanted[0]) for item in given)
    return len(given) == len(wanted) and all(map(is_assignable, given, wanted))


def _members(protocol: Hint) -> set[str]:
    names: set[str] = set()
    for base in protocol.__mro__:
        if getattr(base, "_is_protocol", False):
            names |= {name for name in (*vars(base), *base.__annotations__) if not name.startswith("_")}
    return names


def _origin(hint: Hint) -> Hint:
    return get_origin(hint)
