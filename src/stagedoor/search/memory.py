"""An engine in memory, reader and writer in one: for tests, and as the plain statement of what the others do."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from stagedoor._call import Call
from stagedoor._clock import Clock, SystemClock
from stagedoor._value import value
from stagedoor.errors import UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.search.compared import has_any, lies_between
from stagedoor.search.documents import as_declared, misfit, refusal
from stagedoor.search.engine import Change, Delete, Put, Ready, Refused, WriterError, key_of
from stagedoor.search.keys import prior_of
from stagedoor.search.nearness import is_near
from stagedoor.search.objects import meets_same
from stagedoor.search.order import in_facet_order, in_order, narrowed
from stagedoor.search.phrases import has_phrase
from stagedoor.search.places import filler
from stagedoor.search.query import (
    ID,
    All,
    AnyOf,
    Begins,
    Between,
    Clause,
    Document,
    Either,
    Exists,
    Match,
    Not,
    Phrase,
    Query,
    Result,
    Same,
    Term,
    texts_in,
    texts_of,
)
from stagedoor.search.ranking import Condition, Has, Ranking, Starts, Worth, ranking_of
from stagedoor.search.schema import Index
from stagedoor.search.validation import validate_query

__all__ = ["MemorySearch"]

Words: TypeAlias = Mapping[str, frozenset[str]]  # of a document, by the part that they are in


@value()
class IndexedDocument:
    """A document and its words."""

    document: Document
    words: Words


class _Version:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.written: dict[str, IndexedDocument] = {}
        self.committed: dict[str, IndexedDocument] = {}
        self.vocabulary = Vocabulary(())
        self.mark = ""
        self._fill = filler(index)

    def put(self, document: Document) -> None:
        words = {part: frozenset(words.split(" ")) for part, words in self._fill(document).items()}
        self.written[document[ID]] = IndexedDocument(document, words)


class MemorySearch:
    """An `Engine` and a `Writer` over the same dictionaries; every query looks at every document."""

    def __init__(self, indices: Iterable[Index], *, clock: Clock | None = None) -> None:
        self._indices = {index.name: index for index in indices}
        self._clock = clock or SystemClock()
        self._versions: dict[str, _Version] = {}
        self._names: dict[str, str] = {}
        self._created = 0

    # --- reading --------------------------------------------------------------------------------------------

    async def send(self, call: Call[Query], /) -> Result:
        if call.deadline.passed(self._clock.now()):
            raise UpstreamTimeout(call.operation, "the deadline had passed")
        version = self._names.get(call.payload.index)
        if version is None:
            raise UpstreamUnavailable(call.operation, "there is no such index yet", retryable=True)
        found = self._versions[version]
        try:
            return _answer(call.payload, found.index, found.committed.values(), found.vocabulary)
        except ValueError as error:
            raise UpstreamRejected(call.operation, "the query does not fit the index") from error

    async def reload(self) -> None:
        pass

    def key_of(self, payload: Query, /) -> bytes:
        return key_of(payload)

    def idempotent(self, payload: Query, /) -> bool:
        return True

    async def aclose(self) -> None:
        pass

    # --- writing --------------------------------------------------------------------------------------------

    @staticmethod
    def prepare(index: Index, /) -> Callable[[Document], Change]:
        def prepared(document: Document) -> Change:
            if _refusal(document, index):
                return Put(document)  # which `write` refuses, and says why
            return Ready(document[ID], as_declared(document, index))

        return prepared

    async def create(self, index: Index, /) -> str:
        self._created += 1
        version = f"{index.name}-{self._created:06}"
        self._versions[version] = _Version(index)
        return version

    async def current(self, name: str, /) -> str | None:
        version = self._names.get(name)
        return version if version and self._versions[version].index == self._indices[name] else None

    async def versions(self, name: str, /) -> tuple[str, ...]:
        return tuple(version for version in self._versions if version.rpartition("-")[0] == name)

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        target, refused = self._version(version), []
        for change in changes:
            if isinstance(change, Delete):
                target.written.pop(change.id, None)
            elif isinstance(change, Ready):
                target.put(change.form)
            elif reason := _refusal(change.document, target.index):
                refused.append(Refused(str(change.document.get(ID)), reason))
            else:
                target.put(as_declared(change.document, target.index))
        return tuple(refused)

    async def commit(self, version: str, /) -> None:
        target = self._version(version)
        target.committed = dict(target.written)
        target.vocabulary = Vocabulary(target.committed.values())

    async def switch(self, name: str, version: str, /) -> None:
        self._version(version)
        self._names[name] = version

    async def mark(self, version: str, text: str, /) -> None:
        self._version(version).mark = text

    async def marked(self, version: str, /) -> str:
        return self._version(version).mark

    async def drop(self, version: str, /) -> None:
        if version in self._names.values():
            raise WriterError(f"{version} is in use", retryable=False)
        self._versions.pop(version, None)

    async def count(self, version: str, /) -> int:
        return len(self._version(version).committed)

    def _version(self, version: str) -> _Version:
        found = self._versions.get(version)
        if found is None:
            raise WriterError(f"there is no version {version}", retryable=False)
        return found


def _refusal(document: Document, index: Index) -> str | None:
    return refusal(document, index) or misfit(document, index)


def _answer(query: Query, index: Index, held: Iterable[IndexedDocument], vocabulary: "Vocabulary") -> Result:
    validate_query(query, index)
    asked = _Asked(query.clause, index, vocabulary)
    found = [one for one in held if asked.matches(one)]
    if query.by_relevance:
        prior = prior_of(index)
        found.sort(key=lambda one: (-asked.score(one), prior(one.document)[0], one.document[ID]))
        ordered = [one.document for one in found]
    else:
        ordered = in_order([one.document for one in found], query.sort_keys(), index)
    page = ordered[query.offset : query.offset + query.limit]
    counted = tuple((name, _counted(name, found)) for name in query.facets)
    return Result(total=len(found), documents=narrowed(page, query.fields, index), facets=counted)


def _counted(path: str, found: Sequence[IndexedDocument]) -> tuple[tuple[str, int], ...]:
    counts = Counter(value for one in found for value in set(values_at(one.document, path)))
    return in_facet_order(counts.items())


class _Asked:
    """A clause that fits an index, with the rankings of its texts made once."""

    def __init__(self, clause: Clause, index: Index, vocabulary: "Vocabulary") -> None:
        self._clause = clause
        self._index = index
        self._texts: dict[Match | Begins, Scores] = {}
        for text in texts_in(clause):
            ranking = ranking_of(text, index)
            if ranking is not None:
                self._texts[text] = Scores(ranking, vocabulary)
        self._ranking = [self._texts[text] for text in texts_of(clause) if text in self._texts]

    def matches(self, held: IndexedDocument) -> bool:
        """Tell whether a document is among those asked for."""
        return self._holds(self._clause, held)

    def score(self, held: IndexedDocument) -> int:
        """Return how relevant a document is."""
        return sum(scores.of(held.words) for scores in self._ranking)

    def _holds(self, clause: Clause, held: IndexedDocument) -> bool:
        match clause:
            case All():
                return all(self._holds(part, held) for part in clause.clauses)
            case Either():
                return any(self._holds(part, held) for part in clause.clauses)
            case Not():
                return not self._holds(clause.clause, held)
            case Match() | Begins():
                return clause in self._texts and self._texts[clause].of(held.words) > 0
            case _:
                return _has_value(held.document, clause, self._index)


def _has_value(
    document: Document, clause: Term | AnyOf | Between | Exists | Phrase | Same, index: Index
) -> bool:
    match clause:
        case Term() | AnyOf():
            return has_any(index, clause, values_at(document, clause.field))
        case Between():
            return lies_between(index, clause, document.get(clause.field))
        case Exists():
            return document.get(clause.field) not in (None, [])
        case Phrase():
            return has_phrase(document.get(clause.field), clause.text)
        case Same():
            return meets_same(document, clause, index)
    assert_never(clause)


def values_at(document: Mapping[str, Any], path: str) -> list[Any]:
    """Return the values that a document has at a dotted path."""
    head, _, tail = path.partition(".")
    found = document.get(head)
    values = found if isinstance(found, list) else [found]
    if not tail:
        return [value for value in values if value is not None]
    inside = (value.get(tail) for value in values if value is not None)
    return [
        one for value in inside for one in (value if isinstance(value, list) else [value]) if one is not None
    ]


# --- relevance ----------------------------------------------------------------------------------------------------


class Vocabulary:
    """The words of all documents by part, and which of them meet a condition: found out once."""

    def __init__(self, held: Iterable[IndexedDocument]) -> None:
        self._words: dict[str, set[str]] = {}
        for one in held:
            for part, words in one.words.items():
                self._words.setdefault(part, set()).update(words)
        self._met: dict[Condition, frozenset[str]] = {}

    def meeting(self, condition: Condition) -> frozenset[str]:
        """Return the words of its part that meet a condition."""
        met = self._met.get(condition)
        if met is None:
            met = self._met[condition] = frozenset(self._found(condition))
        return met

    def _found(self, condition: Condition) -> Iterable[str]:
        if isinstance(condition, Has):
            return (condition.word,)
        known = self._words.get(condition.part, set())
        if isinstance(condition, Starts):
            return (other for other in known if other.startswith(condition.word))
        return (other for other in known if is_near(condition.word, other, condition.errors))


Met: TypeAlias = tuple[int, Sequence[tuple[str, frozenset[str]]]]  # points, and words of which any earns them


class Scores:
    """A ranking, with every condition turned into the words that meet it."""

    def __init__(self, ranking: Ranking, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._every = ranking.every
        self._sums = [[self._met(word) for word in words] for words in (ranking.words, ranking.layout)]
        self._whole = self._met(ranking.whole)
        self._more = self._met(ranking.more)

    def _met(self, worths: Sequence[Worth]) -> list[Met]:
        """Return what earns points, the most first."""
        met = [
            (worth.points, [(one.part, self._vocabulary.meeting(one)) for one in worth.conditions])
            for worth in worths
        ]
        return sorted(met, key=lambda one: -one[0])

    def _sum(self, asked: Sequence[Sequence[Met]], words: Words) -> int:
        points = [_best(word, words) for word in asked]
        return 0 if self._every and 0 in points else sum(points)

    def of(self, words: Words) -> int:
        """Return what a document with these words scores; 0 if it is no match."""
        best = max(self._sum(asked, words) for asked in self._sums)
        best = max(best, _best(self._whole, words))
        return best + sum(_best([one], words) for one in self._more) if best else 0


def _best(met: Sequence[Met], words: Words) -> int:
    for points, conditions in met:
        for part, wanted in conditions:
            if part in words and not words[part].isdisjoint(wanted):
                return points
    return 0
