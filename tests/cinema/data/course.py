"""A set of the shape of the classic course data: same counts, same files, made-up contents.

It has what such sets are awkward for: hundreds of equal ratings, repeated titles and names, "N/A" in every text,
people with several roles in a film, and words in which search engines may differ.
"""

import csv
from pathlib import Path
from random import Random
from uuid import UUID

from tests.contracts.search.films import FIRST, LAST, sentence

__all__ = ["ACTION", "GREG_CAMP", "write_course"]

ACTION = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
GREG_CAMP = "00000000-0000-4000-8000-00000000ca3b"
_STAMPS = {"created_at": "2021-06-16 20:14:09.221838+00", "updated_at": "2021-06-16 20:14:09.221855+00"}


def write_course(folder: Path, seed: int = 1) -> None:
    """Write 999 films, 26 genres, 4,166 persons, 2,231 genre links and 5,783 person links as CSV."""
    rng = Random(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def key() -> str:
        return str(UUID(int=rng.getrandbits(128), version=4))

    films = [key() for _ in range(999)]
    genres = [ACTION, *(key() for _ in range(25))]
    people = [GREG_CAMP, *(key() for _ in range(4_165))]
    ratings = ["", *(rng.choice(("7.0", f"{rng.randrange(100) / 10}")) for _ in films[1:])]
    _write(
        folder / "film_work.csv",
        [
            {
                "id": film,
                "title": "N/A" if place == 7 else _title(rng, place),
                "description": rng.choice(("", "N/A", f"About {place}", "Про звёзды", sentence(rng, 12))),
                "creation_date": "",
                "file_path": "",
                "rating": rating,
                "type": rng.choice(("movie", "tv_show")),
                **_STAMPS,
            }
            for place, (film, rating) in enumerate(zip(films, ratings, strict=True))
        ],
    )
    names = ["Action", *(f"Genre {place}" for place in range(1, 26))]
    _write(
        folder / "genre.csv",
        [
            {"id": one, "name": name, "description": "", **_STAMPS}
            for one, name in zip(genres, names, strict=True)
        ],
    )
    full = ["Greg Camp", "N/A", "Captain Nobody", *(_name(rng, place) for place in range(4_163))]
    _write(
        folder / "person.csv",
        [{"id": one, "full_name": name, **_STAMPS} for one, name in zip(people, full, strict=True)],
    )
    pairs = {(ACTION, film) for film in films[:244]}
    while len(pairs) < 2_231:
        pairs.add((rng.choice(genres[1:]), rng.choice(films)))
    _write(
        folder / "genre_film_work.csv",
        [
            {"id": key(), "genre_id": genre, "film_work_id": film, "created_at": _STAMPS["created_at"]}
            for genre, film in sorted(pairs)
        ],
    )
    links = {(GREG_CAMP, film, "actor") for film in films[:6]}
    while len(links) < 5_783:
        person, film = rng.choice(people[1:]), rng.choice(films)
        links |= {(person, film, rng.choice(("actor", "director", "writer"))) for _ in range(2)}
    while len(links) > 5_783:
        links.remove(max(links))
    _write(
        folder / "person_film_work.csv",
        [
            {
                "id": key(),
                "film_work_id": film,
                "person_id": person,
                "role": role,
                "created_at": _STAMPS["created_at"],
            }
            for person, film, role in sorted(links)
        ],
    )


def _title(rng: Random, place: int) -> str:
    """Return a title; a quarter of the films are called Star Wars."""
    return rng.choice(("Star Wars", f"Star {place}", 'The Star, "quoted"\nand broken', sentence(rng, 4)))


def _name(rng: Random, place: int) -> str:
    """Return a name; every third is shared by dozens of people."""
    return rng.choice(
        (f"Person {place}", f"{rng.choice(FIRST)} {rng.choice(LAST)} {place}", "Captain Ann Li")
    )


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
