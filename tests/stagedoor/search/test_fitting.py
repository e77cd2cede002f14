"""A set of filters that cannot work is refused when the program starts, in words that name what is wrong."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stagedoor._parameters import Invalid
from stagedoor.errors import ConfigError
from stagedoor.search import (
    AnyOf,
    Between,
    Boolean,
    Date,
    Either,
    Index,
    Integer,
    Keyword,
    Nested,
    Not,
    Number,
    Term,
    Text,
)
from stagedoor.search.filters import (
    EitherFilter,
    ExistsFilter,
    FacetFilter,
    Filter,
    FilterSet,
    InFilter,
    LimitFilter,
    LimitOffsetFilter,
    NotInFilter,
    OrderingFilter,
    PageNumberFilter,
    PhraseFilter,
    RangeFilter,
    SameFilter,
    SearchFilter,
)
from stagedoor.search.values import TextValue

BOOKS = Index(
    "books",
    (
        Keyword(name="id"),
        Text(name="title", sortable=True),
        Keyword(name="shelf", facet=True),
        Integer(name="pages"),
        Date(name="due"),
        Boolean(name="lent"),
        Number(name="price"),
        Nested(name="people", asked=True, fields=(Keyword(name="role"), Integer(name="born"))),
    ),
)


def test_a_set_that_fits_its_index_is_taken() -> None:
    """Given the index itself, it has its name."""

    class Books(FilterSet, index=BOOKS, default=("-pages", "title")):
        ids = InFilter("id")
        title = SearchFilter()
        pages: Filter[int] = Filter()
        due: RangeFilter[date] = RangeFilter()
        price = RangeFilter(least=100)
        there = ExistsFilter("lent")
        found = EitherFilter(words=SearchFilter("title"), lent=Filter[bool]())
        people = SameFilter("people", role=Filter[str](), born=RangeFilter[int]())
        facet = FacetFilter(shelf="shelf")
        order = OrderingFilter("title", "pages")
        pagination = LimitOffsetFilter()

    assert Books.index == Books.parse(b"").to_query().index == "books"


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (SearchFilter(), "'a'"),
        (SearchFilter("shelf"), "no text 'shelf'"),
        (Filter(), "'a'"),
        (Filter("pages"), "'pages': '3d8d9bf5.*' is no number"),
        (Filter("due", kind=TextValue()), "'due': 'star' is no date"),
        (Filter("lent", kind=TextValue(example="true")), "'lent': 'true' is neither"),
        (InFilter("pages"), "'pages': '3d8d9bf5.*' is no number"),
        (RangeFilter("shelf"), "'shelf'"),
        (RangeFilter("due"), "'due': 7.5 is no date"),
        (ExistsFilter("nope"), "cannot tell whether there is 'nope'"),
        (PhraseFilter("title"), "order of the words of 'title'"),
        (FacetFilter(pages="pages"), "does not count 'pages'"),
        (OrderingFilter("title", "shelf"), "cannot be sorted by 'shelf'"),
        (EitherFilter(b=SearchFilter("title"), c=SearchFilter("nope")), "'nope'"),
        (SameFilter("nobody", role=Filter()), "no objects 'nobody'"),
        (SameFilter("people", age=Filter()), "'people' has no 'age'"),
        (SameFilter("people", born=Filter()), "'born': '3d8d9bf5.*' is no number"),
    ],
)
def test_a_filter_that_its_index_cannot_answer_is_refused(one: Any, said: str) -> None:
    """18: a field that there is not, or is of another kind, would fail at each request, or find nothing."""
    with pytest.raises(ConfigError, match=f"Books: a: .*{said}"):
        type("Books", (FilterSet,), {"a": one}, index=BOOKS)


def test_all_that_does_not_fit_is_said_at_once_and_to_those_that_inherit() -> None:
    """The default order too."""
    filters = {"a": SearchFilter("nope"), "order": OrderingFilter("shelf", "none")}
    with pytest.raises(ConfigError) as refused:
        type("Books", (FilterSet,), filters, index=BOOKS, default=("-nothing",))
    assert all(word in str(refused.value) for word in ("a: ", "'nope'", "'shelf'", "'none'", "'nothing'"))

    base = type("Base", (FilterSet,), {"title": SearchFilter()}, index=BOOKS)
    with pytest.raises(ConfigError, match=r"b: .*'nope'"):
        type("Heir", (base,), {"b": SearchFilter("nope")})


@pytest.mark.parametrize(
    ("filters", "default", "said"),
    [
        ({}, "-stars", "tuple"),
        ({}, ("",), "''"),
        ({}, ("--stars",), "'--stars'"),
        (
            {"title": SearchFilter(), "found": EitherFilter(title=SearchFilter())},
            (),
            "'title' is read by 2 filters",
        ),
        ({"page_size": SearchFilter(), "pages": PageNumberFilter()}, (), "'page_size' is read by 2 filters"),
        ({"one": LimitOffsetFilter(), "two": LimitFilter()}, (), "one and two"),
        ({"a": Filter(), "__annotations__": {"a": "Filter[Nope]"}}, (), "Books.a: .*Nope"),
        (
            {"a": RangeFilter(least=1), "__annotations__": {"a": RangeFilter[date]}},
            (),
            "Books.a: a least value",
        ),
    ],
)
def test_filters_that_get_in_each_others_way_are_refused(
    filters: dict[str, Any], default: Any, said: str
) -> None:
    """Two readers of one parameter would both count; of two pages the last one would."""
    with pytest.raises(ConfigError, match=said):
        type("Books", (FilterSet,), {"__module__": __name__, **filters}, index="books", default=default)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: LimitOffsetFilter(limit=500, max_limit=100),
        lambda: LimitOffsetFilter(limit=0),
        lambda: LimitOffsetFilter(limit=20_000, max_limit=20_000),
        lambda: LimitFilter(limit=101),
        lambda: PageNumberFilter(size=101),
        OrderingFilter,
        lambda: OrderingFilter("title", "title"),
        lambda: OrderingFilter("-title"),
        FacetFilter,
        lambda: InFilter(most=0),
        EitherFilter,
        lambda: SameFilter("people"),
    ],
)
def test_a_default_that_would_be_refused_cannot_be_declared(declare: Callable[[], object]) -> None:
    """Who asks without a parameter would be told that theirs is wrong."""
    with pytest.raises(ConfigError):
        declare()


class Exact(FilterSet, index=BOOKS):
    """Whole numbers, wherever an annotation says so."""

    pages: RangeFilter[int] = RangeFilter(least=1)
    numbers: InFilter[int] = InFilter("pages")
    others: NotInFilter[int] = NotInFilter("pages")
    either = EitherFilter(number=Filter[int]("pages"))


@pytest.mark.parametrize(
    ("query", "clause"),
    [
        (b"pages=9007199254740993&pages=", Between("pages", 9007199254740993, None)),
        (b"numbers=9007199254740993&numbers=2", AnyOf("pages", (9007199254740993, 2))),
        (b"others=2", Not(AnyOf("pages", (2,)))),
        (b"number=9007199254740993", Either((Term("pages", 9007199254740993),))),
    ],
)
def test_an_annotation_counts_wherever_it_stands(query: bytes, clause: object) -> None:
    """18: beside a least value, in lists, and inside of other filters, whole numbers are exact."""
    made = Exact.parse(query).to_query().clause

    assert made == clause
    assert "." not in repr(made)


@pytest.mark.parametrize("query", [b"pages=0&pages=", b"pages=1.5&pages=", b"numbers=x", b"number=1.5"])
def test_and_what_is_no_whole_number_is_refused(query: bytes) -> None:
    """18: the annotation is the rule."""
    with pytest.raises(Invalid):
        Exact.parse(query)
