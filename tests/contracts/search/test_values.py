"""What values of a document are: the same on every engine, whatever else the document has, or refused by all."""

import uuid
from collections.abc import AsyncIterator, Iterator
from math import inf, nan
from typing import Any

import pytest

from stagedoor.errors import UpstreamRejected
from stagedoor.search import (
    All,
    AnyOf,
    Between,
    Boolean,
    Change,
    Clause,
    Date,
    Delete,
    Document,
    Exists,
    Index,
    Integer,
    Keyword,
    Match,
    Nested,
    Number,
    Order,
    Put,
    Query,
    Same,
    Term,
    Text,
)
from tests.contracts.search.conftest import House, opened, place_of

EMPTY: Document = {
    "title": None,
    "shelf": None,
    "tags": [],
    "pages": None,
    "due": None,
    "lent": None,
    "price": None,
    "people": [],
    "kept": [],
}


@pytest.fixture
async def books(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Give an engine with an index of books, empty."""
    index = Index(
        f"books{uuid.uuid4().hex}",
        (
            Keyword(name="id"),
            Text(name="title", sortable=True),
            Keyword(name="shelf", facet=True),
            Keyword(name="tags", many=True, facet=True),
            Integer(name="pages"),
            Date(name="due"),
            Boolean(name="lent"),
            Number(name="price"),
            Nested(
                name="people",
                asked=True,
                fields=(Integer(name="id"), Keyword(name="name"), Keyword(name="roles", many=True)),
            ),
            Nested(name="kept", fields=(Keyword(name="name"),)),
        ),
    )
    async with opened(kind, index, place_of(kind, index, request)) as house:
        yield house


async def ids(house: House, clause: Clause, *order: Order, **more: Any) -> list[str]:
    """Return which documents are found, in order."""
    found = await house.ask(Query(index=house.index.name, clause=clause, order=order, **more))
    return [document["id"] for document in found.documents]


async def test_a_keyword_is_the_same_whatever_else_a_document_leaves_out(books: House) -> None:
    """18: blanks, empty texts and commas are a part of it; facets and questions tell all of these apart."""
    tags = ["a", "a ", " a", "", "a,b", "\t"]
    await books.fill([{**EMPTY, "id": "1", "tags": tags}, {"id": "2", "tags": tags}])

    for tag in tags:
        assert await ids(books, Term("tags", tag)) == ["1", "2"]
    counted = await books.ask(Query(index=books.index.name, facets=("tags",)))
    assert counted.facets == (("tags", tuple((tag, 2) for tag in sorted(tags))),)
    assert [document["tags"] for document in counted.documents] == [tags, tags]


async def test_zeros_are_one_in_every_order(books: House) -> None:
    """18: what a second key says of equal numbers counts for them too."""
    shelf = [(0.0, "b"), (-0.0, "c"), (0.0, "d"), (-0.0, "a"), (1.0, "e"), (-1.0, "f")]
    await books.fill([{**EMPTY, "id": t, "title": t, "price": p} for p, t in shelf])

    assert await ids(books, All(), Order("price"), Order("title")) == ["f", "a", "b", "c", "d", "e"]
    assert await ids(books, All(), Order("price", descending=True), Order("title", descending=True)) == [
        *("e", "d", "c", "b", "a", "f")
    ]
    assert await ids(books, All(), Order("price")) == ["f", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize("descending", [False, True])
async def test_an_empty_text_comes_before_none(books: House, descending: bool) -> None:
    """18: a text without a sign is a text, also where pages end among them."""
    titles = ["", None] * 6
    held = [{**EMPTY, "id": f"{place:02}", "title": title} for place, title in enumerate(titles)]
    await books.fill(held)
    empty, none = [f"{place:02}" for place in range(0, 12, 2)], [f"{place:02}" for place in range(1, 12, 2)]

    pages = [
        await ids(books, All(), Order("title", descending=descending), offset=offset, limit=4)
        for offset in (0, 4, 8)
    ]

    assert [one for page in pages for one in page] == [*empty, *none]


async def test_the_first_and_the_last_day_of_every_zone_are_told_apart(books: House) -> None:
    """18: in UTC they lie beyond the years that dates have."""
    ends = ["0001-01-01T00:00:00+18:00", "0001-01-01T00:00:00+05:00", "0001-01-01"]
    ends += ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-05:00", "9999-12-31T23:59:59.999-18:00"]
    await books.fill([{**EMPTY, "id": str(place), "due": due} for place, due in enumerate(ends)])

    for place, due in enumerate(ends):
        assert await ids(books, Term("due", due)) == [str(place)]
        assert await ids(books, Between("due", due, None)) == [str(one) for one in range(place, len(ends))]
        assert await ids(books, Between("due", None, due)) == [str(one) for one in range(place + 1)]
    assert await ids(books, All(), Order("due", descending=True)) == ["5", "4", "3", "2", "1", "0"]


WRONG: list[tuple[str, Any]] = [
    *(("pages", one) for one in ("5", 5.5, 1 << 63, True, nan)),
    *(("price", one) for one in ("7.5", nan, inf, True, "abc")),
    *(("lent", one) for one in ("true", 1, "yes")),
    *(
        ("due", one)
        for one in ("20010517", "2001-05", "2001", "2001-W20-4", "2001-05-17 10:00:00", "", "0000-01-01")
    ),
    *(("due", one) for one in ("2001-02-30", "2001-05-17T24:00:00", "990000000000", 20010517)),
    *(("shelf", one) for one in (5, "\ud800")),
    *(("tags", one) for one in ([1], [None, "a"], [["a"]])),
    *(("people", one) for one in ({"name": "a"}, ["a"], [None], [{"id": "5"}], [{"name": 5}])),
    ("title", 5),
]


@pytest.mark.parametrize("whole", [True, False])
async def test_what_a_field_cannot_have_is_refused_by_its_name(books: House, whole: bool) -> None:
    """E1: by every engine, whole or not: what one takes and reads its own way, another refuses or finds elsewhere."""
    rest = EMPTY if whole else {}
    version = await books.writer.create(books.index)
    wrong = [{**rest, "id": f"{place:02}", field: value} for place, (field, value) in enumerate(WRONG)]

    refused = await books.writer.write(version, [*map(Put, wrong), Put({"id": "right"})])

    assert {one.id for one in refused} == {one["id"] for one in wrong}
    assert not any(one.retryable for one in refused)
    assert [one.id for one in refused if f"'{WRONG[int(one.id)][0]}'" not in one.reason] == []
    await books.writer.commit(version)
    assert await books.writer.count(version) == 1


@pytest.mark.parametrize("field", ["shelf", "tags", "title"])
async def test_a_value_too_long_to_be_counted_or_sorted_by_is_refused(books: House, field: str) -> None:
    """E1: it would be left out without a word, from some length on."""
    if books.kind == "memory":
        pytest.skip("a dictionary takes any length")
    version = await books.writer.create(books.index)
    long = "\u0436" * 16_384
    held = {**EMPTY, "id": "long", field: [long] if field == "tags" else long}
    fits = {**EMPTY, "id": "fits", field: ["x" * 32_766] if field == "tags" else "x" * 32_766}

    (refused,) = await books.writer.write(version, [Put(held), Put(fits)])

    assert refused.id == "long"
    assert field in refused.reason


async def test_what_was_right_counts_though_the_next_change_was_wrong(books: House) -> None:
    """E1: changes are applied in order, and the others count."""
    version = await books.fill([{**EMPTY, "id": "0"}, {**EMPTY, "id": "1"}])
    first, second, wrong = ({**EMPTY, "id": "1", "shelf": shelf} for shelf in ("a", "b", 5))
    gone: list[Change] = [Delete("0"), Put({**wrong, "id": "0"})]

    refused = await books.writer.write(version, [Put(first), Put(wrong), Put(second), Put(wrong), *gone])

    assert {one.id for one in refused} == {"0", "1"}
    await books.writer.commit(version)
    await books.engine.reload()
    assert await ids(books, All()) == await ids(books, Term("shelf", "b")) == ["1"]


async def test_objects_may_have_several_keywords(books: House) -> None:
    """18: a person has roles; one of them, and the name, are asked of one and the same."""
    await books.fill(
        [
            {**EMPTY, "id": "1", "people": [{"id": 5, "name": "x", "roles": ["a", "b"]}]},
            {
                **EMPTY,
                "id": "2",
                "people": [{"id": 6, "name": "x", "roles": []}, {"name": "y", "roles": ["b"]}],
            },
            {**EMPTY, "id": "3", "people": [{"name": "x"}, {}]},
        ]
    )

    assert await ids(books, Term("people.roles", "b")) == ["1", "2"]
    assert await ids(books, Term("people.name", "x")) == ["1", "2", "3"]
    assert await ids(books, Same("people", (Term("roles", "b"), Term("name", "x")))) == ["1"]
    assert await ids(books, Same("people", (AnyOf("id", (5, 7)),))) == ["1"]


async def test_objects_that_are_only_kept_exist(books: House) -> None:
    """18: whether there is something may be asked of every field."""
    await books.fill([{**EMPTY, "id": "1", "kept": [{"name": "x"}]}, {**EMPTY, "id": "2"}])

    assert await ids(books, Exists("kept")) == ["1"]


def wrong_questions() -> Iterator[Clause]:
    """Name values that a field cannot have, and what cannot be asked of an object."""
    for field, value in (
        ("pages", "abc"),
        ("pages", nan),
        ("due", "abc"),
        ("due", 5),
        ("lent", "false"),
        ("lent", 5),
    ):
        yield Term(field, value)
    for field, value in (("price", "x"), ("shelf", 5), ("id", 1), ("shelf", "\ud800")):
        yield AnyOf(field, (value,))
    for field, bound in (("pages", "x"), ("due", "2001-05"), ("price", nan)):
        yield Between(field, bound, None)
    yield Same("people", (Term("id", "x"),))
    yield Same("people", (Between("name", "a", "z"),))
    yield Same("people", (Match((("name", 1.0),), "x"),))  # type: ignore[arg-type]
    yield Match((), "x")
    yield Match((("title", 1.0),), "\ud800")


async def test_a_value_that_a_field_cannot_have_is_the_fault_of_the_question(books: House) -> None:
    """H6: of an index that can be read nobody may say that it cannot, which opens a breaker."""
    await books.fill([{**EMPTY, "id": "1"}])

    for clause in wrong_questions():
        with pytest.raises(UpstreamRejected):
            await ids(books, clause)
    if books.kind != "memory":  # which need not know its indices
        with pytest.raises(UpstreamRejected):
            await books.ask(Query(index="nobody"))
