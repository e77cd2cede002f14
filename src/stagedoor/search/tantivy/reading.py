"""Searching one open version of an index: blocking, for a thread."""

from dataclasses import dataclass
from pathlib import Path

import tantivy

from stagedoor.search.fits import demand_fit
from stagedoor.search.order import in_order, narrowed
from stagedoor.search.query import Query, Result
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.compile import compiled
from stagedoor.search.tantivy.fields import WORDS
from stagedoor.search.tantivy.pages import Pages, document_at, steps_of

__all__ = ["Opened", "opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """One state of one version: searches see it unchanged while they run."""

    index: Index
    version: str
    files: tantivy.Index
    searcher: tantivy.Searcher

    def renewed(self) -> "Opened":
        """Return the newest committed state of the same version."""
        self.files.reload()
        return Opened(self.index, self.version, self.files, self.files.searcher())

    def search(self, query: Query) -> Result:
        """Answer a query; raises `ValueError` for one that does not fit the index."""
        demand_fit(query, self.index)
        schema = self.files.schema
        pages = Pages(self.searcher, schema, compiled(query.clause, self.index, schema))
        if query.by_relevance:
            found = pages.ranked(query.offset, query.limit)
            documents = [document_at(self.searcher, address) for address in found]
        else:
            keys = query.sort_keys()
            found = pages.sorted(steps_of(keys, self.index), query.offset, query.limit)
            documents = in_order([document_at(self.searcher, at) for at in found], keys, self.index)
        return Result(total=pages.total, documents=narrowed(documents, query.fields, self.index))


def opened(path: Path, version: str, index: Index) -> Opened:
    """Open a version for reading; raises `ValueError` or `OSError` if it cannot be."""
    files = tantivy.Index.open(str(path))
    files.register_tokenizer(WORDS, divider())
    files.config_reader("manual")
    files.reload()
    return Opened(index, version, files, files.searcher())


def divider() -> tantivy.TextAnalyzer:
    """Return the tokenizer for words that are analysed already and divided by spaces."""
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
