"""Reading is tolerant of indices that others filled."""

import pytest

from stagedoor.search import Index, Keyword, Nested, Number, Text
from stagedoor.search.documents import as_declared, refusal

INDEX = Index(
    "movies",
    (
        Keyword(name="id"),
        Text(name="title", sortable=True),
        Number(name="imdb_rating"),
        Keyword(name="genres", many=True),
        Text(name="names", many=True),
        Nested(name="actors", fields=(Keyword(name="id"), Text(name="name", also=("full_name",)))),
    ),
)
EMPTY: dict[str, object] = {
    "id": "1",
    "title": None,
    "imdb_rating": None,
    "genres": [],
    "names": [],
    "actors": [],
}


@pytest.mark.parametrize(
    ("held", "read"),
    [
        ({}, {}),
        ({"genres": "Action, Drama,"}, {"genres": ["Action", "Drama"]}),
        ({"genres": [{"id": "g", "name": "Action"}]}, {"genres": ["Action"]}),
        ({"genres": ["Action", None, ""]}, {"genres": ["Action"]}),
        ({"names": "George Lucas"}, {"names": ["George Lucas"]}),
        (
            {"actors": [{"id": "p", "full_name": "TagVersion"}, "x"]},
            {"actors": [{"id": "p", "name": "TagVersion"}]},
        ),
        ({"actors": None, "imdb_rating": "8.6"}, {"imdb_rating": 8.6}),
        ({"imdb_rating": "N/A"}, {}),
        ({"imdb_rating": True, "extra": 1}, {}),
        ({"imdb_rating": []}, {}),
    ],
)
def test_a_document_is_read_in_its_declared_form(held: dict[str, object], read: dict[str, object]) -> None:
    """Names in one text, objects for names, other field names, missing fields, extra ones."""
    assert as_declared({"id": "1", **held}, INDEX) == EMPTY | read


def test_a_document_in_its_declared_form_is_not_touched() -> None:
    """The common case costs one comparison."""
    assert as_declared(EMPTY, INDEX) is EMPTY


def test_a_document_without_id_or_with_a_strange_field_is_refused() -> None:
    """What a strict mapping rejects is rejected everywhere, with its name."""
    assert refusal({"title": "x"}, INDEX) == "it has no id"
    assert refusal({"id": "", "title": "x"}, INDEX) == "it has no id"
    assert refusal({"id": "1", "year": 1, "age": 2}, INDEX) == "the index declares no field 'age'"
    assert refusal(EMPTY, INDEX) is None
