"""Films for search engines: few words, many ties, and whatever makes engines differ."""

import random
import uuid
from typing import Any

from stagedoor.search import Document, Higher, Index, Keyword, More, Nested, Number, Shorter, Text

__all__ = ["FIRST", "GENRES", "LAST", "PEOPLE", "TEXT_FIELDS", "WORDS", "films", "index_named", "sentence"]

SOME = (
    "star stars war wars lord ring rings king return returned returning home house night nights knight day days "
    "dream dreamer dreaming love lover loving life live living dead death running runner ran dog dogs cat happy "
    "happiness general generals generous fairly singing proceed exceed news dying lying skies sky early only the of "
    "and a to is in No It O'Brien dog's Schindler's king\u2019s l'amour AT&T WALL·E U.S.A. 3.14 2001 90s 1,000 "
    "foo_bar naïve café Amélie Łódź Ñandú ß Straße IMAX-3D X I II Z university universe evening past organ "
    "звезда звёзды звездные война войны войной мир мира любовь любви любить дом дома домой ночь ночи и в не он она "
    "её ещё всё вся кино фильм фильмы братья брат ёлки ёж"
)
WORDS = SOME.split()
GENRES = [
    (str(uuid.UUID(int=number, version=4)), name) for number, name in enumerate(["Action", "Drama", "War"], 1)
]
FIRST = [
    "George",
    "TagVersion",
    "Carrie",
    "Harrison",
    "Анна",
    "Пётр",
    "Jean-Luc",
    "J.J.",
    "Ann",
    "Anna",
    "Aña",
]
LAST = ["Lucas", "Hamill", "Fisher", "Ford", "Иванова", "O'Neil", "Godard", "Abrams", "Lee", "Li"]
PEOPLE = [(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))), "") for number in range(40)]
TEXT_FIELDS = (("title", 3.0), ("description", 1.0), ("actors_names", 1.0), ("directors_names", 1.0))


def index_named(name: str) -> Index:
    """Return the declaration of a film index, with nested people that can be asked for."""
    inner = (Keyword(name="id"), Text(name="name", also=("full_name",)))
    return Index(
        name,
        (
            Keyword(name="id"),
            Text(name="title", sortable=True, title=True),
            Text(name="description", together="beside"),
            Number(name="imdb_rating"),
            Keyword(name="genres", many=True, facet=True),
            Keyword(name="genre_ids", many=True, facet=True),
            Nested(name="genre", fields=inner),
            Text(name="actors_names", many=True, kept=False, together="beside", alone=False),
            Text(name="directors_names", many=True, kept=False, together="beside", alone=False),
            Nested(name="actors", fields=inner, asked=True),
            Nested(name="directors", fields=inner, asked=True),
        ),
        ties=(Shorter("title"), Higher("imdb_rating"), More(("actors", "directors"))),
    )


def films(count: int, seed: int) -> list[Document]:
    """Return films, the same ones for the same seed."""
    rng = random.Random(seed)
    people = [(one, f"{rng.choice(FIRST)} {rng.choice(LAST)}") for one, _ in PEOPLE]
    return [film(rng, people) for _ in range(count)]


def film(rng: random.Random, people: list[tuple[str, str]]) -> Document:
    genres = rng.sample(GENRES, rng.randrange(4))
    actors, directors = rng.sample(people, rng.randrange(4)), rng.sample(people, rng.randrange(2))
    return {
        "id": an_id(rng),
        "title": a_title(rng),
        "description": sentence(rng, 12) if rng.random() < 0.3 else None,
        "imdb_rating": rng.choice([None, 0, 1.5, 5, 6.7, 6.7, 8.6, 8.65, 10]),
        "genres": [name for _, name in genres],
        "genre_ids": [one for one, _ in genres],
        "genre": objects(genres),
        "actors_names": [name for _, name in actors],
        "directors_names": [name for _, name in directors],
        "actors": objects(actors),
        "directors": objects(directors),
    }


def an_id(rng: random.Random) -> str:
    """Return an id; some share their first eight bytes, or more, with others."""
    bits = rng.getrandbits(128)
    if rng.random() < 0.3:
        bits = (bits & 0xFFFF) | rng.choice([1, 7]) << 100 | rng.choice([0, 3]) << 70
    return str(uuid.UUID(int=bits))


def a_title(rng: random.Random) -> str:
    """Return a title; many are equal, or equal in their first bytes, and some are odd."""
    odd = [
        "",
        "The Lord of the Rings",
        "Star Wars",
        "Star Wars: A New Hope",
        "🎬 Film",
        "\uffff end",
        "é",
        "Ё",
        "a",
        "A",
    ]
    return rng.choice(odd) if rng.random() < 0.3 else sentence(rng, 4)


def sentence(rng: random.Random, most: int) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, most))]
    return " ".join(word.title() if rng.random() < 0.3 else word for word in words)


def objects(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"id": one, "name": name} for one, name in pairs]
