"""The bodies of both dialects, for the documentation."""

from typing_extensions import TypedDict

__all__ = [
    "CourseFilm",
    "CourseFilmLine",
    "CourseGenre",
    "CoursePerson",
    "GatewayFilm",
    "GatewayFilms",
    "GatewayGenre",
    "GatewayGenres",
    "GatewayPerson",
    "GatewayPersons",
]


class CourseFilmLine(TypedDict):
    """A film in a list."""

    uuid: str
    title: str
    imdb_rating: float | None


class NamedGenre(TypedDict):
    """A genre of a film."""

    uuid: str
    name: str


class NamedPerson(TypedDict):
    """A person in a role."""

    uuid: str
    full_name: str


class CourseFilm(CourseFilmLine):
    """A film's own page; a role that nobody has is empty."""

    description: str | None
    genre: list[NamedGenre]
    actors: list[NamedPerson]
    writers: list[NamedPerson]
    directors: list[NamedPerson]


class CourseGenre(TypedDict):
    """A genre."""

    uuid: str
    name: str
    description: str | None


class FilmRoles(TypedDict):
    """The roles of a person in a film, in alphabetical order."""

    uuid: str
    roles: list[str]


class CoursePerson(TypedDict):
    """A person and their films, best rated first."""

    uuid: str
    full_name: str
    films: list[FilmRoles]


class GatewayPerson(TypedDict):
    """A person."""

    id: str
    name: str


class GatewayGenre(TypedDict):
    """A genre."""

    id: str
    name: str
    description: str | None


class GatewayFilm(TypedDict):
    """A film with its genres and people."""

    id: str
    title: str
    description: str | None
    imdb_rating: float | None
    genres: list[str]
    actors: list[GatewayPerson]
    directors: list[GatewayPerson]
    writers: list[GatewayPerson]


class GatewayFilms(TypedDict):
    """A page of films."""

    results: list[GatewayFilm]


class GatewayGenres(TypedDict):
    """A page of genres."""

    results: list[GatewayGenre]


class GatewayPersons(TypedDict):
    """A page of persons."""

    results: list[GatewayPerson]
