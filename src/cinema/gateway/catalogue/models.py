"""The bodies of both dialects, for the documentation. What they show is in the film set."""

from typing import Annotated, Literal, NotRequired

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
    "Suggestion",
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


class Highlight(TypedDict):
    """Texts that words were met in, with these words in `<em>`, escaped for HTML."""

    title: NotRequired[Annotated[str, Field(examples=["<em>Star</em> Wars"])]]
    description: NotRequired[str]


class GenreCount(TypedDict):
    """A genre, and how many of all matches have it."""

    id: GenreId
    name: GenreName
    count: Annotated[int, Field(ge=1, examples=[2])]


class Facets(TypedDict):
    """What was counted."""

    genres: list[GenreCount]


class Suggestion(TypedDict):
    """A film or a person that the text may become."""

    type: Literal["film", "person"]
    uuid: FilmId
    text: Title


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


class GatewayFoundFilm(GatewayFilm):
    """A film in a list; where words were searched, and it was asked for, what was met."""

    highlight: NotRequired[Highlight]


class GatewayFilms(TypedDict):
    """A page of films."""

    results: list[GatewayFoundFilm]
    facets: NotRequired[Facets]
    did_you_mean: NotRequired[str]


class GatewayGenres(TypedDict):
    """A page of genres."""

    results: list[GatewayGenre]
    did_you_mean: NotRequired[str]


class GatewayPersons(TypedDict):
    """A page of persons."""

    results: list[GatewayPerson]
    did_you_mean: NotRequired[str]
