"""One declaration yields parsing, validation, documentation and the query."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from stagedoor._parameters import BeyondWindow, InputFault, Invalid
from stagedoor.errors import ConfigError
from stagedoor.search import (
    All,
    AnyOf,
    Between,
    Index,
    Keyword,
    Match,
    Not,
    Number,
    Order,
    Put,
    Query,
    Term,
    Text,
)
from stagedoor.search.filters import (
    AsyncFilterSet,
    Filter,
    FilterSet,
    InFilter,
    LimitOffsetFilter,
    NotInFilter,
    OrderingField,
    OrderingFilter,
    PageNumberFilter,
    RangeFilter,
    SearchFilter,
)
from stagedoor.search.memory import MemorySearch
from stagedoor.search.tantivy import TantivyEngine, TantivyWriter
from stagedoor.testing import call_of

ID = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
OTHER = "a5a8f573-3cee-4ccc-8a2b-91cb9f55250a"


class Films(FilterSet, index="movies", default=("-imdb_rating",)):
    """The films of the gateway's dialect."""

    id = Filter()
    ids = InFilter("id")
    excluded_ids = NotInFilter("id")
    title = SearchFilter()
    imdb_rating = RangeFilter()
    pagination = LimitOffsetFilter()
    order = OrderingFilter("id", "imdb_rating", "title")


class Course(FilterSet, index="movies", default=("-imdb_rating",)):
    """The film search of the course dialect."""

    query = SearchFilter(("title", 3.0), "description", required=True)
    genre = Filter("genre_ids")
    sort = OrderingFilter("imdb_rating", OrderingField("name", "title"), many=False)
    page = PageNumberFilter()


def faults(filters: type[FilterSet], query: str) -> list[tuple[str, str]]:
    """Return the parameters that are wrong, and how."""
    with pytest.raises(Invalid) as caught:
        filters.parse(query.encode())
    return [(fault.loc[1], fault.type) for fault in caught.value.faults]


def test_no_parameter_means_everything_in_the_default_order() -> None:
    """No filter means all; offset and limit have their defaults."""
    query = Films.parse(b"").to_query()

    assert query == Query(index="movies", clause=All(), order=(Order("imdb_rating", descending=True),))


def test_filters_combine_with_and() -> None:
    """Each parameter adds its clause."""
    asked = f"id={ID}&ids={ID}&ids={OTHER}&excluded_ids={OTHER}&title=star&imdb_rating=7&imdb_rating=9"
    query = Films.parse(asked.encode()).to_query()

    assert query.clause == All(
        (
            Term("id", ID),
            AnyOf("id", (ID, OTHER)),
            Not(AnyOf("id", (OTHER,))),
            Match((("title", 1.0),), "star"),
            Between("imdb_rating", 7.0, 9.0),
        )
    )


def test_a_text_ranks_unless_an_order_is_asked_for() -> None:
    """With a text match the default order is relevance; an explicit sort replaces it."""
    assert Films.parse(b"title=star").to_query().by_relevance
    assert Films.parse(b"title=star&order=title").to_query().order == (Order("title"),)


def test_values_are_typed_attributes_of_the_set() -> None:
    """What was parsed is at hand, under the filter's own name."""
    films = Films.parse(f"ids={ID.upper()}&ids={ID}&imdb_rating=&imdb_rating=6.5".encode())

    assert films.ids == (ID,)
    assert films.imdb_rating == (None, 6.5)
    assert films.title == ""


def test_the_last_value_wins_where_there_is_one() -> None:
    """A single-valued parameter given twice: the last one wins."""
    assert Films.parse(f"id={OTHER}&id={ID}&title=a&title=b".encode()).to_query().clause == All(
        (Term("id", ID), Match((("title", 1.0),), "b"))
    )


def test_empty_texts_and_open_ranges_are_no_filters() -> None:
    """An empty title is not given; a range with both sides open leaves the query unchanged."""
    assert Films.parse(b"title=&imdb_rating=&imdb_rating=") == Films.parse(b"")


def test_unknown_parameters_contribute_nothing() -> None:
    """Over HTTP and inside a program; they never enter a key either, readable or not."""
    assert Films.parse(b"utm=1&%ff=2&x=%ff&&=").key == Films.parse(b"").key
    assert Films(title="star", colour="red") == Films(title="star")


def test_order_keys_are_applied_as_given_and_end_with_id() -> None:
    """The order is total: the first key of a field counts, and `id` comes last by itself."""
    query = Films.parse(b"order=-title&order=imdb_rating&order=title").to_query()

    assert query.order == (Order("title", descending=True), Order("imdb_rating"))
    assert query.sort_keys() == (*query.order, Order("id"))


def test_pages_by_number() -> None:
    """Page 3 of 20 begins at the 40th result; the public name of a sort key is not the field's."""
    query = Course.parse(b"query=star&page_number=3&page_size=20&sort=-name&sort=name").to_query()

    assert (query.offset, query.limit, query.order) == (40, 20, (Order("title"),))


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("id=x", [("id", "uuid")]),
        (f"id={ID}%20", [("id", "uuid")]),
        (f"id={ID.replace('-', '')}", [("id", "uuid")]),
        ("ids=", [("ids", "uuid")]),
        ("&".join([f"ids={ID}"] * 501), [("ids", "count")]),
        ("title=" + "a" * 256, [("title", "length")]),
        ("title=a%00b", [("title", "characters")]),
        ("title=%ff", [("title", "encoding")]),
        ("title=%ff&title=%fe&title=a", [("title", "encoding")]),
        ("imdb_rating=7", [("imdb_rating", "pair")]),
        ("imdb_rating=7,9", [("imdb_rating", "pair")]),
        ("imdb_rating=7&imdb_rating=8&imdb_rating=9", [("imdb_rating", "pair")]),
        ("imdb_rating=NaN&imdb_rating=9", [("imdb_rating", "number")]),
        ("imdb_rating=1&imdb_rating=Infinity", [("imdb_rating", "number")]),
        ("imdb_rating=1&imdb_rating=1e999", [("imdb_rating", "number")]),
        ("imdb_rating=1&imdb_rating=1_0", [("imdb_rating", "number")]),
        ("pagination=20", [("pagination", "pair")]),
        ("pagination=-1&pagination=10", [("pagination", "range")]),
        ("pagination=0&pagination=0", [("pagination", "range")]),
        ("pagination=0&pagination=101", [("pagination", "range")]),
        ("pagination=0&pagination=" + "9" * 5_000, [("pagination", "range")]),
        ("pagination=0&pagination=1.0", [("pagination", "integer")]),
        ("order=year", [("order", "choice")]),
        ("order=", [("order", "choice")]),
        ("order=--id", [("order", "choice")]),
        ("id=x&order=year&title=%00", [("id", "uuid"), ("title", "characters"), ("order", "choice")]),
    ],
)
def test_t9_a_wrong_value_names_its_parameter(query: str, wrong: list[tuple[str, str]]) -> None:
    """T9: 422 with every fault there is, in the order of declaration, and no engine asked."""
    assert faults(Films, query) == wrong


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("", [("query", "missing")]),
        ("query=", [("query", "length")]),
        ("query=%20", [("query", "blank")]),
        ("query=a&sort=", [("sort", "choice")]),
        ("query=a&sort=name,title", [("sort", "choice")]),
        ("query=a&page_size=0", [("page_size", "range")]),
        ("query=a&page_size=101", [("page_size", "range")]),
        ("query=a&page_number=0", [("page_number", "range")]),
        ("query=a&page_number=-" + "9" * 5_000, [("page_number", "range")]),
        ("query=a&page_number=x", [("page_number", "integer")]),
        ("query=a&page_size=0&page_number=x", [("page_number", "integer"), ("page_size", "range")]),
        ("query=a&genre=Action", [("genre", "uuid")]),
    ],
)
def test_t9_the_course_dialect_refuses_by_the_same_rules(query: str, wrong: list[tuple[str, str]]) -> None:
    """T9: another declaration, the same kinds of faults."""
    assert faults(Course, query) == wrong


def test_a_fault_says_what_would_be_right() -> None:
    """The message is for people: bounds and choices stand in it."""
    with pytest.raises(Invalid) as caught:
        Course.parse(b"query=a&page_size=500")

    assert caught.value.faults == (InputFault(("query", "page_size"), "must be between 1 and 100", "range"),)


@pytest.mark.parametrize(
    "query",
    [
        "pagination=9901&pagination=100",
        "pagination=10000&pagination=1",
        "pagination=" + "9" * 30 + "&pagination=1",
        "pagination=" + "9" * 5_000 + "&pagination=100",
    ],
)
def test_t9_results_beyond_the_window_are_told_apart(query: str) -> None:
    """T9: 400 before any engine is asked, for huge numbers too; a wrong value is 422 all the same."""
    with pytest.raises(BeyondWindow):
        Films.parse(query.encode())
    assert faults(Films, query + "&order=x") == [("order", "choice")]


def test_t9_the_last_page_inside_the_window_is_served() -> None:
    """T9: offset and limit may reach the 10,000th result exactly."""
    assert Films.parse(b"pagination=9900&pagination=100").to_query().offset == 9_900
    assert Course.parse(b"query=a&page_number=100&page_size=100").to_query().offset == 9_900
    with pytest.raises(BeyondWindow, match="page_number x page_size must be at most 10,000"):
        Course.parse(b"query=a&page_number=101&page_size=100")


def test_filters_are_inherited_and_replaced_by_name() -> None:
    """A subclass keeps what it does not declare anew, and the base class is not changed by it."""

    class Better(Films):
        """Films with a narrower page."""

        pagination = LimitOffsetFilter(max_limit=20)
        year = RangeFilter()

    assert Better.parse(b"title=star").to_query().index == "movies"
    assert list(Better.declared) == [
        *(name for name in Films.declared if name != "pagination"),
        "pagination",
        "year",
    ]
    assert faults(Better, "pagination=0&pagination=21") == [("pagination", "range")]
    assert Films.parse(b"pagination=0&pagination=21").pagination.limit == 21


def test_a_filter_can_be_taken_away() -> None:
    """A subclass that sets a name to None does not have that filter."""

    class Fewer(Films):
        """Films that cannot be paged."""

        pagination = None  # type: ignore[assignment]

    assert "pagination" not in Fewer.declared
    assert Fewer.parse(b"pagination=x") == Fewer.parse(b"")


def test_names_that_sets_use_themselves_are_refused() -> None:
    """A filter called `parse` would hide the method: the class is refused, not broken."""
    with pytest.raises(ConfigError, match="parse"):
        type("Broken", (FilterSet,), {"parse": Filter()})


def test_one_filter_has_one_name() -> None:
    """A filter knows its name; two names for one would answer for each other."""
    shared = Filter()

    with pytest.raises((ConfigError, RuntimeError)):
        type("Broken", (FilterSet,), {"first": shared, "second": shared})


def test_documentation_shows_bounds_and_examples() -> None:
    """Every parameter has a description, an example that works, and a schema with its bounds."""
    shown = {parameter.name: parameter for parameter in (*Films.parameters(), *Course.parameters())}

    assert shown["ids"].schema() == {
        "type": "array",
        "items": {"type": "string", "format": "uuid"},
    }
    assert "up to 500" in shown["ids"].description
    assert shown["pagination"].schema()["minItems"] == shown["pagination"].schema()["maxItems"] == 2
    size = shown["page"].schema()["properties"]["page_size"]
    assert (size["minimum"], size["maximum"], size["default"]) == (1, 100, 50)
    assert shown["sort"].schema()["enum"] == ["imdb_rating", "-imdb_rating", "name", "-name"]
    assert shown["query"].required
    assert shown["genre"].parse(ID.upper()) == ID
    assert all(parameter.description and parameter.place == "query" for parameter in shown.values())


def test_examples_of_the_documentation_work() -> None:
    """What the documentation shows can be tried out."""
    for filters in (Films, Course):
        asked: dict[str, object] = {}
        for parameter in filters.parameters():
            example = parameter.example
            asked |= example if isinstance(example, dict) else {parameter.name: example}

        assert set(asked) == filters.known
        filters.parse(urlencode(asked, doseq=True).encode())


class NarrowPages(FilterSet):
    """Other bounds and names than the defaults."""

    page = PageNumberFilter(size=7, max_size=12, number_name="number", size_name="size")


class NarrowParts(FilterSet):
    """Other bounds than the defaults."""

    pagination = LimitOffsetFilter(limit=3, max_limit=12)


def accepts(filters: type[FilterSet], name: str, value: object) -> bool:
    """Tell whether the documentation promises that a value is accepted."""
    shown = {parameter.name: parameter for parameter in filters.parameters()}
    return Draft202012Validator(dict(shown[name].schema())).is_valid(value)


def served(filters: type[FilterSet], asked: Mapping[str, object]) -> bool:
    """Tell whether a set accepts a value."""
    try:
        filters.parse(urlencode(asked, doseq=True).encode())
    except (BeyondWindow, Invalid):
        return False
    return True


NUMBERS = st.one_of(
    st.integers(-2, 130),
    st.sampled_from([199, 200, 201, 202, 833, 834, 9_999, 10_000, 10_001]),
    st.integers(),
)
NEAR = st.integers(9_890, 10_010)


@given(number=st.none() | NUMBERS | NEAR, size=st.none() | NUMBERS)
def test_the_documentation_accepts_exactly_the_pages_that_are_served(
    number: int | None, size: int | None
) -> None:
    """CONTRACTS 2: number x size up to 10,000, also where one of them is left out; nothing more, nothing less."""
    for filters, names in ((Course, ("page_number", "page_size")), (NarrowPages, ("number", "size"))):
        given_ones = zip(names, (number, size), strict=True)
        asked: dict[str, object] = {name: value for name, value in given_ones if value is not None}
        also: dict[str, object] = {"query": "star"} if filters is Course else {}

        assert accepts(filters, "page", asked) == served(filters, asked | also)


@given(pair=st.lists(NUMBERS, max_size=3) | st.tuples(NEAR, NUMBERS).map(list))
def test_the_documentation_accepts_exactly_the_parts_that_are_served(pair: list[int]) -> None:
    """CONTRACTS 2 and 4: two numbers, offset and limit together up to 10,000; nothing more, nothing less."""
    for filters in (Films, NarrowParts):
        assert accepts(filters, "pagination", pair) == served(filters, {"pagination": pair or [""]})


@pytest.mark.parametrize(
    ("filters", "number", "last"), [(Course, "page_number", 200), (NarrowPages, "number", 1428)]
)
def test_the_documentation_knows_the_last_page_where_no_size_is_given(
    filters: type[FilterSet], number: str, last: int
) -> None:
    """The default counts: pages of 50, and of 7."""
    assert accepts(filters, "page", {number: last})
    assert not accepts(filters, "page", {number: last + 1})


@pytest.mark.parametrize("size", range(1, 101))
def test_the_documentation_knows_the_last_page_of_every_size(size: int) -> None:
    """The corners of the window, one by one."""
    last = 10_000 // size

    assert accepts(Course, "page", {"page_number": last, "page_size": size})
    assert not accepts(Course, "page", {"page_number": last + 1, "page_size": size})
    assert accepts(Films, "pagination", [10_000 - size, size])
    assert not accepts(Films, "pagination", [10_001 - size, size])


def test_the_other_name_is_the_same_class() -> None:
    """Frameworks with a blocking set call the other one so."""
    assert AsyncFilterSet is FilterSet


# --- any query string ---------------------------------------------------------------------------------------

INDEX = Index(
    "movies",
    (
        Keyword(name="id"),
        Text(name="title", sortable=True),
        Text(name="description"),
        Number(name="imdb_rating"),
        Keyword(name="genre_ids", many=True),
    ),
)
NAMES = sorted(Films.known | Course.known)
VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "100", "9999", "1e3", "NaN", "-0", "1.5", ID, "id", "-title", "9" * 40]
    ),
    st.text(max_size=40),
    st.text(alphabet="abcdef ~*?\"'()[]{}:/\\^+-&|!<>=\0\u202e🎬ё'", max_size=300),
)
QUERIES = st.one_of(
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8).map(
        lambda pairs: urlencode(pairs, errors="surrogatepass").encode()
    ),
    st.binary(max_size=60),
)


class Engines:
    """Both engines that need no server, over the same films."""

    def __init__(self, folder: Path) -> None:
        self.memory = MemorySearch([INDEX])
        self.tantivy = TantivyEngine(folder, [INDEX])
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._fill(folder))

    async def _fill(self, folder: Path) -> None:
        rng = random.Random(7)
        films = [
            {
                "id": f"{number:08}",
                "title": rng.choice(["Star", "star wars", "ёж"]),
                "imdb_rating": number % 4 or None,
            }
            for number in range(40)
        ]
        embedded = TantivyWriter(folder, [INDEX])
        for writer in (self.memory, embedded):
            version = await writer.create(INDEX)
            assert await writer.write(version, [Put(film) for film in films]) == ()
            await writer.commit(version)
            await writer.switch(INDEX.name, version)
        await embedded.aclose()

    def answer(self, query: Query) -> tuple[int, int]:
        """Return the totals of both."""
        call = call_of(query, operation="search.any")
        both = [self.loop.run_until_complete(engine.send(call)) for engine in (self.memory, self.tantivy)]
        if not query.by_relevance:
            assert both[0] == both[1]
        return both[0].total, both[1].total

    def close(self) -> None:
        self.loop.run_until_complete(self.tantivy.aclose())
        self.loop.close()


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    both = Engines(tmp_path_factory.mktemp("any"))
    yield both
    both.close()


@given(query=QUERIES, filters=st.sampled_from([Films, Course]))
def test_t9_any_query_string_is_answered_or_refused_by_name(
    query: bytes, filters: type[FilterSet], engines: Engines
) -> None:
    """T9: a valid query that every engine answers alike, or faults that name parameters; never anything else."""
    wrong: tuple[InputFault, ...] = ()
    totals = None
    try:
        totals = engines.answer(filters.parse(query).to_query())
    except BeyondWindow:
        totals = 0, 0
    except Invalid as invalid:
        wrong = invalid.faults

    assert {fault.loc[1] for fault in wrong} <= set(NAMES)
    assert (totals is None) == bool(wrong)
    assert totals is None or totals[0] == totals[1]
