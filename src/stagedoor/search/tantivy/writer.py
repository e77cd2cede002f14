"""Filling the embedded engine: every method runs on one thread, in the order in which it was asked for."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import tantivy

from stagedoor.search.engine import Change, Put, Refused, WriterError
from stagedoor.search.query import ID, Document
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.compile import any_term
from stagedoor.search.tantivy.fields import WORDS, builder, schema_of
from stagedoor.search.tantivy.folder import Folder
from stagedoor.search.tantivy.reading import divider

__all__ = ["TantivyWriter"]

T = TypeVar("T")


class _Open:
    """One version that is being written; Tantivy lets only one writer in, of all processes."""

    def __init__(self, path: Path, index: Index, heap: int) -> None:
        self.files = tantivy.Index(schema_of(index), path=str(path))
        self.files.register_tokenizer(WORDS, divider())
        self.writer = self.files.writer(heap, 1)
        self.build: Callable[[Document], tantivy.Document] = builder(index)

    def apply(self, changes: Sequence[Change]) -> tuple[Refused, ...]:
        # The last change of a document decides, so that one deletion in front serves the whole batch.
        last = {_id_of(change): change for change in changes}
        added, refused = [], []
        for document_id, change in last.items():
            try:
                if isinstance(change, Put):
                    added.append(self.build(change.document))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                refused.append(Refused(document_id, f"{type(error).__name__}: {error}"))
        gone = last.keys() - {item.id for item in refused}
        if gone:
            self.writer.delete_documents_by_query(any_term(ID, gone, self.files.schema))
        for physical in added:
            self.writer.add_document(physical)
        return tuple(refused)


class TantivyWriter:
    """A `Writer` into a folder; `heap` is the memory in bytes that one index may fill before it is written out.

    What is not committed is lost with the process, which is what makes a batch all or nothing.
    """

    def __init__(self, folder: Path, indices: Sequence[Index], *, heap: int = 64_000_000) -> None:
        self._folder = Folder(folder)
        self._indices = {index.name: index for index in indices}
        self._heap = heap
        self._open: dict[str, _Open] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def create(self, index: Index, /) -> str:
        def work() -> str:
            version = self._folder.create(index)
            self._indices[index.name] = index
            self._opened(version).writer.commit()
            return version

        return await self._run(work)

    async def current(self, name: str, /) -> str | None:
        def work() -> str | None:
            version = self._folder.current(name)
            fits = version is not None and self._folder.fits(version, self._indices[name])
            return version if fits else None

        return await self._run(work)

    async def versions(self, name: str, /) -> tuple[str, ...]:
        return await self._run(lambda: self._folder.versions(name))

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        return await self._run(lambda: self._opened(version).apply(changes))

    async def commit(self, version: str, /) -> None:
        def work() -> None:
            self._opened(version).writer.commit()
            self._folder.advance()

        await self._run(work)

    async def switch(self, name: str, version: str, /) -> None:
        def work() -> None:
            self._folder.switch(name, version)
            self._folder.advance()

        await self._run(work)

    async def drop(self, version: str, /) -> None:
        def work() -> None:
            if version == self._folder.current(version.rpartition("-")[0]):
                raise WriterError(f"{version} is in use", retryable=False)
            self._close(version)
            self._folder.drop(version)

        await self._run(work)

    async def count(self, version: str, /) -> int:
        def work() -> int:
            files = self._opened(version).files
            files.reload()
            return int(files.searcher().num_docs)

        return await self._run(work)

    async def aclose(self) -> None:
        def work() -> None:
            for version in tuple(self._open):
                self._close(version)

        await self._run(work)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (OSError, ValueError) as error:
            raise WriterError(f"the index cannot be written: {error}") from error

    def _opened(self, version: str) -> _Open:
        found = self._open.get(version)
        if found is None:
            index = self._indices[version.rpartition("-")[0]]
            if not self._folder.fits(version, index):
                raise WriterError(f"{version} was made for another declaration", retryable=False)
            found = self._open[version] = _Open(self._folder.path(version), index, self._heap)
        return found

    def _close(self, version: str) -> None:
        """Forget what was not committed, and let the version's lock go."""
        found = self._open.pop(version, None)
        if found is not None:
            found.writer.rollback()
            found.writer.wait_merging_threads()


def _id_of(change: Change) -> str:
    document_id = change.document.get(ID) if isinstance(change, Put) else change.id
    return str(document_id)
