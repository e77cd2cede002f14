"""What is wrong with a declaration is said when the program starts, and names what it is."""

import re

import pytest

from stagedoor.errors import ConfigError
from stagedoor.search import Higher, Index, Integer, Keyword, More, Nested, Number, Shorter, Text
from stagedoor.search.leaves import Field, Tie

ID = Keyword(name="id")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Books",
        "a b",
        "a/b",
        "../books",
        "-books",
        "_books",
        "books*",
        "a,b",
        "a[b]",
        "a%2f",
        "b\u00fccher",
        "b" * 201,
    ],
)
def test_a_name_that_no_engine_takes_is_refused(name: str) -> None:
    """A node refuses it at the first fill; in a folder it is another index's, or lies beside it."""
    with pytest.raises(ConfigError, match=rf"{re.escape(repr(name))}.*its name is to be"):
        Index(name, (ID,))


def test_usual_names_are_taken() -> None:
    """Nothing is refused that works everywhere."""
    named = [
        Text(name=name)
        for name in ("title", "Title", "full_name", "price-eur", "x1", "\u0442\u0435\u043c\u0430")
    ]

    assert Index("my.books-2024", (ID, *named)).paths.keys() == {"id", *(one.name for one in named)}


@pytest.mark.parametrize(
    "name", ["", "a.b", "a~words", "_source", "_id", "price+", "price-", "a#", "own6", "a*", " a", "a,b"]
)
def test_a_field_cannot_be_called_as_engines_call_theirs(name: str) -> None:
    """Dots are paths, and behind signs and underscores stand fields of the engine's own."""
    with pytest.raises(ConfigError, match=rf"{re.escape(repr(name))} cannot be the name of a field"):
        Index("books", (ID, Number(name=name)))
    with pytest.raises(ConfigError, match=rf"people\.{re.escape(repr(name))} cannot be"):
        Index("books", (ID, Nested(name="people", fields=(Number(name=name),))))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((), "the keyword 'id' is missing"),
        ((Keyword(name="id", asked=False),), "the keyword 'id' is missing"),
        ((Keyword(name="id", many=True),), "'id' is to be one value"),
        ((Keyword(name="id", facet=True),), "'id' is to be one value"),
        ((Keyword(name="id", kept=False),), "'id' is to be one value"),
        ((ID, Text(name="a"), Number(name="a")), "'a' is the name of 2 fields"),
        ((ID, Nested(name="a", fields=()), Number(name="a")), "'a' is the name of 2 fields"),
        ((ID, Nested(name="a", fields=(ID, Text(name="id")))), r"a\.'id' is the name of 2 fields"),
        ((ID, Nested(name="a", fields=(Nested(name="b", fields=()),))), r"a\..*no field of an object"),  # type: ignore[arg-type]
        ((ID, Text(name="a", analyzer="fr")), "'a': there is no analyzer 'fr'"),  # type: ignore[arg-type]
        ((ID, Text(name="a", many=True, sortable=True)), "'a': several texts have no order"),
        ((ID, Keyword(name="a", facet=True, asked=False)), "'a': what is counted"),
        ((ID, "title"), "'title' is no field"),
        ([ID], "tuples"),
    ],
)
def test_fields_that_say_two_things_are_refused(fields: tuple[Field, ...], said: str) -> None:
    """Of two fields of one name an engine would keep the last."""
    with pytest.raises(ConfigError, match=f"index 'books': .*{said}"):
        Index("books", fields)


@pytest.mark.parametrize(
    ("ties", "said"),
    [
        ((Shorter("nope"),), "Shorter goes by a text, and 'nope' is none"),
        ((Shorter("stars"),), "Shorter goes by a text, and 'stars' is none"),
        ((Higher("title"),), "Higher goes by a number, and 'title' is none"),
        ((Higher("stars", most=0),), "'stars' of a tie is to be above 0"),
        ((More(("tags", "title")),), "More goes by a list, and 'title' is none"),
        ((Shorter("title"), Shorter("title")), "2 ties of the kind Shorter"),
    ],
)
def test_ties_go_by_fields_that_there_are(ties: tuple[Tie, ...], said: str) -> None:
    """Else the first document tells of it."""
    fields = (ID, Text(name="title"), Number(name="stars"), Keyword(name="tags", many=True))
    with pytest.raises(ConfigError, match=said):
        Index("books", fields, ties=ties)


def test_everything_wrong_is_said_at_once() -> None:
    """Whoever corrects a declaration wants to do so once."""
    with pytest.raises(ConfigError) as refused:
        Index("Books", (Text(name="a.b"), Text(name="c"), Text(name="c")), ties=(Shorter("d"),))

    assert all(word in str(refused.value) for word in ("small letters", "'a.b'", "'c'", "'id'", "'d'"))


def test_objects_may_have_an_id_of_any_kind() -> None:
    """Only a document needs a keyword."""
    index = Index("books", (ID, Nested(name="people", asked=True, fields=(Integer(name="id"),))))

    assert index.objects["people"].paths == {"id": Integer(name="id")}
