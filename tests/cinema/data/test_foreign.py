"""Loading a foreign set: every cell checked, all or nothing, into an empty catalogue or a full one."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from cinema.data.foreign import RecordFault, read_folder
from cinema.data.merging import merge
from cinema.data.rows import COLUMNS
from cinema.data.sowing import sow_films
from cinema.database import Database
from cinema.database.tables import film_work, genre, genre_film_work, metadata, person, person_film_work
from tests.cinema.data.course import ACTION, GREG_CAMP, write_course

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def counts(connection: Connection) -> dict[str, int]:
    tables = [metadata.tables[f"content.{name}"] for name in COLUMNS]
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables
    }


async def load(catalogue: Database, folder: Path) -> Any:
    return await catalogue.write(partial(merge, foreign=read_folder(folder, NOW)))


def lines(folder: Path, table: str, *rows: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{table}.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return folder


async def test_the_course_set_is_loaded_with_every_count(catalogue: Database, tmp_path: Path) -> None:
    """Contract 14: the checks for the classic data set."""
    write_course(tmp_path / "course")

    loaded = await load(catalogue, tmp_path / "course")

    wanted = {
        "genre": 26,
        "person": 4_166,
        "film_work": 999,
        "genre_film_work": 2_231,
        "person_film_work": 5_783,
    }
    assert dict(loaded) == wanted
    assert await catalogue.read(counts) == wanted

    def look(connection: Connection) -> Sequence[Any]:
        action = select(func.count()).where(genre_film_work.c.genre_id == ACTION)
        camp = select(func.count()).where(person_film_work.c.person_id == GREG_CAMP)
        unrated = select(func.count()).where(film_work.c.rating.is_(None))
        created = select(film_work.c.created).limit(1)
        return [connection.execute(one).scalar_one() for one in (action, camp, unrated, created)]

    seen = await catalogue.read(look)
    assert seen == [244, 6, 1, datetime(2021, 6, 16, 20, 14, 9, 221_838, UTC)]


async def test_loading_twice_changes_nothing(catalogue: Database, tmp_path: Path) -> None:
    """Rows of the same ids replace themselves."""
    write_course(tmp_path)
    await load(catalogue, tmp_path)
    before = await catalogue.read(counts)

    await load(catalogue, tmp_path)

    assert await catalogue.read(counts) == before


async def test_a_full_catalogue_keeps_what_the_set_does_not_name(catalogue: Database, tmp_path: Path) -> None:
    """Contract 14.8a: into an existing database; a genre is its name and takes the id of the set."""
    await catalogue.write(partial(sow_films, films=200))
    before = await catalogue.read(counts)
    action = select(func.count()).select_from(genre_film_work.join(genre)).where(genre.c.name == "Action")
    films_before = await catalogue.read(lambda connection: connection.execute(action).scalar_one())
    write_course(tmp_path)

    await load(catalogue, tmp_path)

    after = await catalogue.read(counts)
    films_after = await catalogue.read(lambda connection: connection.execute(action).scalar_one())
    ids = select(genre.c.id).where(genre.c.name == "Action")
    assert after["film_work"] == before["film_work"] + 999
    assert after["genre"] == before["genre"] + 25
    assert films_after == films_before + 244
    assert await catalogue.read(lambda connection: [*connection.execute(ids).scalars()]) == [ACTION]


async def test_names_may_wander_between_genres(catalogue: Database, tmp_path: Path) -> None:
    """The names are unique at every moment, and swapped all the same."""
    lines(tmp_path, "genre", {"id": ONE, "name": "A"}, {"id": TWO, "name": "B"})
    await load(catalogue, tmp_path)

    lines(tmp_path, "genre", {"id": ONE, "name": "B"}, {"id": TWO, "name": "A"})
    await load(catalogue, tmp_path)

    names = select(genre.c.name).order_by(genre.c.id)
    assert await catalogue.read(lambda connection: [*connection.execute(names).scalars()]) == ["B", "A"]


async def test_missing_columns_take_defaults(catalogue: Database, tmp_path: Path) -> None:
    """Contract 14.8a: the least that a film, a person and a link need."""
    lines(tmp_path, "film_work", {"id": ONE.upper(), "title": "T"})
    lines(tmp_path, "person", {"id": TWO, "full_name": "P", "created": "2020-01-02T03:04:05", "extra": 1})
    lines(tmp_path, "person_film_work", {"film_work_id": ONE, "person_id": TWO, "role": "writer"})

    await load(catalogue, tmp_path)

    def look(connection: Connection) -> Any:
        film = connection.execute(select(film_work)).one()
        somebody = connection.execute(select(person)).one()
        return [film.id, film.type, film.rating, film.created, film.modified, somebody.modified]

    born = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert await catalogue.read(look) == [ONE, "movie", None, NOW, NOW, born]


FILM = {"id": ONE, "title": "T"}
FAULTS: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "no id": ("film_work", [{"title": "T"}], "line 1, column id: must be there"),
    "no uuid": (
        "film_work",
        [FILM, {"id": "7", "title": "T"}],
        "line 2, column id: must be a UUID with hyphens",
    ),
    "no title": ("film_work", [{"id": ONE, "title": None}], "line 1, column title: must not be empty"),
    "empty title": ("film_work", [{"id": ONE, "title": ""}], "line 1, column title: must not be empty"),
    "rating": (
        "film_work",
        [FILM | {"rating": 11}],
        "line 1, column rating: must be a number from 0 to 10, not '11'",
    ),
    "rating beyond floats": (
        "film_work",
        [FILM | {"rating": 10**400}],
        "column rating: must be a number from 0 to 10",
    ),
    "rating grouped": (
        "film_work",
        [FILM | {"rating": "1_0"}],
        "column rating: must be a number from 0 to 10",
    ),
    "rating text": ("film_work", [FILM | {"rating": "good"}], "column rating: must be a number from 0 to 10"),
    "rating object": ("film_work", [FILM | {"rating": [7]}], "column rating: must be a number from 0 to 10"),
    "type": ("film_work", [FILM | {"type": "play"}], "column type: must be movie or tv_show, not 'play'"),
    "type object": ("film_work", [FILM | {"type": {}}], "column type: must be movie or tv_show"),
    "date": ("film_work", [FILM | {"creation_date": "May"}], "column creation_date: must be a date such as"),
    "date and more": (
        "film_work",
        [FILM | {"creation_date": "2020-12-01 or so"}],
        "column creation_date: must be a date such as",
    ),
    "moment": ("film_work", [FILM | {"updated_at": "now"}], "column updated_at: must be a moment such as"),
    "text": ("film_work", [FILM | {"description": 7}], "column description: must be text, not '7'"),
    "nul": ("film_work", [FILM | {"description": "a\0"}], "column description: must not hold a NUL"),
    "half a character": ("film_work", [FILM | {"title": "a\ud800"}], "column title: must be Unicode text"),
    "twice": ("film_work", [FILM, FILM], "line 2, column id: must differ from line 1 in id"),
    "genre twice": (
        "genre",
        [{"id": ONE, "name": "A"}, {"id": TWO, "name": "A"}],
        "line 2, column name: must differ from line 1 in name",
    ),
    "link twice": (
        "genre_film_work",
        [{"film_work_id": ONE, "genre_id": TWO}] * 2,
        "line 2, column genre_id: must differ from line 1 in film_work_id, genre_id",
    ),
    "role": (
        "person_film_work",
        [{"film_work_id": ONE, "person_id": TWO, "role": "cook"}],
        "column role: must be actor or director or writer, not 'cook'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_fault_is_named_with_its_line_and_column(tmp_path: Path, fault: str) -> None:
    """Contract 14.8a."""
    table, rows, wanted = FAULTS[fault]
    lines(tmp_path, table, *rows)

    with pytest.raises(RecordFault) as caught:
        read_folder(tmp_path, NOW)

    assert str(caught.value).startswith(f"{table}.jsonl, line ")
    assert wanted in str(caught.value)


def test_e8_every_type_and_role_that_is_unknown_is_named_at_once(tmp_path: Path) -> None:
    """E8: whoever maps the values of a foreign set wants to do it once, not once for each of them."""
    films = [
        {"id": f"{number}1111111-1111-4111-8111-111111111111", "title": "T", "type": kind}
        for number, kind in enumerate(("movie", "play", "opera", "play", None, "tv_show", "Movie"))
    ]
    lines(tmp_path, "film_work", *films)
    parts = [
        {"film_work_id": ONE, "person_id": TWO, "role": role} for role in ("actor", "cook", "cook", "driver")
    ]
    lines(tmp_path, "person_film_work", *parts)
    with pytest.raises(RecordFault) as caught:
        read_folder(tmp_path, NOW)

    assert str(caught.value) == (
        "film_work.jsonl, line 2, column type: must be movie or tv_show, not 'play'; unknown, too: "
        "type 'opera' (film_work.jsonl, line 3), type 'Movie' (film_work.jsonl, line 7), "
        "role 'cook' (person_film_work.jsonl, line 2), role 'driver' (person_film_work.jsonl, line 4)"
    )


def test_e8_what_is_named_at_once_is_bounded(tmp_path: Path) -> None:
    """E8: where the wrong column is in the place of the type, everything is unknown."""
    films = [FILM | {"title": "T", "type": f"t{number}"} for number in range(100)]
    lines(tmp_path, "film_work", *films)
    with pytest.raises(RecordFault) as caught:
        read_folder(tmp_path, NOW)

    assert str(caught.value).endswith("type 't50' (film_work.jsonl, line 51) and 49 others")


CSV = {
    "id;title\n{one};T\n": "line 2, column id: must be there",
    "id,title\n{one},T\n{two}\n": "line 3: must have 2 cells, not 1",
    "id,id\n{one},T\n": "line 1, column id: must be there once",
    'id,title\n{one},"a\nb"\n7,T\n': "line 4, column id: must be a UUID",
    'id,title\n{one},"T\n': "line 2: must be CSV",
}


@pytest.mark.parametrize("content", CSV)
def test_faults_of_csv_are_named_with_their_line(tmp_path: Path, content: str) -> None:
    """A cell may hold line breaks; lines are those of the file."""
    (tmp_path / "film_work.csv").write_text(content.format(one=ONE, two=TWO))

    with pytest.raises(RecordFault) as caught:
        read_folder(tmp_path, NOW)

    assert f"film_work.csv, {CSV[content]}" in str(caught.value)


@pytest.mark.parametrize("content", ['{"id": }', "[]", '{"rating": NaN}', "[" * 100_000])
def test_faults_of_json_are_named_with_their_line(tmp_path: Path, content: str) -> None:
    """The column is that of the text here."""
    (tmp_path / "film_work.jsonl").write_text(f"\n{content}\n")

    with pytest.raises(RecordFault, match=r"film_work.jsonl, line 2"):
        read_folder(tmp_path, NOW)


def test_what_a_line_of_json_lacks_is_lacking_at_its_end(tmp_path: Path) -> None:
    """The column is the line's own: the end of a line is not the beginning of the next."""
    (tmp_path / "film_work.jsonl").write_text('{"id": "2"  \n')

    with pytest.raises(RecordFault, match=r"line 1, column 11: must be JSON: Expecting ',' delimiter"):
        read_folder(tmp_path, NOW)


def test_what_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """And a byte order mark is not part of the first name."""
    (tmp_path / "genre.csv").write_bytes(b"\xef\xbb\xbfid,name\n" + ONE.encode() + b",A\n")
    assert read_folder(tmp_path, NOW).rows("genre")[0][:2] == (ONE, "A")

    rows = [b"id,title", ONE.encode() + b",T", TWO.encode() + b",\xff", b""]
    (tmp_path / "film_work.csv").write_bytes(b"\n".join(rows))
    with pytest.raises(RecordFault, match=r"film_work\.csv, line 3: must be UTF-8"):
        read_folder(tmp_path, NOW)


def test_a_folder_that_cannot_be_looked_into_is_a_fault(tmp_path: Path) -> None:
    """Of whatever kind the operating system's refusal is."""
    with pytest.raises(RecordFault, match="cannot be read: "):
        read_folder(tmp_path / ("long" * 100), NOW)


def test_an_empty_folder_and_two_files_of_a_table_are_refused(tmp_path: Path) -> None:
    """Nothing loaded must not look like success."""
    with pytest.raises(RecordFault, match=r"must hold genre\.csv"):
        read_folder(tmp_path, NOW)

    lines(tmp_path, "genre")
    (tmp_path / "genre.csv").write_text("id,name\n")
    with pytest.raises(RecordFault, match=r"genre\.jsonl: must not be there beside genre\.csv"):
        read_folder(tmp_path, NOW)


async def test_a_link_that_leads_nowhere_leaves_nothing(catalogue: Database, tmp_path: Path) -> None:
    """All or nothing; the ends of a link may also be in the database already."""
    lines(tmp_path / "a", "film_work", FILM)
    await load(catalogue, tmp_path / "a")
    lines(tmp_path / "b", "genre", {"id": TWO, "name": "G"})
    lines(
        tmp_path / "b",
        "genre_film_work",
        {"film_work_id": ONE, "genre_id": TWO},
        {"film_work_id": TWO, "genre_id": TWO},
    )

    with pytest.raises(
        RecordFault, match=r"genre_film_work\.jsonl, line 2, column film_work_id: must be the id of a film"
    ):
        await load(catalogue, tmp_path / "b")

    assert (await catalogue.read(counts))["genre"] == 0
