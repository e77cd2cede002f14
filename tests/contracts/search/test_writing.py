"""What every search engine promises to whoever fills it."""

import pickle
from itertools import pairwise

import pytest

from stagedoor.errors import UpstreamRejected, UpstreamUnavailable
from stagedoor.search import Change, Delete, Put, Query, Term, WriterError
from tests.contracts.search.conftest import House
from tests.contracts.search.films import films

FILMS = films(30, seed=2)


async def found(house: House) -> set[str]:
    await house.engine.reload()
    result = await house.ask(Query(index=house.index.name, limit=100))
    return {document["id"] for document in result.documents}


async def test_an_index_that_was_never_filled_is_unavailable(house: House) -> None:
    """Nothing there is not the same as nothing found: an empty answer would be cached as the truth."""
    with pytest.raises(UpstreamUnavailable):
        await house.ask(Query(index=house.index.name))


async def test_a_query_that_does_not_fit_is_rejected(house: House) -> None:
    """A field the index does not have is a bug of the caller, and no outage."""
    await house.fill(FILMS)

    with pytest.raises(UpstreamRejected):
        await house.ask(Query(index=house.index.name, clause=Term("titel", "x")))


async def test_a_document_takes_the_place_of_the_one_with_its_id(house: House) -> None:
    """Repeating a batch changes nothing, and a changed film is in the index once."""
    version = await house.fill(FILMS)
    changed = {**FILMS[0], "title": "Another"}
    await house.writer.write(version, [Put(changed), *(Put(film) for film in FILMS[1:])])
    await house.writer.commit(version)
    await house.engine.reload()
    answer = await house.ask(Query(index=house.index.name, clause=Term("id", changed["id"])))

    assert [document["title"] for document in answer.documents] == ["Another"]
    assert await house.writer.count(version) == len(FILMS)


async def test_deletions_leave_the_index_and_may_be_repeated(house: House) -> None:
    """A deletion of something that is not there is done already."""
    version = await house.fill(FILMS)
    refused = await house.writer.write(version, [Delete(FILMS[0]["id"]), Delete("nothing")])
    await house.writer.commit(version)

    assert refused == ()
    assert await found(house) == {film["id"] for film in FILMS[1:]}


async def test_the_last_change_of_a_document_counts(house: House) -> None:
    """Changes are applied in order, also within one batch."""
    version = await house.fill(FILMS[:1])
    first, second = FILMS[1], FILMS[2]
    changes: list[Change] = [Put(first), Delete(first["id"]), Delete(second["id"]), Put(second)]
    await house.writer.write(version, changes)
    await house.writer.commit(version)

    assert await found(house) == {FILMS[0]["id"], second["id"]}


async def test_what_was_prepared_elsewhere_is_written_as_if_put(house: House) -> None:
    """A process that reads prepares documents; the one that writes gets changes that went through a pipe."""
    prepare = pickle.loads(pickle.dumps(house.writer.prepare))
    prepared = [prepare(house.index)(film) for film in FILMS]
    version = await house.fill(FILMS[:1])
    left: list[Change] = [Put({**FILMS[0], "title": "Another"}), *prepared]
    refused = await house.writer.write(version, pickle.loads(pickle.dumps(left)))
    await house.writer.commit(version)
    await house.engine.reload()
    answer = await house.ask(Query(index=house.index.name, limit=100))
    await house.writer.write(version, [Put(film) for film in FILMS])
    await house.writer.commit(version)
    await house.engine.reload()

    assert refused == ()
    assert len(answer.documents) == len(FILMS)
    assert answer == await house.ask(Query(index=house.index.name, limit=100))


async def test_what_cannot_be_prepared_is_refused_when_it_is_written(house: House) -> None:
    """Whoever prepares cannot tell anybody: the change says it."""
    prepare = house.writer.prepare(house.index)
    odd = {**FILMS[0], "sequel": True}
    version = await house.writer.create(house.index)
    refused = await house.writer.write(
        version, [prepare(odd), prepare(FILMS[1]), prepare({"title": "no id"})]
    )
    await house.writer.commit(version)

    assert {one.id for one in refused} == {FILMS[0]["id"], "None"}
    assert await house.writer.count(version) == 1


async def test_a_refused_document_is_named_and_stops_nobody(house: House) -> None:
    """One document that does not fit must not hold up the other 999 of its batch."""
    version = await house.writer.create(house.index)
    odd = {**FILMS[0], "sequel": True}
    refused = await house.writer.write(version, [Put(odd), Put(FILMS[1]), Put({"title": "no id"})])
    await house.writer.commit(version)

    assert {one.id for one in refused} == {FILMS[0]["id"], "None"}
    assert not any(one.retryable for one in refused)
    assert await house.writer.count(version) == 1


async def test_absent_fields_come_back_in_their_declared_form(house: House) -> None:
    """Null for what is one value, an empty list for what is many."""
    await house.fill([{"id": FILMS[0]["id"], "title": "Bare"}])
    (document,) = (await house.ask(Query(index=house.index.name))).documents

    assert document["imdb_rating"] is None
    assert document["actors"] == document["genres"] == []


async def test_a_switch_shows_another_version_at_once(house: House) -> None:
    """A rebuild fills a new version while readers go on with the old one, and then they see the new one, whole."""
    before = await house.fill(FILMS[:10])
    after = await house.writer.create(house.index)
    await house.writer.write(after, [Put(film) for film in FILMS[10:]])
    await house.writer.commit(after)
    old = await found(house)
    await house.writer.switch(house.index.name, after)
    new = await found(house)
    await house.writer.drop(before)

    assert (old, new) == ({film["id"] for film in FILMS[:10]}, {film["id"] for film in FILMS[10:]})
    assert await found(house) == new
    assert await house.writer.current(house.index.name) == after
    assert await house.writer.versions(house.index.name) == (after,)


async def test_versions_are_listed_oldest_first(house: House) -> None:
    """Whoever tidies up removes from the front."""
    made = [await house.writer.create(house.index) for _ in range(3)]

    assert await house.writer.versions(house.index.name) == tuple(made)
    assert all(one < other for one, other in pairwise(made))


async def test_the_version_in_use_is_not_dropped(house: House) -> None:
    """Readers never see an index vanish."""
    version = await house.fill(FILMS)

    with pytest.raises(WriterError):
        await house.writer.drop(version)


async def test_a_mark_stays_with_its_version(house: House) -> None:
    """E6: each version has its own, the last one counts, and it changes nothing else."""
    version, other = await house.fill(FILMS), await house.writer.create(house.index)
    before = await house.writer.marked(version)
    for text in ('{"is": "1"}', '{"is": "2", "of": "Ärger"}'):
        await house.writer.mark(version, text)

    assert (before, await house.writer.marked(version)) == ("", '{"is": "2", "of": "Ärger"}')
    assert await house.writer.marked(other) == ""
    assert await house.writer.current(house.index.name) == version
    assert await found(house) == {film["id"] for film in FILMS}


async def test_no_name_stands_for_nothing(house: House) -> None:
    """Before the first switch there is no current version."""
    await house.writer.create(house.index)

    assert await house.writer.current(house.index.name) is None
    assert await house.writer.versions("other") == ()
