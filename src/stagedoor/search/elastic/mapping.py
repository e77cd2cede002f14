"""How an index is kept in Elasticsearch and OpenSearch."""

from typing import Any

from stagedoor.search.analysis import SETTINGS
from stagedoor.search.schema import Field, Index, Keyword, Nested, Number, Text

__all__ = ["body_of"]


def body_of(index: Index) -> dict[str, Any]:
    """Return the settings and the strict mapping that an index is created with."""
    return {
        "settings": {
            "index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"},
            "analysis": SETTINGS,
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {"declaration": index.fingerprint},
            "properties": {field.name: _mapped(field) for field in index.fields},
        },
    }


def _mapped(field: Field) -> dict[str, Any]:
    match field:
        case Keyword():
            return {"type": "keyword"}
        case Text():
            text: dict[str, Any] = {"type": "text", "analyzer": "ru_en"}
            return text | ({"fields": {"raw": {"type": "keyword"}}} if field.sortable else {})
        case Number():
            return {"type": "float"}
        case Nested():
            inner = {one.name: _mapped(one) for one in field.fields}
            return {"type": "nested", "dynamic": "strict", "properties": inner}
