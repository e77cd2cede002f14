"""The generator: any size, the same everywhere, and never taken for real."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cinema.data import read_films, synthetic_films
from cinema.data.rows import Rows

REAL = read_films()


def grown(films: int, seed: str = "cinema") -> list[Rows]:
    return list(synthetic_films(films, seed, REAL))


def of(portions: list[Rows], table: str) -> list[tuple[object, ...]]:
    return [row for name, rows in portions for row in rows if name == table]


def test_the_same_seed_gives_the_same_films() -> None:
    """Loads and bug reports name ids; they must mean the same on every machine."""
    assert grown(50) == grown(50)
    assert grown(50) != grown(50, "other")


def test_the_size_is_the_one_asked_for() -> None:
    """Issue 4: 120 genres and about two people a film."""
    portions = grown(6_000)

    assert len(of(portions, "film_work")) == 6_000
    assert len(of(portions, "genre")) == 120
    assert len({name for _, name, *_ in of(portions, "genre")}) == 120
    assert len(of(portions, "person")) == 12_000


def test_synthetic_films_are_marked() -> None:
    """Nobody may take them for real ones: UUID version 8, and a path that says it."""
    portions = grown(100)
    ids = [str(row[0]) for table in ("film_work", "genre", "person") for row in of(portions, table)]

    assert {key[14] for key in ids} == {"8"}
    assert all(str(row[7]).startswith("synthetic/") for row in of(portions, "film_work"))


def test_demo_data_has_every_case() -> None:
    """Contract 14.8, for the generator too."""
    portions = grown(6_000)
    films, people = of(portions, "film_work"), of(portions, "person_film_work")
    roles = Counter((row[1], row[2]) for row in people)

    assert any(film[4] is None for film in films)
    assert any(film[2] is None for film in films)
    assert any(film[2] is not None for film in films)
    assert Counter(film[1] for film in films).most_common(1)[0][1] > 1
    assert Counter(film[4] for film in films).most_common(1)[0][1] > 24
    assert set(roles.values()) == {1, 2, 3}
    assert Counter(row[1] for row in of(portions, "genre_film_work")).most_common(1)[0][1] > 200
    for role in ("actor", "director", "writer"):
        assert len({row[2] for row in people if row[3] == role}) < len(films)


@given(st.integers(1, 40), st.text(max_size=5))
@settings(max_examples=15)
def test_links_lead_somewhere_and_are_unique(films: int, seed: str) -> None:
    """Any size and seed can be inserted as it comes."""
    portions = grown(films, seed)
    links = [(row[2], row[1], row[3]) for row in of(portions, "person_film_work")]
    pairs = [(row[2], row[1]) for row in of(portions, "genre_film_work")]

    assert len(set(links)) == len(links)
    assert len(set(pairs)) == len(pairs)
    assert {person for _, person, _ in links} <= {row[0] for row in of(portions, "person")}
    assert {genre for _, genre in pairs} <= {row[0] for row in of(portions, "genre")}
