"""An engine in memory, reader and writer in one: for tests, and as the plain statement of what the others do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, assert_never

from stagedoor.call import Call
from stagedoor.clock import Clock, SystemClock
from stagedoor.errors import UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from stagedoor.search.analysis import analyze, forgiven, words_of
from stagedoor.search.documents import as_declared, refusal
from stagedoor.search.engine import Change, Delete, Put, Ready, Refused, WriterError, key_of
from stagedoor.search.fits import demand_fit
from stagedoor.search.order import in_order, narrowed
from stagedoor.search.query import (
    ID,
    All,
    AnyOf,
    Between,
    Clause,
    Document,
    Match,
    Not,
    Query,
    Result,
    Term,
    texts_of,
)
from stagedoor.search.schema import Index, single

__all__ = ["MemorySearch"]


@dataclass(slots=True)
class _Version:
    index: Index
    written: dict[str, Document] = field(default_factory=dict)
    committed: dict[str, Document] = field(default_factory=dict)
    mark: str = ""


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
            return _answer(call.payload, found.index, found.committed.values())
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
            if refusal(document, index):
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
                target.written[change.id] = change.form
            elif reason := refusal(change.document, target.index):
                refused.append(Refused(str(change.document.get(ID)), reason))
            else:
                target.written[change.id] = as_declared(change.document, target.index)
        return tuple(refused)

    async def commit(self, version: str, /) -> None:
        target = self._version(version)
        target.committed = dict(target.written)

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


def _answer(query: Query, index: Index, documents: Iterable[Document]) -> Result:
    demand_fit(query, index)
    found = [document for document in documents if matches(query.clause, document, index)]
    keys = query.sort_keys()
    ordered = in_order(found, keys, index)
    if query.by_relevance:
        texts = texts_of(query.clause)
        ordered.sort(
            key=lambda document: rank(texts, document), reverse=True
        )  # stable: equal ones stay by id
    page = ordered[query.offset : query.offset + query.limit]
    return Result(total=len(found), documents=narrowed(page, query.fields, index))


def matches(clause: Clause, document: Document, index: Index) -> bool:
    """Tell whether a document is among those a clause asks for."""
    match clause:
        case All():
            return all(matches(part, document, index) for part in clause.clauses)
        case Not():
            return not matches(clause.clause, document, index)
        case Term():
            return _has(document, clause.field, (clause.value,), index)
        case AnyOf():
            return _has(document, clause.field, clause.values, index)
        case Between():
            return _between(document.get(clause.field), clause.low, clause.high)
        case Match():
            return any(rank((clause,), document)[:2])
    assert_never(clause)


def _has(document: Document, path: str, wanted: Sequence[Any], index: Index) -> bool:
    if index.is_number(path):
        number = document.get(path)
        return number is not None and single(number) in {single(value) for value in wanted}
    return not set(wanted).isdisjoint(values_at(document, path))


def _between(number: float | None, low: float | None, high: float | None) -> bool:
    if number is None:
        return False
    return (low is None or single(number) >= single(low)) and (high is None or single(number) <= single(high))


def values_at(document: Mapping[str, Any], path: str) -> list[Any]:
    """Return the values that a document has at a dotted path."""
    head, _, tail = path.partition(".")
    found = document.get(head)
    values = found if isinstance(found, list) else [found]
    return [value.get(tail) if tail else value for value in values if value is not None]


def rank(texts: Sequence[Match], document: Document) -> tuple[int, int, float]:
    """Return what relevance compares: exact words, words near others, and the weights of where exact ones stand."""
    exact, near, weight = 0, 0, 0.0
    for text in texts:
        fields = [(words_at(document, name), share) for name, share in text.fields]
        every = set(chain.from_iterable(words for words, _ in fields))
        for word, errors in forgiven(words_of(text.text)).items():
            exact += word in every
            near += any(is_near(word, other, errors) for other in every)
            weight += sum(share for words, share in fields if word in words)
    return exact, near, weight


def words_at(document: Document, name: str) -> frozenset[str]:
    """Return the words of a text field."""
    return frozenset(chain.from_iterable(_words(value) for value in values_at(document, name)))


@lru_cache(10_000)
def _words(text: str) -> frozenset[str]:
    return frozenset(analyze(text))


@lru_cache(100_000)
def is_near(word: str, other: str, allowed: int) -> bool:
    """Tell whether so many typing errors may have made one word of the other: the first letter is sure."""
    return word[0] == other[0] and abs(len(word) - len(other)) <= allowed and distance(word, other) <= allowed


def distance(word: str, other: str) -> int:
    """Return the edits from one word to another, an exchange of neighbours being one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        before, last, row = row, before, [i]
        for j, their in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != their))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == their:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
