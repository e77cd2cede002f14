"""Searching one open version of an index: blocking, for a thread."""

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import tantivy

from stagedoor.search.objects import meets_same
from stagedoor.search.order import in_facet_order, in_order, narrowed
from stagedoor.search.query import ID, All, Query, Result, Same
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.compile import Layout, compiled
from stagedoor.search.tantivy.fields import DIVIDED
from stagedoor.search.tantivy.keywords import Terms
from stagedoor.search.tantivy.landmarks import Landmarks
from stagedoor.search.tantivy.mapped import Stored, newest
from stagedoor.search.tantivy.pages import Pages, steps_of

__all__ = ["Opened", "opened"]

_MOST = 65_000  # values of a facet


@dataclass(frozen=True, slots=True)
class Opened:
    """One state of one version: searches see it unchanged while they run."""

    layout: Layout
    version: str
    files: tantivy.Index
    searcher: tantivy.Searcher
    stored: Stored
    landmarks: Landmarks
    path: Path
    secret: bytes

    def renewed(self) -> "Opened":
        """Return the newest committed state of the same version."""
        return state(self.layout, self.version, self.files, self.path, self.secret)

    def search(self, query: Query, beside: Executor) -> Result:
        """Answer a query that fits the index; what is counted is counted `beside`, while the page is looked for."""
        index, schema = self.layout.index, self.layout.schema
        asked = compiled(query.clause, self.layout, ranked=query.by_relevance, found=self._having)
        members = asked
        if query.facets and query.by_relevance:
            members = compiled(query.clause, self.layout, found=self._having)
        counting = [(name, beside.submit(self._counted, name, members)) for name in query.facets]
        pages = Pages(
            self.searcher, self.stored, schema, asked, self.landmarks if query.clause == All() else None
        )
        if query.by_relevance:
            found = pages.ranked(query.offset, query.limit)
            documents = self.stored.at(found)
        else:
            keys = query.sort_keys()
            found = pages.sorted(steps_of(keys, index), query.offset, query.limit)
            documents = in_order(self.stored.at(found), keys, index)
        counted = tuple((name, counts.result()) for name, counts in counting)
        shown = narrowed(documents, query.fields, index)
        return Result(total=pages.total, documents=shown, facets=counted)

    def _having(self, clause: Same, candidates: tantivy.Query) -> Iterable[str]:
        """Return the ids of the candidates that have such an object: Tantivy has no documents in documents."""
        most = max(1, self.searcher.num_docs)
        hits = self.searcher.search(candidates, most, count=False).hits
        held = (self.stored.at([address])[0] for _, address in hits)
        return [one[ID] for one in held if meets_same(one, clause, self.layout.index)]

    def _counted(self, path: str, asked: tantivy.Query) -> tuple[tuple[str, int], ...]:
        terms = {"terms": {"field": path + "%", "size": _MOST, "segment_size": _MOST}}
        buckets = self.searcher.aggregate(asked, {"values": terms})["values"]["buckets"]
        return in_facet_order([(one["key"], int(one["doc_count"])) for one in buckets])


def opened(path: Path, version: str, index: Index, secret: bytes) -> Opened:
    """Open a version for reading."""
    files = tantivy.Index.open(str(path))
    files.register_tokenizer(DIVIDED, divider())
    files.config_reader("manual")
    return state(Layout(index, files.schema, Terms(secret)), version, files, path, secret)


def state(layout: Layout, version: str, files: tantivy.Index, path: Path, secret: bytes) -> Opened:
    """Return the newest committed state of a version that is open."""
    searcher, stored = newest(files, path)
    landmarks = Landmarks(searcher, files.schema)
    return Opened(layout, version, files, searcher, stored, landmarks, path, secret)


def divider() -> tantivy.TextAnalyzer:
    """Return the tokenizer for words that are analysed already and divided by spaces."""
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
