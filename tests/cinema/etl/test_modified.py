"""A foreign source without a log: by moment and id, the last ten seconds again."""

from datetime import timedelta
from pathlib import Path

import pytest

from cinema.data.rows import SNAPSHOT
from cinema.database import Database
from cinema.etl.modified import Modified
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link, plant


@pytest.fixture
async def bench(catalogue: Database, tmp_path: Path) -> Bench:
    """Give an ETL over a source whose log has been taken away, all indexed."""
    await catalogue.write(plant)
    bench = Bench(catalogue, tmp_path / "etl", feed=Modified())
    await bench.run()
    return bench


def at(seconds: float) -> str:
    return (SNAPSHOT + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


async def change(bench: Bench, film: int, title: str, seconds: float) -> None:
    await bench.write(
        f"UPDATE content.film_work SET title = '{title}', modified = '{at(seconds)}' WHERE id = '{FILMS[film]}'"
    )


async def test_a_table_of_one_moment_is_not_indexed_for_ever(bench: Bench) -> None:
    """All rows lie in the last ten seconds; a digest tells that none is new."""
    assert await bench.run() == 0


async def test_equal_moments_are_not_passed_over(bench: Bench) -> None:
    """Contract 14: a strict > on the timestamp alone is the defect not to repeat."""
    await change(bench, 0, "first", 60)
    await bench.run()
    await change(bench, 1, "second", 60)
    await bench.run()

    await bench.assert_equal()


async def test_a_row_that_appears_late_is_seen(bench: Bench) -> None:
    """Contract 14.2: its moment lies before the cursor, by less than ten seconds."""
    await change(bench, 0, "early", 60)
    await bench.run()
    await change(bench, 1, "late", 51)
    await bench.run()

    await bench.assert_equal()


async def test_changes_of_every_kind_propagate(bench: Bench) -> None:
    """Contract 14.3 holds for it too, but for what is deleted."""
    await bench.write(
        f"UPDATE content.person SET full_name = 'New', modified = '{at(60)}' WHERE id = '{PEOPLE[1]}'"
    )
    await bench.write(
        f"UPDATE content.genre SET name = 'New', modified = '{at(60)}' WHERE id = '{GENRES[1]}'"
    )
    await change(bench, 0, "New", 60)
    await bench.write(
        "INSERT INTO content.person_film_work (id, person_id, film_work_id, role, created) "
        f"VALUES ('{link(90)}', '{PEOPLE[3]}', '{FILMS[3]}', 'director', '{at(60)}')"
    )

    await bench.run()

    await bench.assert_equal()


async def test_many_rows_come_in_portions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fit one portion, all of one moment."""
    monkeypatch.setattr("cinema.etl.passes.PORTION", 2)
    await bench.write(f"UPDATE content.film_work SET title = 'all', modified = '{at(60)}'")
    await bench.write(f"UPDATE content.person SET full_name = 'all', modified = '{at(60)}'")

    await bench.run()

    await bench.assert_equal()


async def test_an_empty_source_is_followed_from_its_first_row(catalogue: Database, tmp_path: Path) -> None:
    """There is no newest row to begin behind."""
    bench = Bench(catalogue, tmp_path / "empty", feed=Modified())
    await bench.run()
    await catalogue.write(plant)

    await bench.run()

    await bench.assert_equal()
