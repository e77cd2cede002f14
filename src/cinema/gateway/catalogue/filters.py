"""Which filters films, genres and persons have, in each dialect. One line is a parameter, its rules and its query."""

from cinema.gateway.catalogue import samples
from cinema.indices import GENRES, MOVIES, PERSONS
from stagedoor.search.filters import (
    FacetFilter,
    Filter,
    FilterSet,
    FlagFilter,
    InFilter,
    LimitFilter,
    LimitOffsetFilter,
    NotInFilter,
    OrderingField,
    OrderingFilter,
    PageNumberFilter,
    PrefixFilter,
    RangeFilter,
    SearchFilter,
)
from stagedoor.search.values import UuidValue

__all__ = [
    "CourseFilms",
    "CourseFilmsOf",
    "CourseFilmsSearch",
    "CourseGenres",
    "CourseGenresSearch",
    "CoursePersons",
    "CoursePersonsSearch",
    "CourseSuggest",
    "CourseSuggestPersons",
    "FilmFilters",
    "GenreFilters",
    "PersonFilters",
]

_BEST_FIRST = ("-imdb_rating",)
_FILM, _OTHER_FILM = UuidValue(example=samples.FILM), UuidValue(example=samples.OTHER_FILM)
_GENRE, _OTHER_GENRE = UuidValue(example=samples.GENRE), UuidValue(example=samples.OTHER_GENRE)
_PERSON, _OTHER_PERSON = UuidValue(example=samples.PERSON), UuidValue(example=samples.OTHER_PERSON)

# How lists are sorted, in words.
_MINUS = "a minus in front for descending"
_TIES = "Equal ones are in order of their ids"
_FILM_SORT = (
    f"{{}}, {_MINUS}. Not given: best rated first, or where words are searched the best match first. "
    f"Films without a rating come last either way. {_TIES}"
)
_NAME_SORT = f"{{}}, {_MINUS}. Not given: by name, or where words are searched the best match first. {_TIES}"
_ONE_KEY, _MANY_KEYS = "Sort key", "Sort keys, repeated, applied in this order"
_WORDS = (
    "Words in {}, in any form and order; typing errors are forgiven, better matches come first, more of the words "
    "before fewer. Accents, apostrophes, hyphens and dots between initials do not matter, nor whether a word is in "
    "Cyrillic or Latin letters, or a number in words or digits. Stop words alone find titles that equal them. At most "
    "16 words count; operators and quotes are plain text"
)
_EMPTY = ". Empty: not given"
_ANY = "Only {} with any of these ids, repeated; up to 500"
_NONE = "Only {} with none of these ids, repeated; up to 500"
_RATING = (
    "The least and the greatest rating, both inclusive, as a pair in this order: `imdb_rating=7&imdb_rating=9`. An "
    "empty value leaves its side open: `imdb_rating=&imdb_rating=6.5`. Films without a rating are in no range"
)
# Where a search for films looks, and how much a word weighs there.
_FILM_TEXTS = (
    ("title", 3.0),
    ("description", 1.0),
    ("actors_names", 1.0),
    ("writers_names", 1.0),
    ("directors_names", 1.0),
)


class CourseFilmsOf(FilterSet, index=MOVIES, default=_BEST_FIRST):
    """The films of something: a page of them, best rated first."""

    pages = PageNumberFilter()


class CourseFilms(CourseFilmsOf):
    """Films of the course dialect."""

    sort = OrderingFilter(
        "imdb_rating",
        "title",
        many=False,
        description=_FILM_SORT.format(_ONE_KEY),
        example="-imdb_rating",
    )
    genre = Filter(
        "genre_ids",
        kind=_GENRE,
        description="Only films of the genre with this id; an unknown genre has none",
    )


class CourseFilmsSearch(CourseFilms):
    """The same, by words."""

    query = SearchFilter(
        *_FILM_TEXTS,
        required=True,
        description=_WORDS.format("title (which weighs three times as much), description and people's names"),
    )


class CourseGenres(FilterSet, index=GENRES, default=("name",)):
    """Genres of the course dialect."""

    pages = PageNumberFilter()
    sort = OrderingFilter("name", many=False, description=_NAME_SORT.format(_ONE_KEY), example="name")


class CourseGenresSearch(CourseGenres):
    """The same, by words."""

    query = SearchFilter("name", required=True, description=_WORDS.format("the name"), example="action")


class CoursePersons(FilterSet, index=PERSONS, default=("full_name",)):
    """Persons of the course dialect."""

    pages = PageNumberFilter()
    sort = OrderingFilter(
        "full_name", many=False, description=_NAME_SORT.format(_ONE_KEY), example="full_name"
    )


class CoursePersonsSearch(CoursePersons):
    """The same, by words."""

    query = SearchFilter(
        "full_name", required=True, description=_WORDS.format("the full name"), example="lucas"
    )


class CourseSuggest(FilterSet, index=MOVIES):
    """Films whose titles are being typed."""

    query = PrefixFilter(
        "title",
        required=True,
        description="What has been typed of a title or a name: whole words, and of the last one the beginning",
    )
    limit = LimitFilter(limit=10, max_limit=20)


class CourseSuggestPersons(FilterSet, index=PERSONS):
    """Persons whose names are being typed."""

    query = PrefixFilter("full_name", required=True)
    limit = LimitFilter(limit=10, max_limit=20)


class FilmFilters(FilterSet, index=MOVIES, default=_BEST_FIRST):
    """Films of the gateway dialect."""

    id = Filter(kind=_FILM, description="Only the film with this id")
    ids = InFilter("id", kind=_FILM, description=_ANY.format("films"))
    excluded_ids = NotInFilter("id", kind=_OTHER_FILM, description=_NONE.format("films"))
    pagination = LimitOffsetFilter(max_limit=100)
    title = SearchFilter(description=_WORDS.format("the title") + _EMPTY)
    description = SearchFilter(description=_WORDS.format("the description") + _EMPTY, example="")
    imdb_rating = RangeFilter(least=0, description=_RATING)
    facet = FacetFilter(
        genres="genre_ids", description="`genres`: how many of all matches have each genre, most first"
    )
    highlight = FlagFilter(
        description="`true`: each result of a text match has `highlight`, the text with the words that were met in "
        "`<em>`, escaped for HTML"
    )
    order = OrderingFilter(
        "id",
        "imdb_rating",
        "title",
        description=_FILM_SORT.format(_MANY_KEYS),
        example="-imdb_rating",
    )


class GenreFilters(FilterSet, index=GENRES, default=("name",)):
    """Genres of the gateway dialect."""

    id = Filter(kind=_GENRE, description="Only the genre with this id")
    ids = InFilter("id", kind=_GENRE, description=_ANY.format("genres"))
    excluded_ids = NotInFilter("id", kind=_OTHER_GENRE, description=_NONE.format("genres"))
    pagination = LimitOffsetFilter(max_limit=100)
    name = SearchFilter(description=_WORDS.format("the name") + _EMPTY, example="action")
    description = SearchFilter(description=_WORDS.format("the description") + _EMPTY, example="")
    order = OrderingFilter("id", "name", description=_NAME_SORT.format(_MANY_KEYS), example="name")


class PersonFilters(FilterSet, index=PERSONS, default=("full_name",)):
    """Persons of the gateway dialect."""

    id = Filter(kind=_PERSON, description="Only the person with this id")
    ids = InFilter("id", kind=_PERSON, description=_ANY.format("persons"))
    excluded_ids = NotInFilter("id", kind=_OTHER_PERSON, description=_NONE.format("persons"))
    pagination = LimitOffsetFilter(max_limit=100)
    name = SearchFilter("full_name", description=_WORDS.format("the name") + _EMPTY, example="lucas")
    order = OrderingFilter(
        "id",
        OrderingField("name", "full_name"),
        description=_NAME_SORT.format(_MANY_KEYS),
        example="name",
    )
