"""The embedded engine: Tantivy in a folder, nothing to install or start."""

from stagedoor.search.tantivy.engine import TantivyEngine, TantivyOptions
from stagedoor.search.tantivy.writer import TantivyWriter

__all__ = ["TantivyEngine", "TantivyOptions", "TantivyWriter"]
