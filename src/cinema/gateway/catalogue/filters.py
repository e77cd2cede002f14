"""Which filters films, genres and persons have, in each dialect. One line is a parameter, its rules and its query."""

from stagedoor.search.filters import (
    Filter,
    FilterSet,
    InFilter,
    LimitOffsetFilter,
    NotInFilter,
    OrderingField,
    OrderingFilter,
    PageNumberFilter,
    RangeFilter,
    SearchFilter,
)

__all__ = [
    "CourseFilms",
    "CourseFilmsOf",
    "CourseFilmsSearch",
    "CourseGenres",
    "CourseGenresSearch",
    "CoursePersons",
    "CoursePersonsSearch",
    "FilmFilters",
    "GenreFilters",
    "PersonFilters",
]

_BEST_FIRST = ("-imdb_rating",)
# Where a search for films looks, and how much a word weighs there.
_FILM_TEXTS = (
    ("title", 3.0),
    ("description", 1.0),
    ("actors_names", 1.0),
    ("writers_names", 1.0),
    ("directors_names", 1.0),
)


class CourseFilmsOf(FilterSet, index="movies", default=_BEST_FIRST):
    """The films of something: a page of them, best rated first."""

    pages = PageNumberFilter()


class CourseFilms(CourseFilmsOf):
    """Films of the course dialect."""

    sort = OrderingFilter("imdb_rating", "title", many=False)
    genre = Filter("genre_ids", description="Only films of this genre")


class CourseFilmsSearch(CourseFilms):
    """The same, by words."""

    query = SearchFilter(
        *_FILM_TEXTS, required=True, description="Words in title, description or people's names"
    )


class CourseGenres(FilterSet, index="genres", default=("name",)):
    """Genres of the course dialect."""

    pages = PageNumberFilter()
    sort = OrderingFilter("name", many=False)


class CourseGenresSearch(CourseGenres):
    """The same, by words."""

    query = SearchFilter("name", required=True)


class CoursePersons(FilterSet, index="persons", default=("full_name",)):
    """Persons of the course dialect."""

    pages = PageNumberFilter()
    sort = OrderingFilter("full_name", many=False)


class CoursePersonsSearch(CoursePersons):
    """The same, by words."""

    query = SearchFilter("full_name", required=True)


class Filters(FilterSet):
    """What all lists of the gateway dialect have."""

    id = Filter()
    ids = InFilter("id")
    excluded_ids = NotInFilter("id")
    pagination = LimitOffsetFilter(max_limit=100)


class FilmFilters(Filters, index="movies", default=_BEST_FIRST):
    """Films of the gateway dialect."""

    title = SearchFilter()
    description = SearchFilter()
    imdb_rating = RangeFilter()
    order = OrderingFilter("id", "imdb_rating", "title")


class GenreFilters(Filters, index="genres", default=("name",)):
    """Genres of the gateway dialect."""

    name = SearchFilter()
    description = SearchFilter()
    order = OrderingFilter("id", "name")


class PersonFilters(Filters, index="persons", default=("full_name",)):
    """Persons of the gateway dialect."""

    name = SearchFilter("full_name")
    order = OrderingFilter("id", OrderingField("name", "full_name"))
