"""How an index is kept in Elasticsearch and OpenSearch."""

from typing import Any, Final

from stagedoor.search.analysis import SETTINGS
from stagedoor.search.elastic.fields import FORMAT, OWN, mapping_of
from stagedoor.search.leaves import Boolean, Date, Field, Integer, Keyword, Nested, Number, Text
from stagedoor.search.query import WINDOW
from stagedoor.search.schema import Index

__all__ = ["FILLING", "SERVING", "body_of", "declaration"]

# While nobody reads a version it need not be made visible every second.
FILLING: Final = {"refresh_interval": "-1"}
SERVING: Final = {"refresh_interval": "1s"}


def declaration(index: Index) -> str:
    """Return what an index must say of itself to fit this code: its declaration, and the form it is kept in."""
    return f"{FORMAT}:{index.fingerprint}"


def body_of(index: Index) -> dict[str, Any]:
    """Return the settings and the strict mapping that an index is created with."""
    shape = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "max_result_window": WINDOW + 1}
    mapped = {field.name: _mapped(field) for field in index.fields}
    return {
        "settings": {"index": {**shape, **FILLING}, "analysis": SETTINGS},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"declaration": declaration(index)},
            "_source": {"excludes": [OWN]},
            "properties": {**mapped, OWN: mapping_of(index)},
        },
    }


def _mapped(field: Field) -> dict[str, Any]:  # noqa: PLR0911 - a line a kind
    match field:
        case Keyword():
            return {"type": "keyword"}
        case Text():
            text: dict[str, Any] = {"type": "text", "analyzer": field.analyzer}
            return text | ({"fields": {"raw": {"type": "keyword"}}} if field.sortable else {})
        case Number():
            return {"type": "float"}
        case Integer():
            return {"type": "long"}
        case Date():
            return {"type": "date"}
        case Boolean():
            return {"type": "boolean"}
        case Nested():
            inner = {one.name: _mapped(one) for one in field.fields}
            return {"type": "nested", "dynamic": "strict", "properties": inner}
