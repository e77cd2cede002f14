"""A bench over a database without a log."""

from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from cinema.database import open_database
from cinema.etl.modified import Modified
from tests.cinema.etl.sources import FILMS, GENRES, PEOPLE, Bench, link, run_sql

TABLES = """
CREATE TABLE content.film_work (id {id} PRIMARY KEY, title text, description text, rating float, modified {moment});
CREATE TABLE content.genre (id {id} PRIMARY KEY, name text, description text, modified {moment});
CREATE TABLE content.person (id {id} PRIMARY KEY, full_name text, modified {moment});
CREATE TABLE content.genre_film_work (id {id} PRIMARY KEY, film_work_id {id}, genre_id {id});
CREATE TABLE content.person_film_work (id {id} PRIMARY KEY, film_work_id {id}, person_id {id}, role text)
"""
PAST = "2026-01-05T10:00:00+00:00"


async def foreign(url: str, folder: Path, moment: str) -> Bench:
    """Give an ETL over two films with a person and a genre each, all of one moment and not indexed yet."""
    database = open_database(url)
    await database.write(partial(create, moment=moment))
    foreign_bench = Bench(database, folder, url, feed=Modified())
    for place in range(2):
        await add(foreign_bench, place)
        await foreign_bench.write(
            f"INSERT INTO content.genre (id, name) VALUES ('{GENRES[place]}', 'Genre {place}')"
        )
        await foreign_bench.write(
            f"INSERT INTO content.person (id, full_name) VALUES ('{PEOPLE[place]}', 'Person {place}')"
        )
        ends = f"'{link(place)}', '{FILMS[place]}'"
        await foreign_bench.write(f"INSERT INTO content.genre_film_work VALUES ({ends}, '{GENRES[place]}')")
        await foreign_bench.write(
            f"INSERT INTO content.person_film_work VALUES ({ends}, '{PEOPLE[place]}', 'actor')"
        )
    return foreign_bench


def create(connection: Connection, moment: str) -> None:
    here = connection.dialect.name == "sqlite"
    if not here:
        run_sql(connection, "CREATE SCHEMA content", {})
    for statement in TABLES.format(id="text" if here else "uuid", moment=moment).split(";"):
        run_sql(connection, statement, {})


async def add(foreign_bench: Bench, film: int, moment: str = f"'{PAST}'") -> None:
    statement = "INSERT INTO content.film_work (id, title, modified) VALUES"
    await foreign_bench.write(f"{statement} ('{FILMS[film]}', 'Film {film}', {moment})")


async def retitle(foreign_bench: Bench, film: int, title: str, moment: str = "modified") -> None:
    await foreign_bench.write(
        f"UPDATE content.film_work SET title = '{title}', modified = {moment} WHERE id = '{FILMS[film]}'"
    )


async def followed(foreign_bench: Bench) -> list[int]:
    """Make two passes; return how many documents each has written."""
    written = [await foreign_bench.run(), await foreign_bench.run()]
    await foreign_bench.assert_equal()
    return written
