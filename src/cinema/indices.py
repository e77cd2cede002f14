"""Declare what the search indices hold (contract 13), once for who fills them and who asks them."""

from stagedoor.search.schema import Index, Keyword, Nested, Number, Text

__all__ = ["GENRES", "INDICES", "MOVIES", "PERSONS"]

_ID = Keyword(name="id")
_DESCRIPTION = Text(name="description")


def _named(name: str) -> Nested:
    return Nested(name=name, fields=(_ID, Text(name="name", also=("full_name",))))


MOVIES = Index(
    "movies",
    (
        _ID,
        Text(name="title", sortable=True),
        _DESCRIPTION,
        Number(name="imdb_rating"),
        Keyword(name="genres", many=True),
        Keyword(name="genre_ids", many=True, kept=False),
        Keyword(name="person_ids", many=True, kept=False),
        _named("genre"),
        Text(name="actors_names", many=True, kept=False),
        Text(name="writers_names", many=True, kept=False),
        Text(name="directors_names", many=True, kept=False),
        _named("actors"),
        _named("writers"),
        _named("directors"),
    ),
)

GENRES = Index("genres", (_ID, Text(name="name", sortable=True), _DESCRIPTION))

PERSONS = Index(
    "persons",
    (
        _ID,
        Text(name="full_name", sortable=True, also=("name",)),
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
)

INDICES = (MOVIES, GENRES, PERSONS)
