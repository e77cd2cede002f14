"""Letting go of mapped documents: what is read afterwards is the same, and what is mapped is less."""

import random
import re
import sys
from pathlib import Path

import pytest
import tantivy

from stagedoor.search import Document, Index, Keyword, Put
from stagedoor.search.tantivy import TantivyWriter, mapped
from stagedoor.search.tantivy.mapped import mappings_of, newest, segments_of

INDEX = Index("films", (Keyword(name="id"), Keyword(name="note")))
EVERYTHING = tantivy.Query.all_query()

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="left out: mappings are told by Linux alone")


def library() -> list[Document]:
    rng = random.Random(5)
    # Notes that hardly compress: 2 MB in the files that hold the documents.
    return [{"id": f"{number:08d}", "note": f"{rng.getrandbits(12_000):x}"} for number in range(600)]


async def filled(folder: Path) -> Path:
    """Return the folder of a version with all films, in two segments."""
    writer = TantivyWriter(folder, [INDEX])
    version = await writer.create(INDEX)
    for start in (0, 300):
        assert await writer.write(version, [Put(one) for one in library()[start : start + 300]]) == ()
        await writer.commit(version)
    await writer.switch("films", version)
    await writer.aclose()
    return folder / version


def resident(path: Path) -> int:
    """Return how much of the files of stored documents this process keeps mapped, in kB."""
    regions = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    ours = [region for region in regions if str(path) in region and ".store" in region.partition("\n")[0]]
    return sum(int(size) for region in ours for size in re.findall(r"^Rss: +(\d+) kB", region, re.MULTILINE))


async def test_documents_are_the_same_after_their_mappings_were_let_go(tmp_path: Path) -> None:
    """Every document is read three times over, which lets go several times in between."""
    path = await filled(tmp_path)
    searcher, stored = newest(tantivy.Index.open(str(path)), path)
    addresses = [address for _, address in searcher.search(EVERYTHING, 1_000).hits]

    for _ in range(3):
        found = [document for address in addresses for document in stored.at([address])]

        assert sorted(found, key=lambda one: one["id"]) == library()


async def test_reading_many_documents_keeps_few_of_them_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is mapped; with the last of so many read, nothing is any more."""
    path = await filled(tmp_path)
    searcher, stored = newest(tantivy.Index.open(str(path)), path)
    addresses = [address for _, address in searcher.search(EVERYTHING, 1_000).hits]
    monkeypatch.setattr(mapped, "_DOCUMENTS", 600)

    stored.at(addresses[:599])
    before = resident(path)
    stored.at(addresses[599:])

    assert before > 0
    assert resident(path) == 0


async def test_only_files_of_segments_that_are_open_once_are_named(tmp_path: Path) -> None:
    """An address that may end before its reader does is none to let go of: twice mapped, or not at all, is neither."""
    path = await filled(tmp_path)
    segments = segments_of(path)
    first = newest(tantivy.Index.open(str(path)), path)
    once = mappings_of(path, segments)
    second = newest(tantivy.Index.open(str(path)), path)

    assert len(once) == len(segments)
    assert mappings_of(path, segments) == ()
    assert mappings_of(path, [*segments, "0" * 32]) == ()
    assert mappings_of(tmp_path / "elsewhere", segments) == ()
    assert first[0].num_docs == second[0].num_docs == 600
