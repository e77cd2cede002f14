"""Values as engines compare them: numbers in single precision, whole numbers and moments exactly.

A date is text in ISO 8601, with or without a time: the milliseconds since 1970 (UTC where no zone is named). A boolean
is 0 or 1. What is whole has 64 bits and a sign; bounds with a fraction are the nearest whole numbers inside.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from math import ceil, floor, isnan
from typing import Any, Final

from stagedoor.search.leaves import Boolean, Date, Integer, Leaf, Number
from stagedoor.search.query import AnyOf, Between, Scalar, Term
from stagedoor.search.schema import Index, single

__all__ = [
    "LEAST",
    "MOST",
    "as_text",
    "bounds_of",
    "comparable",
    "has_any",
    "lies_between",
    "moment",
    "values_in",
]

LEAST: Final = -(1 << 63)
MOST: Final = (1 << 63) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST: Final = 18  # hours of a zone from UTC, as nodes have it
_is_moment = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
).fullmatch


def comparable(leaf: Leaf | None, value: Any) -> Any:  # noqa: ANN401 - a value of any kind
    """Return a value in the form that is compared; None if nothing can equal it. Raises `ValueError`."""
    match leaf:
        case Number():
            return single(_number(value))
        case Integer():
            return _whole(_number(value))
        case Date():
            return moment(value)
        case Boolean():
            return _yes_or_no(value)
        case _:
            return value


def _number(value: Any) -> float:  # noqa: ANN401 - a value of any kind
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - as for a date that is none
    if isinstance(value, float) and isnan(value):
        raise ValueError("nan is no number")
    return value


def _whole(value: float) -> int | None:
    return int(value) if LEAST <= value <= MOST and value == int(value) else None


def _yes_or_no(value: Any) -> int:  # noqa: ANN401 - a value of any kind
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - as for a date that is none
    return int(value)


def moment(value: Any) -> int:  # noqa: ANN401 - documents hold JSON
    """Return the milliseconds since 1970 of a date or a time; raises `ValueError`.

    A text is in the form that all engines read alike: of the others, one takes 20010517 for a time of 1970.
    """
    if not (isinstance(value, date) or (isinstance(value, str) and _is_moment(value))):
        raise ValueError(f"{value!r} is no date")
    said = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(said, datetime):
        said = datetime(said.year, said.month, said.day, tzinfo=UTC)
    passed = (said if said.tzinfo else said.replace(tzinfo=UTC)) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000 + passed.microseconds // 1_000


def as_text(passed: int) -> str:
    """Return milliseconds since 1970 in ISO 8601; what only another zone has in its years is told in that zone's time.

    Of what lies further beyond these years than zones do, it is the nearest.
    """
    hours = _FURTHEST if passed < _FIRST else -_FURTHEST if passed > _LAST else 0
    there = max(_FIRST, min(_LAST, passed + hours * 3_600_000))
    said = (_EPOCH + timedelta(milliseconds=there)).replace(tzinfo=timezone(timedelta(hours=hours)))
    return said.isoformat(timespec="milliseconds")


def bounds_of(index: Index, path: str, low: Any, high: Any) -> tuple[Any, Any] | None:  # noqa: ANN401 - of any kind
    """Return bounds in the form that is compared, None for an open one; None for bounds that nothing is between."""
    leaf = index.paths.get(path)
    whole = isinstance(leaf, Integer)
    least = None if low is None else _up(_number(low)) if whole else comparable(leaf, low)
    most = None if high is None else _down(_number(high)) if whole else comparable(leaf, high)
    if isinstance(leaf, Number):  # of zeros, which are one, a node tells the one below from the one above
        least, most = -0.0 if least == 0 else least, 0.0 if most == 0 else most
    if (whole and (least == MOST + 1 or most == LEAST - 1)) or (
        least is not None and most is not None and least > most
    ):
        return None
    return least, most


def values_in(clause: Term | AnyOf) -> tuple[Scalar, ...]:
    """Return the values of which a clause wants any."""
    return clause.values if isinstance(clause, AnyOf) else (clause.value,)


def has_any(index: Index, clause: Term | AnyOf, held: Iterable[Any]) -> bool:
    """Tell whether any of the values that are held is one that is wanted."""
    leaf = index.paths[clause.field]
    wanted = {comparable(leaf, one) for one in values_in(clause)} - {None}
    return not wanted.isdisjoint(comparable(leaf, one) for one in held)


def lies_between(index: Index, clause: Between, held: Any) -> bool:  # noqa: ANN401 - documents hold JSON
    """Tell whether a value lies between bounds; None does not."""
    bounds = bounds_of(index, clause.field, clause.low, clause.high)
    if held is None or bounds is None:
        return False
    (low, high), mine = bounds, comparable(index.paths[clause.field], held)
    return (low is None or mine >= low) and (high is None or mine <= high)


_FIRST: Final = moment("0001-01-01")
_LAST: Final = moment("9999-12-31T23:59:59.999")


def _up(bound: float) -> int | None:
    return None if bound < LEAST else MOST + 1 if bound > MOST else ceil(bound)


def _down(bound: float) -> int | None:
    return None if bound > MOST else LEAST - 1 if bound < LEAST else floor(bound)
