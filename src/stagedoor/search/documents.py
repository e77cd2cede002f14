"""Documents in the form their index declares, whoever wrote them.

Indices filled by others hold the same in other shapes: names in one text divided by commas, objects where names are
wanted, a person's name under another field, optional fields left out. This is the one place that knows.
"""

from collections.abc import Mapping
from typing import Any

from stagedoor.search.compared import comparable
from stagedoor.search.keys import rank
from stagedoor.search.leaves import Boolean, Field, Integer, Keyword, Nested, Number, Text
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index

__all__ = ["as_declared", "misfit", "refusal", "validate_value"]


def refusal(document: Document, index: Index) -> str | None:
    """Return why an index cannot take a document; None if it can, as far as names go.

    One that leaves fields out is brought into the declared form, which reads much; so its values are looked at too, for
    what is wrong is not to depend on what else there is.
    """
    if not (isinstance(document.get(ID), str) and document[ID]):
        return "it has no id"
    if document.keys() == index.names:
        return None
    if document.keys() <= index.names:
        return misfit(document, index)
    return f"the index declares no field {min(document.keys() - index.names)!r}"


def misfit(document: Document, index: Index) -> str | None:
    """Return which value of a document is not what its field declares, and why; None if all are."""
    for field in index.fields:
        try:
            validate_value(field, document.get(field.name))
        except (TypeError, ValueError) as error:
            return f"{field.name!r}: {error}"
    return None


def validate_value(field: Field, value: Any) -> None:  # noqa: ANN401 - documents hold JSON
    """Raise `TypeError` or `ValueError` for what a field cannot have; None it can."""
    if value is None:
        return
    match field:
        case Nested():
            _validate_objects(field, value)
        case Keyword() | Text():
            for one in listed(value):
                if not isinstance(one, str):
                    raise TypeError(f"{one!r} is no text")
                one.encode()  # raises for half of a pair
        case Number():
            comparable(field, value)
            rank(value)
        case _:
            if comparable(field, value) is None:
                raise ValueError(f"{value!r} is no whole number of 64 bits")


def _validate_objects(nested: Nested, value: Any) -> None:  # noqa: ANN401 - documents hold JSON
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list of objects")
    for one in value:
        if not isinstance(one, Mapping):
            raise TypeError(f"{one!r} is no object")
        for field in nested.fields if nested.asked else ():
            try:
                validate_value(field, one.get(field.name))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{field.name!r}: {error}") from error


def as_declared(document: Document, index: Index) -> Document:
    """Return a document with every declared field and no other, each in its declared form."""
    if document.keys() == index.names:
        return document
    return {field.name: read(field, document) for field in index.fields}


def read(field: Field, held: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911 - JSON; a line a kind
    """Return a field's value in its declared form: None, or [] for one of many values, where there is none."""
    value = next((held[name] for name in (field.name, *field.also) if held.get(name) is not None), None)
    match field:
        case Nested():
            return [
                {inner.name: read(inner, one) for inner in field.fields}
                for one in listed(value)
                if isinstance(one, Mapping)
            ]
        case Keyword(many=True):
            return _names(_parts(value) if isinstance(value, str) else value)
        case Text(many=True):
            return _names(value)
        case Number():
            return number(value)
        case Integer():
            return whole(value)
        case Boolean():
            return {"true": True, "false": False}.get(str(value).lower())
        case _:
            return value


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - documents hold JSON
    """Return a value as a list of values."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _parts(text: str) -> list[str]:
    """Return the names in a text that commas divide."""
    return [name for part in text.split(",") if (name := part.strip())]


def _names(value: Any) -> list[str]:  # noqa: ANN401 - documents hold JSON
    """Return names; a list of texts is in its declared form, and remains as it is, blanks and empty texts too."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    return [name for part in listed(value) if (name := named(part))]


def named(part: Any) -> str:  # noqa: ANN401 - documents hold JSON
    """Return a name that stands by itself, or in an object."""
    if isinstance(part, Mapping):
        part = part.get("name") or part.get("full_name") or ""
    return "" if part is None else str(part).strip()


def number(value: Any) -> float | None:  # noqa: ANN401 - documents hold JSON
    """Return a number that may be written as text; None for anything else."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def whole(value: Any) -> int | None:  # noqa: ANN401 - documents hold JSON
    """Return a whole number that may be written as text; None for anything else."""
    try:
        found = None if isinstance(value, bool) else int(value)
        return None if isinstance(value, float) and found != value else found
    except (OverflowError, TypeError, ValueError):
        return None
