"""Reading large JSON so that what is wrong with it is told by the first wrong member of each list and table.

pydantic notes each fault at some five hundred bytes: a megabyte of empty objects, for a list of models with twenty
fields, would take gigabytes before anybody could count them (T13, T18). So what is large is read by a copy of the
validator that ends a list at its first fault, and reads what is good as ever.
"""

from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

__all__ = ["LARGE", "hasty"]

LARGE: Final = 65_536  # octets
_KEPT: Final = 256  # types
_MANY: Final = frozenset({"dict", "frozenset", "list", "set", "tuple"})
_NO_SCHEMA: Final = frozenset({"config", "default", "expected", "metadata", "serialization"})


@lru_cache(_KEPT)
def hasty(adapter: TypeAdapter[Any]) -> SchemaValidator:
    """Return what reads by a type in haste; where that cannot be made, what reads by it as ever."""
    try:
        # Without what models have made for themselves, which would look at each member.
        return SchemaValidator(_ending(adapter.core_schema), _use_prebuilt=False)
    except Exception:  # noqa: BLE001 - a form of schemas that nobody knows yet
        return adapter.validator  # type: ignore[return-value] # a plugin's is called alike


def _ending(schema: Any) -> Any:  # noqa: ANN401 - a schema, or a part of one
    """Return a copy of a schema in which each list and table ends at its first fault."""
    if isinstance(schema, dict):
        copied = {name: part if name in _NO_SCHEMA else _ending(part) for name, part in schema.items()}
        kind = schema.get("type")  # of fields by name it is the schema of one
        return copied | {"fail_fast": True} if isinstance(kind, str) and kind in _MANY else copied
    if isinstance(schema, list | tuple):
        return type(schema)(map(_ending, schema))
    return schema
