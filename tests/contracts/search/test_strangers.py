"""Indices of anybody: whole numbers, dates, booleans, what is missing, alternatives, and one and the same object."""

import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stagedoor.errors import UpstreamRejected
from stagedoor.search import (
    All,
    AnyOf,
    Between,
    Boolean,
    Clause,
    Date,
    Document,
    Either,
    Exists,
    Index,
    Integer,
    Keyword,
    Match,
    Nested,
    Not,
    Number,
    Order,
    Phrase,
    Query,
    Same,
    Term,
    Text,
)
from stagedoor.search.schema import single
from tests.contracts.search.conftest import House, opened, place_of

LARGE = 9_007_199_254_740_993  # which no double tells from its neighbour
LEAST, MOST = -(1 << 63), (1 << 63) - 1
OLD = ("1969-12-31T23:59:59.999Z", "1899-12-31", "1970-01-01T00:00:00+03:00")
SHELVES = ("a", "b", "\u00e9", "e\u0301", "\u0436 \U0001f3ac")
SAID = ("To", "be", "or", "not", "Café", "cafe\u0301,", "Spider-Man", "O'Neill", "!")
ROLES = ("author", "editor")
TAGS = (*SHELVES, "", "A", "null", "-1", "*", "\u65e5\u672c", "x" * 300)  # of which a list may have one twice
PRICES = (
    0.0,
    -0.0,
    0.1,
    -0.1,
    1e-45,
    3.4e38,
    -3.4e38,
    16_777_217.0,
    2.5,
)  # one of them no single precision has
WHOLE = (-LARGE, 20_240_101, LEAST, LEAST + 1, -1, 0, MOST - 1, MOST)
Meets = Callable[[Document], bool]
Maker = Callable[[random.Random, int], tuple[Clause, Meets]]


def index_named(name: str) -> Index:
    inner = (
        Keyword(name="id"),
        Keyword(name="role"),
        Integer(name="born"),
        Number(name="share"),
        Date(name="since"),
        Boolean(name="alive"),
    )
    return Index(
        name,
        (
            Keyword(name="id"),
            Text(name="title", sortable=True, title=True),
            Text(name="quotes", many=True, phrases=True),
            Text(name="code", analyzer="plain"),
            Integer(name="added"),
            Date(name="published"),
            Boolean(name="lent"),
            Keyword(name="shelf"),
            Keyword(name="tags", many=True, facet=True),
            Number(name="price"),
            Nested(name="people", fields=inner, asked=True),
        ),
    )


def books(count: int) -> list[Document]:
    rng = random.Random(5)
    return [book(rng, number) for number in range(count)]


def book(rng: random.Random, number: int) -> Document:
    people = [
        {
            "id": f"p{rng.randrange(9)}",
            "role": rng.choice(ROLES),
            "born": rng.randrange(1900, 1910),
            "share": rng.choice([0.5, 1.0, None]),
            "since": rng.choice([None, a_day(rng), rng.choice(OLD)]),
            "alive": rng.choice([True, False, None]),
        }
        for _ in range(5_000 if number == 7 else rng.randrange(4))
    ]
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "title": f"Book {number % 30}",
        "quotes": [quote(rng) for _ in range(rng.randrange(3))],
        "code": ("the running", "run it", "Rün")[number % 3],
        "added": rng.choice([None, 1_700_000_000 + number, LARGE + rng.randrange(3), *WHOLE]),
        "published": rng.choice([None, a_day(rng), a_day(rng) + "T10:00:00.250Z", rng.choice(OLD)]),
        "lent": rng.choice([True, False, None]),
        "shelf": rng.choice([None, *SHELVES]),
        "tags": [rng.choice(TAGS) for _ in range(rng.randrange(5))],
        "price": rng.choice([None, *PRICES]),
        "people": people,
    }


def quote(rng: random.Random) -> str:
    return " ".join(rng.choice(SAID) for _ in range(rng.randrange(6)))


def a_day(rng: random.Random) -> str:
    return (datetime(1999, 12, 28, tzinfo=UTC) + timedelta(days=rng.randrange(9))).date().isoformat()


def when(text: str) -> datetime:
    said = datetime.fromisoformat(text)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def a_clause(rng: random.Random, depth: int = 0) -> tuple[Clause, Meets]:
    """Return a condition, and the plain statement of it."""
    makers: list[Callable[[random.Random, int], tuple[Clause, Meets]]] = [
        whole_number,
        a_date,
        a_boolean,
        missing,
        a_keyword,
        a_tag,
        a_price,
        same_object,
        a_phrase,
    ]
    if depth < 2:
        makers += [alternatives, negation]
    return rng.choice(makers)(rng, depth)


def whole_number(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    one = rng.choice([LARGE, LARGE + 1, 1_700_000_003, *WHOLE])
    if rng.random() < 0.4:
        return Term("added", one), lambda book: book["added"] == one
    low = rng.choice([None, one, one - 1, one - 0.5 if abs(one) < LARGE else one])
    high = rng.choice([None, one, one + 7])
    return Between("added", low, high), lambda book: inside(book["added"], low, high)


def a_date(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    low = rng.choice([None, a_day(rng), rng.choice(OLD)])
    high = rng.choice([None, a_day(rng) + "T10:00:00.250+00:00", rng.choice(OLD)])
    if rng.random() < 0.3 and low:
        return Term(
            "published", low
        ), lambda book: bool(book["published"]) and when(book["published"]) == when(low)
    bounds = low and when(low), high and when(high)
    return Between("published", low, high), lambda book: inside(
        book["published"] and when(book["published"]), *bounds
    )


def a_boolean(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    wanted = rng.random() < 0.5
    return Term("lent", wanted), lambda book: book["lent"] is wanted


def a_keyword(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    few = tuple(rng.choice(SHELVES) for _ in range(rng.randrange(4)))  # of which some come twice
    if rng.random() < 0.5 and few:
        return Term("shelf", few[0]), lambda book: book["shelf"] == few[0]
    return AnyOf("shelf", few), lambda book: book["shelf"] in few


def a_tag(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    few = {rng.choice(TAGS) for _ in range(rng.randrange(4))}
    one = rng.choice(TAGS)
    if rng.random() < 0.5:
        return Term("tags", one), lambda book: one in book["tags"]
    return AnyOf("tags", tuple(sorted(few))), lambda book: not few.isdisjoint(book["tags"])


def a_price(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    low, high = rng.choice([None, *PRICES]), rng.choice([None, *PRICES])
    if rng.random() < 0.3 and low is not None:
        return Term(
            "price", low
        ), lambda book: book["price"] is not None and single(book["price"]) == single(low)
    least, most = low and single(low), high and single(high)
    return Between("price", low, high), lambda book: inside(
        book["price"] and single(book["price"]), least, most
    )


def missing(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    name = rng.choice(["added", "published", "lent", "shelf", "people", "quotes", "tags", "price"])
    return Exists(name), lambda book: book[name] not in (None, [])


def a_phrase(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    words = [
        rng.choice(["to", "BE", "or", "cafe", "Spider", "man", "oneill"]) for _ in range(rng.randint(1, 3))
    ]
    said = " ".join(words).lower()
    return Phrase("quotes", " ".join(words)), lambda book: any(
        f" {said} " in f" {plain(text)} " for text in book["quotes"]
    )


def plain(text: str) -> str:
    """Return a quote as it is compared, put down by hand."""
    for written, meant in (("é", "e"), ("e\u0301", "e"), ("-", " "), ("'", ""), (",", ""), ("!", "")):
        text = text.replace(written, meant)
    return " ".join(text.lower().split())


def same_object(rng: random.Random, _: int) -> tuple[Clause, Meets]:
    ids, day, born = (
        (f"p{rng.randrange(9)}", f"p{rng.randrange(9)}"),
        when(rng.choice(OLD)),
        rng.randrange(1900, 1910),
    )
    role, alive, share = rng.choice(ROLES), rng.random() < 0.5, rng.choice([0.5, 0.25, 1.0])
    every: list[tuple[Term | AnyOf | Between, Meets]] = [
        (AnyOf("id", ids), lambda one: one["id"] in ids),
        (Term("role", role), lambda one: one["role"] == role),
        (Between("born", born, None), lambda one: one["born"] >= born),
        (
            Between("since", None, day.isoformat()),
            lambda one: bool(one["since"]) and when(one["since"]) <= day,
        ),
        (Term("alive", alive), lambda one: one["alive"] is alive),
        (Term("share", share), lambda one: one["share"] == share),
    ]
    some = rng.sample(every, rng.randint(1, 4))
    asked = Same("people", tuple(clause for clause, _ in some))
    return asked, lambda book: any(all(meets(one) for _, meets in some) for one in book["people"])


def alternatives(rng: random.Random, depth: int) -> tuple[Clause, Meets]:
    parts = [a_clause(rng, depth + 1) for _ in range(rng.randrange(3))]
    return Either(tuple(clause for clause, _ in parts)), lambda book: any(meets(book) for _, meets in parts)


def negation(rng: random.Random, depth: int) -> tuple[Clause, Meets]:
    clause, meets = a_clause(rng, depth + 1)
    return Not(clause), lambda book: not meets(book)


def inside(value: Any, low: Any, high: Any) -> bool:
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def questions() -> Iterator[tuple[int, list[tuple[Clause, Meets]], Order]]:
    for number in range(300):
        rng = random.Random(number)
        names = ("added", "published", "price", "title", "id")
        keys = [Order(name, descending=down) for name in names for down in (False, True)]
        yield number, [a_clause(rng) for _ in range(rng.randrange(1, 3))], rng.choice(keys)


@pytest.fixture
async def shelf(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    index = index_named(f"books{uuid.uuid4().hex}")
    async with opened(kind, index, place_of(kind, index, request)) as house:
        await house.fill(BOOKS)
        yield house


BOOKS = books(120)


async def test_a_strangers_filters_are_exact(shelf: House) -> None:
    """18: 64 bits, milliseconds, null, alternatives, and conditions that one object has to meet, of 5,000 too."""
    for number, parts, order in questions():
        expected = [book for book in BOOKS if all(meets(book) for _, meets in parts)]
        clause = All(tuple(one for one, _ in parts))
        query = Query(
            index=shelf.index.name, clause=clause, order=(order,), offset=3, limit=20, facets=("tags",)
        )
        found = await shelf.ask(query)
        ids = [one["id"] for one in found.documents]
        tags = Counter(tag for book in expected for tag in {*book["tags"]})

        assert (number, found.total) == (number, len(expected)), clause
        assert ids == [book["id"] for book in in_order(expected, order)][3:23], (number, query)
        assert dict(found.facets[0][1]) == tags, (number, query)


def in_order(found: list[Document], order: Order) -> list[Document]:
    found = sorted(found, key=lambda book: book["id"], reverse=order == Order("id", descending=True))
    there = [book for book in found if book[order.field] is not None]
    forms: dict[str, Callable[[Any], Any]] = {"published": when, "price": single}
    form = forms.get(order.field, lambda value: value)
    there.sort(key=lambda book: form(book[order.field]), reverse=order.descending)
    return there + [book for book in found if book[order.field] is None]


@pytest.mark.parametrize(
    "clause",
    [Exists("pages"), Same("people", (Term("name", "x"),)), Same("shelf", ()), Between("shelf", 1, 2)],
)
async def test_what_an_index_does_not_have_is_refused(shelf: House, clause: Clause) -> None:
    """Whoever asks is told, by every engine."""
    with pytest.raises(UpstreamRejected):
        await shelf.ask(Query(index=shelf.index.name, clause=clause))


async def test_a_phrase_needs_a_text_that_keeps_the_order_of_its_words(shelf: House) -> None:
    """18: refused like any question that does not fit the index, and by every engine."""
    with pytest.raises(UpstreamRejected):
        await shelf.ask(Query(index=shelf.index.name, clause=Phrase("title", "book 7")))


async def test_a_phrase_without_words_is_met_by_nothing(shelf: House) -> None:
    """As a text to search for that has no words; after the sixteenth they are ignored (T9)."""
    for text, found in (("!", False), (" ".join(["to"] * 40), False), ("to", True)):
        result = await shelf.ask(Query(index=shelf.index.name, clause=Phrase("quotes", text)))

        assert (result.total > 0) == found, text


async def test_a_text_of_no_language_has_its_words_as_they_are(shelf: House) -> None:
    """18: an analyzer for each text: small words count, and no word is another's form."""
    for text, number in (
        ("the", 40),
        ("it", 40),
        ("run", 80),
        ("running", 40),
        ("runs", 80),
        ("THE RUNNING", 40),
    ):
        found = await shelf.ask(Query(index=shelf.index.name, clause=Match((("code", 1.0),), text)))

        assert (text, found.total) == (text, number)


async def test_texts_that_are_not_analysed_alike_are_not_asked_together(shelf: House) -> None:
    """18: refused by every engine; what a word is would depend on the text."""
    with pytest.raises(UpstreamRejected):
        await shelf.ask(Query(index=shelf.index.name, clause=Match((("title", 2.0), ("code", 1.0)), "book")))
