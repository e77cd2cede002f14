"""Conditions on one object of a list."""

from stagedoor.search.leaves import Integer, Keyword, Nested
from stagedoor.search.objects import meets_same
from stagedoor.search.query import AnyOf, Between, Same, Term
from stagedoor.search.schema import Index

_PERSON = (Keyword(name="id"), Keyword(name="roles", many=True), Integer(name="born"))
FILMS = Index("films", (Keyword(name="id"), Nested(name="people", fields=_PERSON, asked=True)))
FILM = {"id": "f", "people": [{"id": "a", "roles": ["actor"], "born": 1950}, {"id": "b", "born": 2.5}]}


def meets(*clauses: Term | AnyOf | Between) -> bool:
    return meets_same(FILM, Same("people", clauses), FILMS)


def test_one_object_meets_all_of_it() -> None:
    """Two objects that meet a half each are none that meets the whole."""
    assert meets(Term("id", "a"), AnyOf("roles", ("writer", "actor")), Between("born", 1950, 1950))
    assert not meets(Term("id", "b"), Term("roles", "actor"))


def test_what_no_whole_number_equals_is_met_by_none() -> None:
    """A value that cannot be compared is not "equal" to another that cannot, as it is not outside of objects."""
    assert not meets(Term("born", 2.5))
