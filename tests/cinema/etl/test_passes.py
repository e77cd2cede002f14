"""Passes of the ETL on SQLite and PostgreSQL: every kind of change reaches every document it is in."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, select

from cinema.database import Database
from cinema.database.tables import change_log
from cinema.etl.changes import ChangeLog
from cinema.etl.feed import Change, Waiting
from cinema.etl.passes import telling
from cinema.etl.state import Position
from stagedoor.testing import ManualClock, settle
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link

NOW = "2026-01-05 10:00:00+00:00"


async def test_the_first_pass_builds_everything(bench: Bench) -> None:
    """Contract 13 and 14.4: all rows of genre and person, roles without people as []."""
    await bench.run()

    movies = await bench.held("movies")
    assert movies[FILMS[0]]["actors"] == [{"id": PEOPLE[0], "name": "Person 0"}]
    assert movies[FILMS[0]]["writers"] == [{"id": PEOPLE[0], "name": "Person 0"}]
    assert movies[FILMS[0]]["directors"] == [{"id": PEOPLE[1], "name": "Person 1"}]
    assert movies[FILMS[3]]["actors"] == []
    assert movies[FILMS[3]]["imdb_rating"] is None
    assert movies[FILMS[1]]["genres"] == ["Genre 0", "Genre 1"]
    persons = await bench.held("persons")
    assert persons[PEOPLE[0]]["films"] == [
        {"id": FILMS[0], "title": "Film 0", "imdb_rating": 9.0, "roles": ["actor", "writer"]}
    ]
    assert persons[PEOPLE[3]]["films"] == []
    assert len(await bench.held("genres")) == 2
    await bench.assert_equal()


async def test_a_pass_without_changes_writes_nothing(bench: Bench) -> None:
    """Contract 14.5: and a batch that is repeated changes nothing."""
    first = await bench.run()

    assert (first, await bench.run()) == (10, 0)


CHANGES = {
    "a person's name, and nothing else": f"UPDATE content.person SET full_name = 'New' WHERE id = '{PEOPLE[1]}'",
    "a genre's name": f"UPDATE content.genre SET name = 'New' WHERE id = '{GENRES[1]}'",
    "a film's title": f"UPDATE content.film_work SET title = 'New' WHERE id = '{FILMS[0]}'",
    "a film's rating": f"UPDATE content.film_work SET rating = NULL WHERE id = '{FILMS[0]}'",
    "a link's role": f"UPDATE content.person_film_work SET role = 'writer' WHERE id = '{link(13)}'",
    "a link's person": f"UPDATE content.person_film_work SET person_id = '{PEOPLE[3]}' WHERE id = '{link(13)}'",
    "a link's film": f"UPDATE content.genre_film_work SET film_work_id = '{FILMS[3]}' WHERE id = '{link(0)}'",
    "a link less": f"DELETE FROM content.person_film_work WHERE id = '{link(12)}'",
    "a genre of a film less": f"DELETE FROM content.genre_film_work WHERE id = '{link(2)}'",
    "a link more": "INSERT INTO content.person_film_work (id, person_id, film_work_id, role, created) "
    f"VALUES ('{link(90)}', '{PEOPLE[3]}', '{FILMS[3]}', 'director', '{NOW}')",
    "a film less": f"DELETE FROM content.film_work WHERE id = '{FILMS[0]}'",
    "a genre less": f"DELETE FROM content.genre WHERE id = '{GENRES[0]}'",
    "a person less": f"DELETE FROM content.person WHERE id = '{PEOPLE[0]}'",
    "a film more": "INSERT INTO content.film_work (id, title, type, created, modified) "
    f"VALUES ('{link(99)}', 'More', 'movie', '{NOW}', '{NOW}')",
    "another id": f"UPDATE content.film_work SET id = '{link(98)}' WHERE id = '{FILMS[3]}'",
    "everything": "DELETE FROM content.film_work",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_reaches_every_document_within_one_pass(bench: Bench, change: str) -> None:
    """Contract 14.3, by bare SQL that touches no other column."""
    await bench.run()
    await bench.write(CHANGES[change])

    written = await bench.run()

    assert written > 0
    await bench.assert_equal()


async def test_a_link_refreshes_its_ends_alone(bench: Bench) -> None:
    """A new film of a large genre must not index the whole genre again."""
    await bench.run()
    await bench.write(f"DELETE FROM content.genre_film_work WHERE id = '{link(2)}'")

    assert await bench.run() == 2


async def test_a_replaced_row_reaches_its_documents(bench: Bench) -> None:
    """SQLite's REPLACE deletes by the back door; its cascades are seen all the same."""
    if "sqlite" not in repr(bench.database).lower():
        pytest.skip("SQLite only")
    await bench.run()
    row = f"('{FILMS[0]}', 'Replaced', 'movie', '{NOW}', '{NOW}')"
    await bench.write(f"REPLACE INTO film_work (id, title, type, created, modified) VALUES {row}")

    await bench.run()

    await bench.assert_equal()


async def test_the_tags_of_a_change_are_those_of_every_answer_it_is_in(bench: Bench) -> None:
    """Contract 9: each object's tag, and the lists it may be in; nothing else is purged."""
    await bench.run()
    seen = bench.manifest().batch
    await bench.write(CHANGES["a person's name, and nothing else"])

    await bench.run()

    tags = bench.manifest().since(seen)
    assert tags is not None
    assert sorted(tags) == sorted(
        ["films", "persons", f"person:{PEOPLE[1]}", f"film:{FILMS[0]}", f"film:{FILMS[1]}"]
    )
    assert bench.manifest().since(0) is None


async def test_a_rebuild_switches_at_once_and_clears_up_later(bench: Bench) -> None:
    """Contract 14.7: readers never see an empty index, and old versions do not pile up."""
    await bench.run()
    before = await bench.writer().versions("movies")

    await bench.run(anew=True)
    during = await bench.writer().versions("movies")
    await bench.run()

    assert (len(before), len(during)) == (1, 2)
    assert len(await bench.writer().versions("movies")) == 1
    await bench.assert_equal()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"format": 1}', '{"format": 2}', "null", "\x00"])
async def test_a_broken_state_begins_anew(bench: Bench, broken: str) -> None:
    """Contract 14.5."""
    await bench.run()
    bench.state.write_text(broken)

    assert await bench.run() == 10
    await bench.assert_equal()


async def test_a_state_of_another_source_begins_anew(bench: Bench) -> None:
    """A database put in the place of another has other films under the same positions."""
    await bench.run()
    state = json.loads(bench.state.read_text())
    bench.state.write_text(json.dumps(state | {"source": "another"}))

    assert await bench.run() == 10


async def test_a_position_of_the_future_begins_anew(bench: Bench) -> None:
    """A backup was restored: what came after it has never happened."""
    await bench.run()
    state = json.loads(bench.state.read_text())
    bench.state.write_text(json.dumps(state | {"position": {"tx": 2**40, "seq": 2**50}}))

    assert await bench.run() == 10


async def test_an_emptied_table_is_seen(bench: Bench) -> None:
    """TRUNCATE fires no trigger of a row; on PostgreSQL it has one of its own."""
    if "Postgres" not in repr(bench.database):
        pytest.skip("PostgreSQL only")
    await bench.run()
    await bench.write("TRUNCATE content.person_film_work")

    await bench.run()

    await bench.assert_equal()


async def test_n_a_is_never_indexed(bench: Bench) -> None:
    """Contract 14.4: the text that says that nothing is known."""
    await bench.write("UPDATE content.person SET full_name = 'N/A'")
    await bench.write("UPDATE content.film_work SET description = 'n/a'")

    await bench.run()

    held = [await bench.held(name) for name in ("movies", "genres", "persons")]
    assert "n/a" not in json.dumps(held).lower()
    assert len(held[2]) == 4


async def test_old_rows_of_the_log_are_forgotten(catalogue: Database, bench: Bench) -> None:
    """Contract 14.2: confirmed and older than seven days; the source's identity stays."""
    today = datetime.fromtimestamp(bench.clock.wall(), UTC)
    days = {"film_work": today - timedelta(days=8), "genre": today - timedelta(days=6)}
    await bench.run()
    await bench.write("DELETE FROM content.change_log WHERE entity <> 'source'")
    await bench.write("UPDATE content.film_work SET title = 'Old'")
    await bench.write("UPDATE content.genre SET description = 'Young'")
    for entity, day in days.items():
        await catalogue.write(partial(date, entity=entity, day=day))

    await bench.run()

    entities = select(change_log.c.entity)
    left = await catalogue.read(lambda connection: [*connection.execute(entities).scalars()])
    assert sorted(left) == ["genre", "genre", "source"]
    assert await bench.run() == 0


def date(connection: Connection, entity: str, day: datetime) -> None:
    connection.execute(change_log.update().where(change_log.c.entity == entity).values(changed_at=day))


@dataclass(frozen=True, slots=True)
class Odd(ChangeLog):
    """A log of changes that says of what waits, the first time, what nobody can read."""

    said: list[str] = field(default_factory=list)

    async def waiting(self, database: Database, position: Position, /) -> Waiting:
        self.said.append("")
        if len(self.said) == 1:
            raise ValueError("a moment that is none")
        return Waiting({Change("film_work", FILMS[0]): 1.0})


async def test_f1_what_waits_is_told_after_an_answer_that_nobody_foresaw(bench: Bench) -> None:
    """F1, E5: a rebuild may take an hour, and the figures of all that time went with one odd answer."""
    clock = ManualClock()
    bench.clock, bench.feed = clock, Odd(clock)

    async with telling(bench.etl(), {}):
        for _ in range(4):
            await settle()
            await clock.advance(6.0)
    told = [json.loads(line) for line in bench.lines]
    assert [line["event"] for line in told] == ["etl_failed"]
    assert "ValueError" in told[0]["reason"]
    assert bench.manifest().behind["movies"] > 0
