"""The real film set: what it holds, and that its ids never change."""

import uuid
from collections import Counter
from typing import Any

import pytest

from cinema.data import film_id, named_id, read_films
from cinema.data.rows import COLUMNS, Rows

Tables = dict[str, list[dict[str, Any]]]


def by_table(portions: list[Rows]) -> Tables:
    tables: Tables = {name: [] for name in COLUMNS}
    for name, rows in portions:
        tables[name] += [dict(zip(COLUMNS[name], row, strict=True)) for row in rows]
    return tables


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Read once: nothing changes the rows."""
    return by_table(list(read_films().rows()))


def test_ids_are_those_of_uuid5() -> None:
    """The fast way must give what everybody else's way gives."""
    assert named_id("person:Клара") == str(uuid.uuid5(uuid.NAMESPACE_URL, "person:Клара"))
    assert film_id(17738) == "0b7220de-502b-59aa-ba25-73f8886bc850"


def test_the_set_is_complete(tables: Tables) -> None:
    """Issue 4: 17,472 films; its README says the same."""
    assert {name: len(rows) for name, rows in tables.items()} == {
        "genre": 21,
        "person": 63_811,
        "film_work": 17_472,
        "genre_film_work": 35_469,
        "person_film_work": 234_215,
    }


def test_rows_may_be_inserted_as_they_are(tables: Tables) -> None:
    """Ids are unique, links too, and lead to rows that came before."""
    ids = {name: [row["id"] for row in rows] for name, rows in tables.items()}
    links = [(row["film_work_id"], row["person_id"], row["role"]) for row in tables["person_film_work"]]

    assert all(len(set(keys)) == len(keys) for keys in ids.values())
    assert len(set(links)) == len(links)
    assert {row["person_id"] for row in tables["person_film_work"]} <= set(ids["person"])
    assert {row["genre_id"] for row in tables["genre_film_work"]} <= set(ids["genre"])


def test_demo_data_has_every_case(tables: Tables) -> None:
    """Contract 14.8: what an index has to cope with is in the real films; nothing had to be invented."""
    films = tables["film_work"]
    ratings = Counter(film["rating"] for film in films)
    titles = Counter(film["title"] for film in films)
    roles: dict[tuple[str, str], set[str]] = {}
    for row in tables["person_film_work"]:
        roles.setdefault((row["film_work_id"], row["person_id"]), set()).add(row["role"])

    assert ratings[None] > 0
    assert ratings[7.0] > 24
    assert sum(film["description"] is None for film in films) > 100
    assert max(titles.values()) > 2
    assert {len(held) for held in roles.values()} == {1, 2, 3}
    assert max(Counter(row["genre_id"] for row in tables["genre_film_work"]).values()) > 200
    for role in ("actor", "director", "writer"):
        with_role = {row["film_work_id"] for row in tables["person_film_work"] if row["role"] == role}
        assert len(with_role) < len(films)


def test_fragments_of_names_are_no_people(tables: Tables) -> None:
    """The source split "Robert Downey, Jr." at its comma; what was behind it is nobody."""
    names = {person["full_name"] for person in tables["person"]}

    assert names.isdisjoint({"Jr.", "Sr.", "III", "PhD", ""})
    assert "George Lucas" in names
