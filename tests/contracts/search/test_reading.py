"""What every search engine answers."""

from stagedoor.search import (
    All,
    AnyOf,
    Between,
    Clause,
    Match,
    Not,
    Order,
    Query,
    Term,
)
from stagedoor.search.analysis import analyze
from tests.contracts.search.conftest import House
from tests.contracts.search.films import GENRES, films

LIBRARY = films(400, seed=1)
EVERYTHING = All()
RATED = (Order("imdb_rating", descending=True),)


async def ids(
    house: House, clause: Clause = EVERYTHING, *order: Order, offset: int = 0, limit: int = 400
) -> list[str]:
    query = Query(index=house.index.name, clause=clause, order=order, offset=offset, limit=limit)
    return [document["id"] for document in (await house.ask(query)).documents]


async def titles(house: House, text: str) -> list[str]:
    clause = Match((("title", 1.0),), text)
    found = await house.ask(Query(index=house.index.name, clause=clause, limit=400))
    return [document["title"] for document in found.documents]


async def test_no_clause_means_every_document(library: House) -> None:
    """Without a filter a listing has all there is, and says how many that are."""
    found = await library.ask(Query(index=library.index.name, limit=3))

    assert found.total == 400
    assert len(found.documents) == 3


async def test_documents_come_back_as_declared(library: House) -> None:
    """What is only asked for is left out; everything else is as it was written, null and empty lists too."""
    film = LIBRARY[5]
    found = await library.ask(Query(index=library.index.name, clause=Term("id", film["id"])))

    kept = {name: value for name, value in film.items() if not name.endswith("_names")}
    assert found.documents == (kept,)


async def test_fields_narrow_the_documents(library: House) -> None:
    """A list item needs three fields, not the whole film."""
    query = Query(index=library.index.name, clause=Term("id", LIBRARY[5]["id"]), fields=("id", "title"))
    found = await library.ask(query)

    assert found.documents == ({"id": LIBRARY[5]["id"], "title": LIBRARY[5]["title"]},)


async def test_ids_narrow_and_exclude(library: House) -> None:
    """`ids` and `excluded_ids` are the two sides of one clause."""
    some = tuple(film["id"] for film in LIBRARY[:5])

    assert set(await ids(library, AnyOf("id", some))) == set(some)
    assert set(await ids(library, Not(AnyOf("id", some)))) == {film["id"] for film in LIBRARY[5:]}


async def test_a_list_field_matches_by_any_of_its_values(library: House) -> None:
    """A film is in a listing once, however many of its genres match."""
    wanted = {film["id"] for film in LIBRARY if set(film["genre_ids"]) & {GENRES[0][0], GENRES[1][0]}}
    found = await ids(library, AnyOf("genre_ids", (GENRES[0][0], GENRES[1][0])))

    assert len(found) == len(wanted)
    assert set(found) == wanted


async def test_nested_people_are_found_by_id(library: House) -> None:
    """A dotted path asks for objects of a list, whatever an engine has to do for it."""
    person = next(film["actors"][0]["id"] for film in LIBRARY if film["actors"])
    wanted = {film["id"] for film in LIBRARY if any(one["id"] == person for one in film["actors"])}

    assert set(await ids(library, Term("actors.id", person))) == wanted


async def test_a_range_is_inclusive_and_excludes_null(library: House) -> None:
    """A film without a rating lies in no range, not even an open one."""

    def between(low: float | None, high: float | None) -> set[str]:
        rated = [film for film in LIBRARY if film["imdb_rating"] is not None]
        return {
            film["id"]
            for film in rated
            if (low is None or film["imdb_rating"] >= low) and (high is None or film["imdb_rating"] <= high)
        }

    for low, high in [(6.7, 8.6), (None, 6.7), (8.65, None), (None, None), (9, 1), (-1e300, 1e300)]:
        assert set(await ids(library, Between("imdb_rating", low, high))) == between(low, high)


async def test_a_null_rating_sorts_last_in_both_directions(library: House) -> None:
    """The reader of a listing wants rated films first, whichever way they are sorted."""
    rating = {film["id"]: film["imdb_rating"] for film in LIBRARY}
    nulls = sum(value is None for value in rating.values())

    for descending in (False, True):
        found = [rating[one] for one in await ids(library, All(), Order("imdb_rating", descending))]
        assert found[-nulls:] == [None] * nulls
        assert found[:-nulls] == sorted(found[:-nulls], reverse=descending)


async def test_titles_sort_by_code_point(library: House) -> None:
    """Not by a locale's rules, and not by analysed words: the raw value, ties by id."""
    wanted = [film["id"] for film in sorted(LIBRARY, key=lambda film: (film["title"], film["id"]))]

    assert await ids(library, All(), Order("title")) == wanted


async def test_pages_neither_overlap_nor_skip(library: House) -> None:
    """Page by page a listing is what it is as a whole, for every order, though hundreds of keys are equal."""
    for order in [RATED, (Order("title"),), (Order("imdb_rating"), Order("title", descending=True)), ()]:
        whole = await ids(library, All(), *order)
        pages = [await ids(library, All(), *order, offset=offset, limit=7) for offset in range(0, 420, 7)]

        assert [one for page in pages for one in page] == whole


async def test_a_page_past_the_data_is_empty(library: House) -> None:
    """Inside the window that is an answer, not an error, and the total is still right."""
    found = await library.ask(Query(index=library.index.name, order=RATED, offset=9_900, limit=100))

    assert found.total == 400
    assert found.documents == ()


async def test_text_is_stemmed_in_english_and_russian(library: House) -> None:
    """`return` finds "returning", `война` finds "войны"."""
    assert {"return", "returned", "returning"} <= words_in(await titles(library, "return"))
    assert {"война", "войны"} <= words_in(await titles(library, "войны"))


async def test_star_finds_star_wars(library: House) -> None:
    """The example of the contract."""
    assert "Star Wars" in await titles(library, "star")


async def test_the_lord_of_the_rings_does_not_find_star_wars(library: House) -> None:
    """Stop words are nothing to match by."""
    found = await titles(library, "The Lord of the Rings")

    assert found[0] == "The Lord of the Rings"
    assert "Star Wars" not in found


async def test_a_text_of_stop_words_finds_nothing(library: House) -> None:
    """No significant word, no match, no error."""
    assert await titles(library, "the of и") == []


async def test_typing_errors_are_forgiven_by_length(library: House) -> None:
    """One edit for 3 to 5 letters, two beyond, of which the first letter is right; two letters are as they are."""
    assert "Star Wars" in await titles(library, "satr")
    assert "Star Wars" in await titles(library, "tsar")
    assert {"dreamer"} <= words_in(await titles(library, "dreemir"))
    assert not {"dreamer"} & words_in(await titles(library, "treemer"))
    assert await titles(library, "qqqq") == []


async def test_exact_words_come_before_near_ones(library: House) -> None:
    """A document that has a word as it was typed ranks above all that have something like it."""
    for text in ("star", "king", "дом", "nights"):
        exact = [has_exactly(title, text) for title in await titles(library, text)]
        assert exact == sorted(exact, reverse=True)
        assert exact[0]


async def test_t9_operators_are_plain_text(library: House) -> None:
    """T9: nothing that a query language would obey changes what is found."""
    plain = await titles(library, "star wars")

    for text in [
        '"star wars"',
        "star AND wars",
        "+star +wars",
        "star* wars?",
        "title: star (wars)",
        "/star/ wars~9",
    ]:
        assert set(await titles(library, text)) >= set(plain)


async def test_t9_words_after_the_sixteenth_are_ignored(library: House) -> None:
    """T9: the cost of a text is bounded, however many words it has."""
    assert await titles(library, "qqqq " * 15 + "star") != []
    assert await titles(library, "qqqq " * 16 + "star") == []


def words_in(found: list[str]) -> set[str]:
    return {word.lower() for title in found for word in title.split()}


def has_exactly(title: str, text: str) -> bool:
    return bool(set(analyze(title)) & set(analyze(text)))
