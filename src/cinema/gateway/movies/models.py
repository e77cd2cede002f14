"""What the film API is asked for, and what becomes of it.

Typed dictionaries: a film leaves with exactly these keys, a person as it came. Only what is declared is checked.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

__all__ = ["Film", "Movie", "MovieAnswer", "MoviesAnswer", "Person", "Snapshot"]

_EXACT = ConfigDict(extra="ignore", strict=True)
_AS_SENT = ConfigDict(extra="allow", strict=True)
_FILM = "58611129-2dbc-4a81-a72f-77ddfc1b1b49"
_PERSON = "986faac6-67e3-4fb8-a9ee-bad077c2e7fe"

FilmId = Annotated[str, Field(examples=[_FILM])]
Moment = Annotated[
    str,
    Field(examples=["2026-01-05T10:00:00+00:00"], description="When the film API was asked, in UTC"),
]


@with_config(_EXACT)
class Film(TypedDict):
    """A film, as far as it is asked for."""

    id: FilmId
    title: Annotated[str, Field(examples=["My Neighbor Totoro"])]
    director: Annotated[str, Field(examples=["Hayao Miyazaki"])]
    producer: Annotated[str, Field(examples=["Hayao Miyazaki"])]
    release_date: Annotated[str, Field(examples=["1988"], description="A year, as text")]
    url: Annotated[str, Field(examples=[f"https://ghibli.example/films/{_FILM}"])]


@with_config(_AS_SENT)
class Person(TypedDict):
    """Somebody in films, as the film API says it."""

    id: Annotated[str, Field(examples=[_PERSON])]
    name: Annotated[str, Field(examples=["Satsuki Kusakabe"])]
    films: Annotated[list[str], Field(examples=[[f"https://ghibli.example/films/{_FILM}"]])]
    url: Annotated[str, Field(examples=[f"https://ghibli.example/people/{_PERSON}"])]


@with_config(_EXACT)
class Movie(Film):
    """A film with its people."""

    people: list[Person]


class Snapshot(BaseModel):
    """All films and people, as they were at one moment."""

    films: list[Film]
    people: list[Person]
    timestamp: Moment


class MoviesAnswer(TypedDict):
    """Films with their people, in the film API's order."""

    api_data: list[Movie]
    timestamp: Moment


class MovieAnswer(TypedDict):
    """One film with its people."""

    api_data: Movie
    timestamp: Moment
