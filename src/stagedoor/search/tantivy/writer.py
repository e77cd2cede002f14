"""Filling the embedded engine.

Every method runs on one thread, in the order in which it was asked for. Only the commit of a version, which waits for
what Tantivy does on threads of its own, has a second one, so that another version can be filled meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import TypeVar

import tantivy

from stagedoor.search.documents import misfit
from stagedoor.search.engine import Change, Delete, Put, Ready, Refused, WriterError
from stagedoor.search.query import ID, All, Clause, Document, Match, Not, Query
from stagedoor.search.schema import Index
from stagedoor.search.tantivy.compile import Layout, any_term
from stagedoor.search.tantivy.fields import DIVIDED, builder, schema_of
from stagedoor.search.tantivy.folder import Folder
from stagedoor.search.tantivy.keywords import SECRET_BYTES, Terms
from stagedoor.search.tantivy.reading import divider, opened
from stagedoor.search.tantivy.torn import Unreadable, readable

__all__ = ["TantivyWriter"]

T = TypeVar("T")

# Something else is where a file or a folder has to be, and stays there until somebody moves it.
_IN_THE_WAY = (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_WRONG = (AttributeError, KeyError, TypeError, ValueError)  # what is raised for a document of another shape


class _Open:
    """One version that is being written; Tantivy lets only one writer in, of all processes.

    To put a document is to delete the one of its id and to add it. A walk in the order of ids into a version that was
    `created` here has nothing to delete, and says so by its ids: what is `behind` all of them is new. Forms that were
    `prepared` by another secret than the version's would never be found.
    """

    def __init__(
        self, path: Path, index: Index, secret: bytes, heap: int, *, prepared: bytes, created: bool = False
    ) -> None:
        self.takes_ready = secret == prepared
        self.behind: str | None = "" if created else None
        self.files = tantivy.Index(schema_of(index), path=str(path))
        self.files.register_tokenizer(DIVIDED, divider())
        self.writer = self.files.writer(heap, 1)
        # A commit that died has left files without a note of them, under names that the next one may want.
        self.writer.garbage_collect_files()
        terms = Terms(secret)
        self.layout = Layout(index, self.files.schema, terms)
        self.build: Callable[[Document], str] = builder(index, terms)

    def apply(self, changes: Sequence[Change]) -> tuple[Refused, ...]:
        forms: dict[str, str | None] = {}  # None: deleted
        refused: list[Refused] = []
        while wrong := self._formed(changes, forms, refused):
            changes = [change for change in changes if id(change) not in wrong]
        self._delete(forms.keys())
        for physical in forms.values():
            if physical is not None:
                self.writer.add_json(physical)
        return tuple(refused)

    def _formed(
        self, changes: Sequence[Change], forms: dict[str, str | None], refused: list[Refused]
    ) -> Collection[int]:
        """Find the form of each document; return the changes that were wrong, before which another may count.

        The last change of a document decides, so that one deletion in front serves the whole batch.
        """
        wrong = set()
        last = {_id_of(change): change for change in changes}
        for document_id in last.keys() - forms.keys() if forms else last:
            change = last[document_id]
            try:
                forms[document_id] = None if isinstance(change, Delete) else self._form(change)
            except _WRONG as error:
                reason = self._why(change) or f"{type(error).__name__}: {error}"
                refused.append(Refused(document_id, reason))
                wrong.add(id(change))
        return wrong

    def _why(self, change: Change) -> str | None:
        """Return which value of a document is at fault, if it is one: what raised may not know its field."""
        return misfit(change.document, self.layout.index) if isinstance(change, Put) else None

    def _form(self, change: Put | Ready) -> str:
        if not isinstance(change, Ready):
            return self.build(change.document)
        if not self.takes_ready:
            raise ValueError("it was prepared for another version")
        return str(change.form)

    def _delete(self, gone: Collection[str]) -> None:
        """Delete what is there already, and note what there is from now on, before any of it is added."""
        if not gone:
            return
        new = self.behind is not None and min(gone) > self.behind
        if not new:
            self.writer.delete_documents_by_query(any_term(ID, gone, self.layout))
        if self.behind is not None:
            self.behind = max(self.behind, *gone)


class TantivyWriter:
    """A `Writer` into a folder; `heap` is the memory in bytes that one index may fill before it is written out.

    What is not committed is lost with the process, which is what makes a batch all or nothing.
    """

    def __init__(self, folder: Path, indices: Sequence[Index], *, heap: int = 200_000_000) -> None:
        self._folder = Folder(folder)
        self._indices = {index.name: index for index in indices}
        self._heap = heap
        self._secret = token_bytes(SECRET_BYTES)  # of the versions that are created here
        self.prepare = partial(_prepared_by, self._secret)
        self._open: dict[str, _Open] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._committing = ThreadPoolExecutor(1, thread_name_prefix="commit")

    async def create(self, index: Index, /) -> str:
        def work() -> str:
            version = self._folder.create(index, self._secret)
            self._indices[index.name] = index
            self._begin(version, index, self._secret, created=True).writer.commit()
            return version

        return await self._run(work)

    async def current(self, name: str, /) -> str | None:
        def work() -> str | None:
            version = self._folder.current(name)
            return version if version is not None and self._is_sound(version, self._indices[name]) else None

        return await self._run(work)

    async def versions(self, name: str, /) -> tuple[str, ...]:
        return await self._run(lambda: self._folder.versions(name))

    async def write(self, version: str, changes: Sequence[Change], /) -> tuple[Refused, ...]:
        opened = await self._run(lambda: self._opened(version))
        return await self._or_lost(version, lambda: opened.apply(changes), self._thread)

    async def commit(self, version: str, /) -> None:
        opened = await self._run(lambda: self._opened(version))
        await self._or_lost(version, opened.writer.commit, self._committing)
        await self._run(self._folder.advance)

    async def switch(self, name: str, version: str, /) -> None:
        def work() -> None:
            self._folder.switch(name, version)
            self._folder.advance()

        await self._run(work)

    async def mark(self, version: str, text: str, /) -> None:
        await self._run(lambda: self._folder.mark(version, text))

    async def marked(self, version: str, /) -> str:
        return await self._run(lambda: self._folder.marked(version))

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
        self._committing.shutdown()

    async def _or_lost(self, version: str, work: Callable[[], T], thread: ThreadPoolExecutor) -> T:
        """Run what Tantivy's writer does not survive if it fails: what it has not committed goes with it."""
        try:
            return await self._run(work, thread)
        except WriterError as error:
            with suppress(WriterError):
                await self._run(lambda: self._close(version))
            raise WriterError(str(error), lost=True) from error.__cause__

    async def _run(self, work: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread or self._thread, work)
        except _IN_THE_WAY as error:
            what = error.strerror or str(error)
            raise WriterError(f"the index cannot be written: {what}", retryable=False) from error
        except (OSError, ValueError) as error:
            raise WriterError(f"the index cannot be written: {error}") from error

    def _is_sound(self, version: str, index: Index) -> bool:
        """Tell whether readers can ask a version: nothing but filling another one mends torn files."""
        if version in self._open:
            return True
        secret = self._folder.secret(version, index)
        if secret is None:
            return False
        with suppress(Unreadable), readable():
            asked = Query(index=index.name, clause=_of_all_files(index), limit=1)
            opened(self._folder.path(version), version, index, secret).search(asked, self._committing)
            return True
        return False

    def _opened(self, version: str) -> _Open:
        found = self._open.get(version)
        if found is None:
            index = self._indices[version.rpartition("-")[0]]
            secret = self._folder.secret(version, index)
            if secret is None:
                raise WriterError(f"{version} was made for another declaration", retryable=False)
            found = self._begin(version, index, secret)
        return found

    def _begin(self, version: str, index: Index, secret: bytes, *, created: bool = False) -> _Open:
        path = self._folder.path(version)
        fresh = _Open(path, index, secret, self._heap, prepared=self._secret, created=created)
        self._open[version] = fresh
        return fresh

    def _close(self, version: str) -> None:
        """Forget what was not committed, and let the version's lock go."""
        found = self._open.pop(version, None)
        if found is not None:
            # A commit whose caller has gone may still be under way.
            self._committing.submit(int).result()
            found.writer.rollback()
            found.writer.wait_merging_threads()


def _of_all_files(index: Index) -> Clause:
    """Return what finds everything and looks into files that are not opened before: those of words and their places."""
    words = next((tuple((name, 1.0) for name in place.fields) for place in index.places), None)
    return All() if words is None else Not(Match(words, "x"))


def _id_of(change: Change) -> str:
    document_id = change.document.get(ID) if isinstance(change, Put) else change.id
    return str(document_id)


def _prepared_by(secret: bytes, index: Index) -> Callable[[Document], Change]:
    build = builder(index, Terms(secret))

    def prepared(document: Document) -> Change:
        try:
            return Ready(document[ID], build(document))
        except _WRONG:
            return Put(document)  # which `write` refuses, and says why

    return prepared
