"""Types compared as a reader would."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
    runtime_checkable,
)

import pytest
from pydantic import AwareDatetime, BaseModel
from typing_extensions import TypeAliasType

from stagedoor._aggregate.hints import Hint, broken_promise, format_hint, is_assignable, is_instance, kinds

T = TypeVar("T")
UserId = NewType("UserId", str)
Ids = TypeAliasType("Ids", list[int])


class Base: ...


class Derived(Base): ...


class Ints(Sequence[int]): ...


class Shop(Protocol):
    name: str

    def get(self) -> str: ...


@runtime_checkable
class Named(Protocol):
    def title(self) -> str: ...


class User(TypedDict):
    id: str


class Order(TypedDict):
    id: str


class Store:
    name = "store"

    def get(self) -> str:
        return ""


FITTING = [
    (int, int),
    (bool, int),
    (int, float),
    (int, complex),
    (Derived, Base),
    (str, Any),
    (str, object),
    (Any, str),
    (None, type(None)),
    (None, str | None),
    (str, str | None),
    (str | int, int | str | None),
    (Union[str, int], str | int),  # noqa: UP007 - the older form makes another kind of object
    (list[int], list[int]),
    (list[Derived], list[Base]),
    (list[int], Sequence[int]),
    (list[int], list),
    (list, list[int]),
    (dict[str, int], Mapping[str, int]),
    (dict[str, list[int]], dict[str, Sequence[float]]),
    (tuple[int, ...], tuple[int, ...]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, str], tuple[int, str]),
    (tuple[int, ...], Sequence[int]),
    (tuple[int, int], Sequence[int]),
    (Annotated[int, "metres"], int),
    (int, Annotated[int, "metres"]),
    (UserId, str),
    (Ids, list[int]),
    (list[int], T),
    (T, int),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a"], str),
    (Literal["a", 1], str | int),
    (Ints, Sequence[int]),
    (User, User),
    (User, dict),
    (Store, Shop),
    (str, Named),
    (type[int], type[int]),
    ("forward", int),
]

NOT_FITTING = [
    (str, int),
    (Base, Derived),
    (float, int),
    (str | None, str),
    (list[str], list[int]),
    (list[int], tuple[int, ...]),
    (dict[str, int], Mapping[str, str]),
    (tuple[int, ...], tuple[str, ...]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, str], tuple[int, ...]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], Sequence[int]),
    (Literal["a"], int),
    (Literal["a", "c"], Literal["a", "b"]),
    (str, Literal["a"]),
    (User, Order),
    (str, User),
    (str, int | float),
]


@pytest.mark.parametrize(("given", "wanted"), FITTING)
def test_a_type_that_may_stand_there_fits(given: Hint, wanted: Hint) -> None:
    """Equal, narrower, or nothing that annotations could tell."""
    assert is_assignable(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), NOT_FITTING)
def test_a_type_that_is_certainly_another_does_not_fit(given: Hint, wanted: Hint) -> None:
    """A plan refuses it at start-up."""
    assert not is_assignable(given, wanted)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ((), tuple[int, ...], True),
        ((), dict[str, int], False),
        ({}, dict[str, int], True),
        (None, int | None, True),
        (None, int, False),
        (1, float, True),
        ("a", Literal["a"], True),
        ("b", Literal["a"], False),
        (Store(), Shop, True),
        (object(), Shop, False),
        (Derived(), Base, True),
        (1, Any, True),
        ({"id": "a"}, User, True),
        ({"id": "a"}, User | None, True),
        ({}, User, False),
        ([], User, False),
    ],
)
def test_a_value_is_held_against_its_type(value: object, wanted: Hint, *, expected: bool) -> None:
    """Fallbacks and sources are values; a protocol asks for its members only."""
    assert is_instance(value, wanted) is expected


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (tuple[Base, ...], "tuple[Base, ...]"),
        (dict[str, list[Base]], "dict[str, list[Base]]"),
        (str | None, "str | None"),
        (Literal["a"], "Literal['a']"),
        (Any, "Any"),
    ],
)
def test_a_type_is_spelled_as_its_author_wrote_it(hint: Hint, text: str) -> None:
    """Messages show no module names of the kit's plumbing."""
    assert format_hint(hint) == text


class Box(BaseModel, Generic[T]):
    item: T


class Row(TypedDict):
    name: str


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, (int,)),
        (None, (type(None),)),
        (float, (float, int)),
        (complex, (complex, int, float)),
        (int | None, (int, type(None))),
        (Union[str, list[int]], (str, list)),  # noqa: UP007 - the older spelling
        (Annotated[dict[str, int], "x"], (dict,)),
        (UserId, (str,)),
        (Ids, (list,)),
        (Row, (dict,)),
        (Box[int], (Box,)),
        (Sequence[int], (Sequence,)),
        (Any, ()),
        (object, ()),
        (int | Any, ()),
        (T, ()),
        (Shop, ()),
        (Literal["a"], ()),
        (AwareDatetime, ()),
    ],
)
def test_the_classes_of_a_type_are_told_where_that_can_be(hint: Hint, expected: tuple[type, ...]) -> None:
    """A value is held against them at run time: nothing that a type checker accepts may be refused."""
    assert kinds(hint) == expected


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(datetime, AwareDatetime), (Box[int], Box), (Box, Box[int]), (list[datetime], list[AwareDatetime])],
)
def test_a_class_that_stands_for_another_takes_what_that_takes(given: Hint, wanted: Hint) -> None:
    """To a type checker it is `Annotated[datetime, ...]`."""
    assert is_assignable(given, wanted)


async def test_a_broken_promise_says_what_came_and_what_was_forgotten() -> None:
    """A coroutine is closed, for nobody waits for it any more."""

    async def late() -> int:
        return 1

    assert broken_promise({}, (int, str)) == "returned dict, its annotation promises int or str"
    assert broken_promise(late(), (int,)).endswith(
        "returned coroutine, its annotation promises int: was `await` forgotten?"
    )
