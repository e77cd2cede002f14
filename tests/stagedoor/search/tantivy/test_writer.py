"""What the embedded writer does by itself; the rest is in `tests/contracts/search/test_writing.py`."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stagedoor.search import Delete, Put, WriterError
from stagedoor.search.leaves import Keyword, Text
from stagedoor.search.schema import Index
from stagedoor.search.tantivy import TantivyWriter

_INDEX = Index("texts", (Keyword(name="id"), Text(name="text")))


def _batch(*ids: str) -> list[Put]:
    return [Put({"id": key, "text": "word"}) for key in ids]


@pytest.mark.parametrize(
    "batches",
    [
        [("a", "b"), ("c", "d")],
        [("a", "b"), ("a", "b")],
        [("c", "d"), ("b", "c")],
        [("b", "a"), ("c", "b")],
        [("a", "b", "c"), ("d",), ("b",)],
    ],
    ids=["a walk", "a batch that is repeated", "ids from before", "no order", "behind and before"],
)
@pytest.mark.parametrize("commit", [False, True], ids=["in one commit", "in several"])
async def test_no_document_is_doubled_in_a_new_version(
    tmp_path: Path, batches: list[tuple[str, ...]], *, commit: bool
) -> None:
    """A walk in the order of ids deletes nothing, and anything else does."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    version = await writer.create(_INDEX)
    for ids in batches:
        assert await writer.write(version, _batch(*ids)) == ()
        if commit:
            await writer.commit(version)
    await writer.commit(version)

    assert await writer.count(version) == len({key for ids in batches for key in ids})
    await writer.aclose()


async def test_no_document_is_doubled_by_a_second_writer(tmp_path: Path) -> None:
    """Who opens a version does not know what is in it, even if its own ids come in order."""
    first = TantivyWriter(tmp_path, [_INDEX])
    version = await first.create(_INDEX)
    await first.write(version, _batch("a", "b"))
    await first.commit(version)
    await first.aclose()
    second = TantivyWriter(tmp_path, [_INDEX])

    await second.write(version, _batch("a", "b", "c"))
    await second.commit(version)

    assert await second.count(version) == 3
    await second.aclose()


@pytest.mark.parametrize("kinds", [5, ["a", 5], ["a", None], {"a": "b"}, True])
async def test_a_refused_document_leaves_the_one_before_it(tmp_path: Path, kinds: object) -> None:
    """What Tantivy would not take is known before anything is deleted for it."""
    index = Index("kinds", (Keyword(name="id"), Keyword(name="kinds", many=True)))
    writer = TantivyWriter(tmp_path, [index])
    version = await writer.create(index)
    await writer.write(version, [Put({"id": "a", "kinds": ["a", "b"]})])
    refused = await writer.write(version, [Put({"id": "a", "kinds": kinds}), Put({"id": "b", "kinds": []})])
    await writer.commit(version)

    assert [one.id for one in refused] == ["a"]
    assert await writer.count(version) == 2
    await writer.aclose()


async def test_what_a_commit_that_died_has_left_stands_in_nobodys_way(tmp_path: Path) -> None:
    """Issue 4: killed between files and the note that names them, it leaves names that the same commit wants again."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    version = await writer.create(_INDEX)
    await writer.write(version, _batch("a", "b", "c"))
    await writer.commit(version)
    await writer.aclose()
    note = tmp_path / version / "meta.json"
    before = note.read_bytes()
    for _ in range(2):
        note.write_bytes(before)
        writer = TantivyWriter(tmp_path, [_INDEX])
        await writer.write(version, [Delete("a")])
        await writer.commit(version)
        await writer.aclose()
        assert list((tmp_path / version).glob("*.del"))

    after = TantivyWriter(tmp_path, [_INDEX])
    assert await after.count(version) == 2
    await after.aclose()


async def test_what_was_prepared_for_another_version_is_refused(tmp_path: Path) -> None:
    """Its keywords were drawn by another secret: nobody would find it, nor could it be deleted."""
    first, other = (TantivyWriter(tmp_path / name, [_INDEX]) for name in ("first", "other"))
    version = await first.create(_INDEX)
    await first.write(version, _batch("a"))
    await first.commit(version)
    await first.aclose()
    after = TantivyWriter(tmp_path / "first", [_INDEX])

    refused = [
        await after.write(version, [writer.prepare(_INDEX)({"id": "a", "text": "word"})])
        for writer in (other, after)
    ]
    assert [[one.reason for one in some] for some in refused] == [
        ["ValueError: it was prepared for another version"]
    ] * 2
    assert await after.write(version, _batch("a", "b")) == ()
    await after.commit(version)
    assert await after.count(version) == 2
    await after.aclose()
    await other.aclose()


def _tear(path: Path) -> None:
    path.write_bytes(b"\xeb\x00" * 1_000)


@pytest.mark.parametrize(
    "torn", ["format", "meta.json", "*.term", "*.idx", "*.fast", "*.store", "../texts.name"]
)
async def test_a_version_that_cannot_be_read_is_nobody_s(tmp_path: Path, torn: str) -> None:
    """Whoever fills the index must see that it is to be built anew; it waited for ever, asking the torn files."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    version = await writer.create(_INDEX)
    await writer.write(version, _batch("a", "b"))
    await writer.commit(version)
    await writer.switch("texts", version)
    await writer.aclose()
    after = TantivyWriter(tmp_path, [_INDEX])
    assert await after.current("texts") == version

    for path in list((tmp_path / version).glob(torn)):
        _tear(path)

    assert await after.current("texts") is None
    fresh = await after.create(_INDEX)
    await after.commit(fresh)
    await after.switch("texts", fresh)
    assert await after.current("texts") == fresh
    await after.drop(version)
    await after.aclose()


@pytest.mark.parametrize(("torn", "kept"), [("*.pos", None), ("*.store", 64)])
async def test_a_version_that_opens_and_cannot_be_asked_is_nobody_s_either(
    tmp_path: Path, torn: str, kept: int | None
) -> None:
    """A file that is gone, or wrong at its beginning, is found by a question alone: each one would fail, for ever."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    version = await writer.create(_INDEX)
    await writer.write(version, _batch(*(f"{place:03}" for place in range(300))))
    await writer.commit(version)
    await writer.switch("texts", version)
    await writer.aclose()
    for path in (tmp_path / version).glob(torn):
        if kept is None:
            path.unlink()
        else:
            path.write_bytes(b"\xeb\x00" * (kept // 2) + path.read_bytes()[kept:])

    after = TantivyWriter(tmp_path, [_INDEX])

    assert await after.current("texts") is None
    await after.aclose()


@pytest.mark.parametrize("name", ["", ".", "..", "others-000001", "texts-1", "texts-000009"])
async def test_a_name_stands_for_a_version_or_for_nothing(tmp_path: Path, name: str) -> None:
    """A file that was cut short must not name the folder itself."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    await writer.create(_INDEX)

    (tmp_path / "texts.name").write_text(name)

    assert await writer.current("texts") is None
    await writer.aclose()


async def test_a_commit_that_fails_says_that_what_was_written_is_lost(tmp_path: Path) -> None:
    """E1: a full disk, for instance. Tantivy's writer does not survive it; the next one begins at the last commit."""
    writer = TantivyWriter(tmp_path, [_INDEX])
    version = await writer.create(_INDEX)
    await writer.write(version, _batch("a"))
    await writer.commit(version)
    await writer.write(version, _batch("b"))
    with full_disk(), pytest.raises(WriterError) as caught:
        await writer.commit(version)

    assert (caught.value.lost, caught.value.retryable) == (True, True)
    await writer.write(version, _batch("c"))
    await writer.commit(version)
    assert await writer.count(version) == 2
    await writer.aclose()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow: a write ends with an error, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_folder_in_place_of_the_name_is_found_before_anything_is_filled(tmp_path: Path) -> None:
    """E7: it would be in the way in the end, and waiting does not move it; one line that says what to do."""
    (tmp_path / "texts.name").mkdir(parents=True)
    writer = TantivyWriter(tmp_path, [_INDEX])
    with pytest.raises(WriterError, match=r"texts\.name is a folder .* move it away") as caught:
        await writer.create(_INDEX)

    assert not caught.value.retryable
    await writer.aclose()


async def test_a_file_in_place_of_the_folder_is_not_waited_for(tmp_path: Path) -> None:
    """E7: nothing but whoever put it there takes it away."""
    (tmp_path / "index").touch()
    writer = TantivyWriter(tmp_path / "index", [_INDEX])
    with pytest.raises(WriterError, match=r"File exists|Not a directory") as caught:
        await writer.create(_INDEX)

    assert not caught.value.retryable
    await writer.aclose()
