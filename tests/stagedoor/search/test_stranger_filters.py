"""Filters of anybody's lists: types from annotations, what is missing, alternatives, one and the same object."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from stagedoor._parameters import Invalid
from stagedoor.errors import ConfigError
from stagedoor.search import AnyOf, Begins, Between, Either, Exists, Match, Not, Phrase, Same, Term
from stagedoor.search.filters import (
    EitherFilter,
    ExistsFilter,
    Filter,
    FilterSet,
    FlagFilter,
    InFilter,
    LimitFilter,
    LimitOffsetFilter,
    PhraseFilter,
    PrefixFilter,
    RangeFilter,
    SameFilter,
    SearchFilter,
)
from stagedoor.search.values import TextValue


class Books(FilterSet, index="books"):
    added: Filter[int] = Filter()
    shelf: Filter[str] = Filter()
    lent: Filter[bool] = Filter()
    owner: Filter[UUID] = Filter()
    price: "Filter[float]" = Filter()
    published: RangeFilter[date] = RangeFilter()
    seen: RangeFilter[datetime] = RangeFilter()
    pages: RangeFilter[int] = RangeFilter()
    cover = ExistsFilter()
    typed = PrefixFilter("title")
    quote = PhraseFilter()
    said = PhraseFilter("quotes")
    found = EitherFilter(words=SearchFilter("title"), isbn=Filter[str](kind=TextValue()))
    people = SameFilter("people", person=InFilter("id"), born=RangeFilter[int](least=0))
    shown = FlagFilter(description="How it looks")
    limit = LimitFilter(limit=5)


@pytest.mark.parametrize(
    ("query", "clause"),
    [
        (b"added=9007199254740993", Term("added", 9007199254740993)),
        (b"added=-9223372036854775808", Term("added", -(1 << 63))),
        (b"shelf=a", Term("shelf", "a")),
        (b"lent=false", Term("lent", False)),
        (b"price=1.5", Term("price", 1.5)),
        (b"published=2001-05-17&published=", Between("published", "2001-05-17", None)),
        (b"seen=&seen=2001-05-17T10:00:00Z", Between("seen", None, "2001-05-17T10:00:00Z")),
        (b"pages=10&pages=20", Between("pages", 10, 20)),
        (b"cover=true", Exists("cover")),
        (b"cover=false", Not(Exists("cover"))),
        (b"quote=to+be", Phrase("quote", "to be")),
        (b"said=to+be", Phrase("quotes", "to be")),
        (b"typed=the+ca", Begins((("title", 1.0),), "the ca")),
        (b"words=cat&isbn=1", Either((Match((("title", 1.0),), "cat"), Term("isbn", "1")))),
        (
            b"person=3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff&born=1900&born=",
            Same(
                "people",
                (AnyOf("id", ("3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff",)), Between("born", 1900.0, None)),
            ),
        ),
    ],
)
def test_a_filter_says_what_it_asks(query: bytes, clause: object) -> None:
    """18: one line is the parameter, its rules and its condition."""
    assert Books.parse(query).to_query().clause == clause


@pytest.mark.parametrize(
    "query",
    [
        b"added=1.5",
        b"added=9223372036854775808",
        b"lent=yes",
        b"owner=1",
        b"published=17.5.2001&published=",
        b"published=2001-02-30&published=",
        b"cover=1",
        b"shown=x",
        b"limit=0",
        b"limit=101",
        b"born=-1&born=",
    ],
)
def test_what_is_no_such_value_is_refused(query: bytes) -> None:
    """18: the annotation is the rule."""
    with pytest.raises(Invalid):
        Books.parse(query)


def test_every_parameter_is_documented() -> None:
    """18: also those that stand inside others."""
    names = [one.name for one in Books.parameters()]

    assert {"words", "isbn", "person", "born", "shown", "limit", "cover"} <= set(names)
    assert Books.known >= {"words", "isbn", "person", "born"}
    assert Books.parse(b"").to_query().limit == 5
    assert all(one.schema() and one.example is not None for one in Books.parameters())


def test_an_annotation_of_another_kind_is_a_fault_of_the_program() -> None:
    """What values are has to be known when the program starts."""
    with pytest.raises(ConfigError, match="no kind of value"):

        class Wrong(FilterSet, index="books"):
            added: Filter[list[Any]] = Filter()


def test_what_is_no_condition_cannot_be_joined() -> None:
    """An order or a page is not met by a document, nor a text by one object: told when the program starts."""
    with pytest.raises(ConfigError, match="one: Window is no condition"):

        class Paged(FilterSet, index="books"):
            one = EitherFilter(pagination=LimitOffsetFilter())

    with pytest.raises(ConfigError, match="two: Match cannot be asked of one object"):

        class Worded(FilterSet, index="books"):
            two = SameFilter("people", name=SearchFilter())


def test_every_fault_of_joined_filters_is_told() -> None:
    """Not the first alone: whoever corrects a request wants to do so once."""
    with pytest.raises(Invalid) as refused:
        Books.parse(b"person=1&born=b&born=&isbn=%00")

    assert sorted(one.loc[1] for one in refused.value.faults) == ["born", "isbn", "person"]
