"""Films, genres and persons as rows: which lists and things there are, in both dialects, and how each looks."""

from typing import Any

from cinema.gateway.catalogue import filters, models, views
from cinema.gateway.catalogue.paging import Pairs
from cinema.gateway.catalogue.questions import FilmsOfPerson, Shape, SimilarFilms, View
from stagedoor.search.filters import FilterSet
from stagedoor.value import value

__all__ = ["LISTS", "RELATED", "THINGS", "List", "Related", "Thing"]


@value()
class List:
    """One list: where it is, what it is called, its filters, its shape, and its body for the documentation."""

    path: str
    summary: str
    filters: type[FilterSet]
    shape: Shape
    model: Any


@value()
class Thing:
    """One kind of thing by its id; `id` is what the dialect calls it."""

    path: str
    summary: str
    id: str
    kind: str
    index: str
    view: View
    model: Any


@value()
class Related:
    """The films of something, a list under a thing."""

    path: str
    summary: str
    kind: str
    ask: type[SimilarFilms] | type[FilmsOfPerson]


def bare(items: list[dict[str, Any]]) -> object:
    """Return the array of the course dialect."""
    return items


def in_results(items: list[dict[str, Any]]) -> object:
    """Return the object of the gateway dialect."""
    return {"results": items}


def by_number(offset: int, limit: int) -> Pairs:
    """Spell a page of the course dialect."""
    return [("page_number", str(offset // limit + 1)), ("page_size", str(limit))]


def by_offset(offset: int, limit: int) -> Pairs:
    """Spell a page of the gateway dialect."""
    return [("pagination", str(offset)), ("pagination", str(limit))]


def _course(kind: str, view: View) -> Shape:
    return Shape(kind, view, bare, by_number)


def _gateway(kind: str, view: View) -> Shape:
    return Shape(kind, view, in_results, by_offset)


FILM_LINES = _course("film", views.film_line)

LISTS = (
    List("/api/v1/films", "Films", filters.CourseFilms, FILM_LINES, list[models.CourseFilmLine]),
    List(
        "/api/v1/films/search",
        "Films by words",
        filters.CourseFilmsSearch,
        FILM_LINES,
        list[models.CourseFilmLine],
    ),
    List(
        "/api/v1/genres",
        "Genres",
        filters.CourseGenres,
        _course("genre", views.genre_of_course),
        list[models.CourseGenre],
    ),
    List(
        "/api/v1/genres/search",
        "Genres by words",
        filters.CourseGenresSearch,
        _course("genre", views.genre_of_course),
        list[models.CourseGenre],
    ),
    List(
        "/api/v1/persons",
        "Persons",
        filters.CoursePersons,
        _course("person", views.person_of_course),
        list[models.CoursePerson],
    ),
    List(
        "/api/v1/persons/search",
        "Persons by words",
        filters.CoursePersonsSearch,
        _course("person", views.person_of_course),
        list[models.CoursePerson],
    ),
    List(
        "/v1/films",
        "Films",
        filters.FilmFilters,
        _gateway("film", views.film_of_gateway),
        models.GatewayFilms,
    ),
    List(
        "/v1/genres",
        "Genres",
        filters.GenreFilters,
        _gateway("genre", views.genre_of_gateway),
        models.GatewayGenres,
    ),
    List(
        "/v1/persons",
        "Persons",
        filters.PersonFilters,
        _gateway("person", views.person_of_gateway),
        models.GatewayPersons,
    ),
)

THINGS = (
    Thing("/api/v1/films/{uuid}", "One film", "uuid", "film", "movies", views.film_page, models.CourseFilm),
    Thing(
        "/api/v1/genres/{uuid}",
        "One genre",
        "uuid",
        "genre",
        "genres",
        views.genre_of_course,
        models.CourseGenre,
    ),
    Thing(
        "/api/v1/persons/{uuid}",
        "One person",
        "uuid",
        "person",
        "persons",
        views.person_of_course,
        models.CoursePerson,
    ),
    Thing("/v1/films/{id}", "One film", "id", "film", "movies", views.film_of_gateway, models.GatewayFilm),
    Thing(
        "/v1/genres/{id}", "One genre", "id", "genre", "genres", views.genre_of_gateway, models.GatewayGenre
    ),
    Thing(
        "/v1/persons/{id}",
        "One person",
        "id",
        "person",
        "persons",
        views.person_of_gateway,
        models.GatewayPerson,
    ),
)

RELATED = (
    Related("/api/v1/films/{uuid}/similar", "Other films that share a genre", "film", SimilarFilms),
    Related("/api/v1/persons/{uuid}/film", "A person's films", "person", FilmsOfPerson),
    Related("/api/v1/persons/{uuid}/films", "A person's films", "person", FilmsOfPerson),
)
