"""Declare what the search indices hold (contract 13), once for who fills them and who asks them."""

from stagedoor.search.leaves import Higher, Keyword, More, Nested, Number, Shorter, Text
from stagedoor.search.schema import Index

__all__ = ["GENRES", "INDICES", "MOVIES", "PERSONS"]

_ID = Keyword(name="id")
_BESIDE = "beside"  # where a search for films looks, but for titles


def _names(name: str) -> Text:
    return Text(name=name, many=True, kept=False, together=_BESIDE, alone=False)


def _named(name: str) -> Nested:
    return Nested(name=name, fields=(_ID, Text(name="name", also=("full_name",))))


MOVIES = Index(
    "movies",
    (
        _ID,
        Text(name="title", sortable=True, title=True),
        Text(name="description", together=_BESIDE),
        Number(name="imdb_rating"),
        Keyword(name="genres", many=True, asked=False),
        Keyword(name="genre_ids", many=True, kept=False, facet=True),
        Keyword(name="person_ids", many=True, kept=False),
        _named("genre"),
        _names("actors_names"),
        _names("writers_names"),
        _names("directors_names"),
        _named("actors"),
        _named("writers"),
        _named("directors"),
    ),
    ties=(Shorter("title"), Higher("imdb_rating", most=10), More(("person_ids", "genre_ids"))),
    exists=False,
)

GENRES = Index(
    "genres",
    (_ID, Text(name="name", sortable=True, title=True), Text(name="description")),
    ties=(Shorter("name"),),
    exists=False,
)

PERSONS = Index(
    "persons",
    (
        _ID,
        Text(name="full_name", sortable=True, title=True, also=("name",)),
        Nested(
            name="films",
            fields=(
                _ID,
                Text(name="title"),
                Number(name="imdb_rating"),
                Keyword(name="roles", many=True),
            ),
        ),
    ),
    ties=(Shorter("full_name"), More(("films",))),
    exists=False,
)

INDICES = (MOVIES, GENRES, PERSONS)
