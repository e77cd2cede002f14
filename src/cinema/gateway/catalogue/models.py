"""The bodies of both dialects, for the documentation. What they show is in the film set."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from cinema.gateway.catalogue import samples

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


FilmId = Annotated[str, Field(examples=[samples.FILM], json_schema_extra={"format": "uuid"})]
GenreId = Annotated[str, Field(examples=[samples.GENRE], json_schema_extra={"format": "uuid"})]
PersonId = Annotated[str, Field(examples=[samples.PERSON], json_schema_extra={"format": "uuid"})]
Title = Annotated[str, Field(examples=["Star Wars"])]
Rating = Annotated[float | None, Field(ge=0, le=10, examples=[9.1], description="From 0 to 10; null: none")]
Description = Annotated[str | None, Field(examples=[None])]
GenreName = Annotated[str, Field(examples=["Action"])]
PersonName = Annotated[str, Field(examples=["George Lucas"])]
Role = Literal["actor", "director", "writer"]


class CourseFilmLine(TypedDict):
    """A film in a list."""

    uuid: FilmId
    title: Title
    imdb_rating: Rating


class NamedGenre(TypedDict):
    """A genre of a film."""

    uuid: GenreId
    name: GenreName


class NamedPerson(TypedDict):
    """A person in a role."""

    uuid: PersonId
    full_name: PersonName


class CourseFilm(CourseFilmLine):
    """A film's own page; a role that nobody has is empty."""

    description: Description
    genre: list[NamedGenre]
    actors: list[NamedPerson]
    writers: list[NamedPerson]
    directors: list[NamedPerson]


class CourseGenre(TypedDict):
    """A genre."""

    uuid: GenreId
    name: GenreName
    description: Description


class FilmRoles(TypedDict):
    """The roles of a person in a film, in alphabetical order."""

    uuid: FilmId
    roles: list[Role]


class CoursePerson(TypedDict):
    """A person and their films, best rated first."""

    uuid: PersonId
    full_name: PersonName
    films: list[FilmRoles]


class GatewayPerson(TypedDict):
    """A person."""

    id: PersonId
    name: PersonName


class GatewayGenre(TypedDict):
    """A genre."""

    id: GenreId
    name: GenreName
    description: Description


class GatewayFilm(TypedDict):
    """A film with its genres and people."""

    id: FilmId
    title: Title
    description: Description
    imdb_rating: Rating
    genres: list[GenreName]
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
