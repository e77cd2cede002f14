"""Films that never were: the real set, resampled to any size, the same on every machine.

Titles are the front of one title and the back of another, names a first name and a last name of two people; ratings
and dates, genres and the sizes of casts are drawn from the real films, casts cut to a few heads a role so that
200,000 films come with about 1.1 million links. There are two people a film. Fame is unequal: the chance of a
person falls with the square of the place, so that some have hundreds of films and many have none.

Marked as synthetic: every id is of UUID version 8, and a film's `file_path` begins with `synthetic/`.
"""

from collections.abc import Sequence
from datetime import date
from random import Random

from cinema.data.films import ROLES, Film, RealFilms, read_films
from cinema.data.rows import SNAPSHOT, FilmSet, Row, Rows, hyphenated, link_id

__all__ = ["GENRES", "synthetic_films"]

GENRES = 120
_PEOPLE_PER_FILM = 2
_HEADS = (4, 1, 2)  # at most, by role
_PORTION = 5_000
_SHADES = ("Arthouse", "Classic", "Dark", "Independent", "Neo")


def synthetic_films(films: int, seed: str = "cinema", real: RealFilms | None = None) -> FilmSet:
    """Yield the rows of so many films."""
    rng = Random(seed)  # noqa: S311 - demo data, not secrets
    source = _SyntheticSource(real or read_films())
    genres = _ids(rng, GENRES)
    yield Rows("genre", _genre_rows(genres, source))
    # In order of their ids: every index of the database then grows at its end.
    people = sorted(_ids(rng, max(1, films * _PEOPLE_PER_FILM)))
    for start in range(0, len(people), _PORTION):
        yield Rows("person", [source.person(rng, key) for key in people[start : start + _PORTION]])
    rng.shuffle(people)
    keys = sorted(_ids(rng, films))
    cast = _Cast(source, genres, people)
    for start in range(0, films, _PORTION):
        yield from cast.portion(rng, start, keys[start : start + _PORTION])


class _SyntheticSource:
    """What is drawn from."""

    def __init__(self, real: RealFilms) -> None:
        self.films = real.films
        self.genres = real.genres
        self.dates = [date.fromisoformat(film.released) for film in real.films]
        halves = [_halves(film.title) for film in real.films]
        self._fronts, self._backs = [front for front, _ in halves], [back for _, back in halves]
        names = [name.partition(" ") for name in real.people if " " in name]
        self._firsts, self._lasts = [first for first, _, _ in names], [last for _, _, last in names]

    def person(self, rng: Random, key: str) -> Row:
        """Return a person with the first name of one and the last name of another."""
        first = self._firsts[int(rng.random() * len(self._firsts))]
        last = self._lasts[int(rng.random() * len(self._lasts))]
        return key, f"{first} {last}", SNAPSHOT, SNAPSHOT

    def title(self, rng: Random, model: Film) -> str:
        """Return a title; one in ten is that of a real film, so that titles repeat."""
        if rng.random() < 0.1:
            return model.title
        front = self._fronts[int(rng.random() * len(self._fronts))]
        return f"{front} {self._backs[int(rng.random() * len(self._backs))]}".strip()


class _Cast:
    """Who and what belongs to a film."""

    def __init__(self, source: _SyntheticSource, genres: Sequence[str], people: Sequence[str]) -> None:
        self._source = source
        self._genres = genres
        self._people = people

    def portion(self, rng: Random, start: int, keys: Sequence[str]) -> FilmSet:
        """Yield the films with these ids and their links."""
        films: list[Row] = []
        genres: list[Row] = []
        people: list[Row] = []
        for number, key in enumerate(keys, start):
            place = int(rng.random() * len(self._source.films))
            model = self._source.films[place]
            films.append(self._film(rng, number, key, place, model))
            genres += [
                (link_id(key, place), genre, key, SNAPSHOT)
                for place, genre in enumerate(self._genres_of(rng, model))
            ]
            people += [
                (link_id(key, place), person, key, role, SNAPSHOT)
                for place, (role, person) in enumerate(self._people_of(rng, model))
            ]
        yield Rows("film_work", films)
        yield Rows("genre_film_work", genres)
        yield Rows("person_film_work", people)

    def _film(self, rng: Random, number: int, key: str, place: int, model: Film) -> Row:
        title = self._source.title(rng, model)
        said = f"Synthetic film {number}, after {model.title}." if rng.random() < 0.6 else None
        kind = "movie" if rng.random() < 0.9 else "tv_show"
        path = f"synthetic/{number}"
        released = self._source.dates[place]
        return key, title, said, released, model.rating, kind, model.certificate, path, SNAPSHOT, SNAPSHOT

    def _genres_of(self, rng: Random, model: Film) -> list[str]:
        real = len(self._source.genres)
        shades = (self._genres[(place + real * int(rng.random() * 6)) % GENRES] for place in model.genres)
        return list(dict.fromkeys(shades))

    def _people_of(self, rng: Random, model: Film) -> list[tuple[str, str]]:
        crew: dict[tuple[str, str], None] = {}
        for role, real, most in zip(
            ROLES, (model.actors, model.directors, model.writers), _HEADS, strict=True
        ):
            for _ in real[:most]:
                crew[role, self._people[int(rng.random() ** 2 * len(self._people))]] = None
        if model.directors and rng.random() < 0.4:  # who directs has often written it, and sometimes acts
            head = next(person for role, person in crew if role == "director")
            crew["writer", head] = None
            if rng.random() < 0.2:
                crew["actor", head] = None
        return list(crew)


def _ids(rng: Random, count: int) -> list[str]:
    """Draw so many ids of UUID version 8 (RFC 9562 5.8: for uses of one's own)."""
    drawn = (f"{rng.getrandbits(128):032x}" for _ in range(count))
    return [hyphenated(f"{digits[:12]}8{digits[13:16]}8{digits[17:]}") for digits in drawn]


def _genre_rows(keys: Sequence[str], source: _SyntheticSource) -> list[Row]:
    shaded = (f"{shade} {name}" for shade in _SHADES for name in source.genres)
    names = [*source.genres, *shaded][: len(keys)]
    said = [None if place % 2 else f"Synthetic genre: {name}." for place, name in enumerate(names)]
    return [(key, name, text, SNAPSHOT, SNAPSHOT) for key, name, text in zip(keys, names, said, strict=True)]


def _halves(title: str) -> tuple[str, str]:
    words = title.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])
