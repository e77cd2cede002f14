"""Films, genres and persons as rows: which lists and things there are, in both dialects, and how each looks."""

from typing import Any

from cinema.gateway.catalogue import filters, models, views
from cinema.gateway.catalogue.paging import Pairs
from cinema.gateway.catalogue.questions import Find, ListShape, View, films_of, similar
from stagedoor._value import value
from stagedoor.search.filters import FilterSet

__all__ = ["LISTS", "RELATED", "THINGS", "List", "Related", "Thing"]


@value()
class List:
    """One list: where it is, what it is called, its filters, its shape, and its body for the documentation."""

    path: str
    summary: str
    description: str
    filters: type[FilterSet]
    shape: ListShape
    model: Any


@value()
class Thing:
    """One kind of thing by its id; `id` is what the dialect calls it."""

    path: str
    summary: str
    description: str
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
    description: str
    kind: str
    find: Find


def bare(items: list[dict[str, Any]], _: dict[str, Any]) -> object:
    """Return the array of the course dialect, which has no place for more."""
    return items


def in_results(items: list[dict[str, Any]], more: dict[str, Any]) -> object:
    """Return the object of the gateway dialect."""
    return {"results": items, **more}


def by_number(offset: int, limit: int) -> Pairs:
    """Spell a page of the course dialect."""
    return [("page_number", str(offset // limit + 1)), ("page_size", str(limit))]


def by_offset(offset: int, limit: int) -> Pairs:
    """Spell a page of the gateway dialect."""
    return [("pagination", str(offset)), ("pagination", str(limit))]


def _course(kind: str, view: View) -> ListShape:
    return ListShape(kind, view, bare, by_number)


def _gateway(kind: str, view: View) -> ListShape:
    return ListShape(kind, view, in_results, by_offset)


FILM_LINES = _course("film", views.film_line)

_PAGES = "Pages never overlap or skip; one past the last is an empty list."
_MEANT = (
    "Where only near words were met, the field `Did-You-Mean` says what was meant, as a Display String (RFC 9651): "
    '`%"inception"`'
)
_FOUND = f"The best match comes first. Nothing found is an empty list. {_MEANT}."

LISTS = (
    List(
        "/api/v1/films",
        "Films",
        f"All films, or those of a genre, page by page. {_PAGES}",
        filters.CourseFilms,
        FILM_LINES,
        list[models.CourseFilmLine],
    ),
    List(
        "/api/v1/films/search",
        "Films by words",
        f"Films with these words in their title, description or people's names. {_FOUND}",
        filters.CourseFilmsSearch,
        FILM_LINES,
        list[models.CourseFilmLine],
    ),
    List(
        "/api/v1/genres",
        "Genres",
        f"All genres, page by page. {_PAGES}",
        filters.CourseGenres,
        _course("genre", views.genre_of_course),
        list[models.CourseGenre],
    ),
    List(
        "/api/v1/genres/search",
        "Genres by words",
        f"Genres with these words in their name. {_FOUND}",
        filters.CourseGenresSearch,
        _course("genre", views.genre_of_course),
        list[models.CourseGenre],
    ),
    List(
        "/api/v1/persons",
        "Persons",
        f"All persons with their films and roles, page by page. {_PAGES}",
        filters.CoursePersons,
        _course("person", views.person_of_course),
        list[models.CoursePerson],
    ),
    List(
        "/api/v1/persons/search",
        "Persons by words",
        f"Persons with these words in their name, with their films and roles. {_FOUND}",
        filters.CoursePersonsSearch,
        _course("person", views.person_of_course),
        list[models.CoursePerson],
    ),
    List(
        "/v1/films",
        "Films",
        f"Films that pass every filter given, with their genres and people. {_PAGES} {_MEANT}; so does `did_you_mean`.",
        filters.FilmFilters,
        _gateway("film", views.film_of_gateway),
        models.GatewayFilms,
    ),
    List(
        "/v1/genres",
        "Genres",
        f"Genres that pass every filter given. {_PAGES} {_MEANT}; so does `did_you_mean`.",
        filters.GenreFilters,
        _gateway("genre", views.genre_of_gateway),
        models.GatewayGenres,
    ),
    List(
        "/v1/persons",
        "Persons",
        f"Persons that pass every filter given. {_PAGES} {_MEANT}; so does `did_you_mean`.",
        filters.PersonFilters,
        _gateway("person", views.person_of_gateway),
        models.GatewayPersons,
    ),
)

THINGS = (
    Thing(
        "/api/v1/films/{uuid}",
        "One film",
        "A film with its genres and people; a role that nobody has is an empty list.",
        "uuid",
        "film",
        "movies",
        views.film_page,
        models.CourseFilm,
    ),
    Thing(
        "/api/v1/genres/{uuid}",
        "One genre",
        "A genre, as in the list.",
        "uuid",
        "genre",
        "genres",
        views.genre_of_course,
        models.CourseGenre,
    ),
    Thing(
        "/api/v1/persons/{uuid}",
        "One person",
        "A person with their films, best rated first, and the roles in each.",
        "uuid",
        "person",
        "persons",
        views.person_of_course,
        models.CoursePerson,
    ),
    Thing(
        "/v1/films/{id}",
        "One film",
        "A film with its genres and people, as in the list.",
        "id",
        "film",
        "movies",
        views.film_of_gateway,
        models.GatewayFilm,
    ),
    Thing(
        "/v1/genres/{id}",
        "One genre",
        "A genre, as in the list.",
        "id",
        "genre",
        "genres",
        views.genre_of_gateway,
        models.GatewayGenre,
    ),
    Thing(
        "/v1/persons/{id}",
        "One person",
        "A person, as in the list.",
        "id",
        "person",
        "persons",
        views.person_of_gateway,
        models.GatewayPerson,
    ),
)

RELATED = (
    Related(
        "/api/v1/films/{uuid}/similar",
        "Similar films",
        f"Other films that share at least one genre with this one, best rated first. {_PAGES}",
        "film",
        similar,
    ),
    *[
        Related(
            f"/api/v1/persons/{{uuid}}/{last}",
            "A person's films",
            f"The films that the person has a role in, best rated first. {_PAGES} "
            "`film` and `films` are the same list.",
            "person",
            films_of,
        )
        for last in ("film", "films")
    ],
)
