"""Documents in the form their index declares, whoever wrote them.

Indices filled by others hold the same in other shapes: names in one text divided by commas, objects where names are
wanted, a person's name under another field, optional fields left out. This is the one place that knows.
"""

from collections.abc import Mapping
from typing import Any

from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Boolean, Field, Index, Integer, Keyword, Nested, Number, Text

__all__ = ["as_declared", "refusal"]


def refusal(document: Document, index: Index) -> str | None:
    """Return why an index cannot take a document; None if it can, as far as names go."""
    if not (isinstance(document.get(ID), str) and document[ID]):
        return "it has no id"
    if document.keys() <= index.names:
        return None
    return f"the index declares no field {min(document.keys() - index.names)!r}"


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
            parts = value.split(",") if isinstance(value, str) else listed(value)
            return [name for part in parts if (name := named(part))]
        case Text(many=True):
            return [name for part in listed(value) if (name := named(part))]
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
        return None if isinstance(value, bool) else int(value)
    except (OverflowError, TypeError, ValueError):
        return None
