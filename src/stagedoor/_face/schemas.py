"""What documents say of one parameter: a JSON Schema that stands by itself, and a value that works.

It also tells which types no text of a request can ever be.
"""

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

__all__ = ["example_of", "inlined", "is_readable", "spelled"]

_REFERENCE: Final = "#/$defs/"
_OPTIONS: Final = ("anyOf", "oneOf")
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_FORMATS: Final = {
    "uuid": "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff",
    "date": "2026-01-05",
    "date-time": "2026-01-05T10:00:00Z",
    "time": "10:00:00Z",
    "duration": "PT1H",
    "uri": "https://example.org/",
    "email": "ann@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without references and titles; what it says beside a reference wins over what that says.

    Parameters share no definitions. A type that holds itself is any value where it does so.
    """
    plain: dict[str, Any] = _inlined(schema, schema.get("$defs", {}), frozenset())
    return plain


def _inlined(schema: Any, definitions: Mapping[str, Any], within: AbstractSet[str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return [_inlined(one, definitions, within) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: _inlined(one, definitions, within) for name, one in schema.items() if _tells(name, one)}
    name = str(schema.get("$ref", "")).removeprefix(_REFERENCE)
    if name not in definitions:
        return said
    if name in within:
        return {}
    return _inlined(definitions[name], definitions, within | {name}) | said


def _tells(name: str, said: object) -> bool:
    """Tell whether a member stays; a property may be called `title` too, and that is no text."""
    return name not in {"$defs", "$ref"} and not (name == "title" and isinstance(said, str))


def is_readable(schema: Mapping[str, Any], *, many: bool) -> bool:
    """Tell whether some text of a request, or with `many` some texts, can be a value of an inlined schema."""
    options = _options(schema)
    if options:
        return any(is_readable(one, many=many) for one in options)
    if schema.get("type") == "array":
        return many and all(is_readable(one, many=False) for one in _items(schema))
    if "const" in schema:
        return schema["const"] is not None
    return schema.get("type", "string") in _SCALARS


def _options(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return next((schema[name] for name in _OPTIONS if schema.get(name)), ())


def _items(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what the items of a list are, as many as it needs, at least one."""
    first = schema.get("prefixItems")
    if first:
        return list(first)
    one = schema.get("items", {})
    return [one] * max(1, schema.get("minItems", 1)) if isinstance(one, Mapping) else []


def example_of(schema: Mapping[str, Any]) -> object:
    """Return a value that an inlined schema takes, as far as it tells."""
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("const", "default"):
        if schema.get(name) is not None:
            return schema[name]
    options = [one for one in _options(schema) if one.get("type") != "null"]
    return example_of(options[0]) if options else _typical(schema)


def _typical(schema: Mapping[str, Any]) -> object:
    """Return a value of a type within its bounds."""
    match schema.get("type"):
        case "array":
            return [example_of(one) for one in _items(schema)]
        case "object":
            properties = schema.get("properties", {})
            return {name: example_of(properties.get(name, {})) for name in schema.get("required", ())}
        case "boolean":
            return True
        case "integer":
            return _number(schema, 1)
        case "number":
            return _number(schema, 1.5)
    return _text(schema)


def _number(schema: Mapping[str, Any], usual: float) -> object:
    """Return a number within bounds: the usual one, or else one at a bound."""
    least, above = schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf)
    most, below = schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf)
    step = schema.get("multipleOf")
    if least > -math.inf:
        return least
    if above < usual < below and usual <= most and step is None:
        return usual
    if above > -math.inf or step is not None:
        return max(above, 0) + (step or 1)
    return most if most < math.inf else below - 1


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("contentMediaType") == "application/json":
        return json.dumps(example_of(schema.get("contentSchema", {})))
    known = _FORMATS.get(schema.get("format", ""))
    return "1" * max(1, schema.get("minLength", 1)) if known is None else known


def spelled(value: object) -> str:
    """Return a value of JSON as a request spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
