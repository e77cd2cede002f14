"""Elasticsearch and OpenSearch over the kit's own HTTP transport."""

from stagedoor.search.elastic.engine import ElasticEngine
from stagedoor.search.elastic.writer import ElasticWriter

__all__ = ["ElasticEngine", "ElasticWriter"]
