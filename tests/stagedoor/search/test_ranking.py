"""What comes before what; every engine does as memory does (`tests/contracts/search`)."""

import pytest

from stagedoor.errors import ConfigError
from stagedoor.search import Match, Query
from stagedoor.search.engine import Put
from stagedoor.search.leaves import Keyword, Shorter, Text
from stagedoor.search.memory import MemorySearch
from stagedoor.search.query import Begins
from stagedoor.search.ranking import Starts, ranking_of
from stagedoor.search.schema import Index
from stagedoor.testing import call_of

FILMS = Index(
    "films",
    (Keyword(name="id"), Text(name="title", title=True), Text(name="people", many=True)),
    ties=(Shorter("title"),),
)
FIELDS = (("title", 3.0), ("people", 1.0))


async def first(typed: str, *titles: str, people: str = "") -> str:
    """Return the title that comes first of these; another film has the people."""
    engine = MemorySearch([FILMS])
    version = await engine.create(FILMS)
    films = [{"id": str(number), "title": title, "people": []} for number, title in enumerate(titles)]
    other = {"id": "x", "title": "Another Film Altogether", "people": [people]}
    await engine.write(version, [Put(one) for one in [*films, other]])
    await engine.commit(version)
    await engine.switch(FILMS.name, version)
    found = await engine.send(call_of(Query(index="films", clause=Match(FIELDS, typed))))
    return str(found.documents[0]["title"])


@pytest.mark.parametrize(
    ("typed", "meant", "other"),
    [
        ("puks", "Punks", "Pups"),  # a letter left out, and a wrong one
        ("tash", "Trash", "Cash"),  # the first letter is right
        ("jucie", "Juice", "Julie"),  # neighbours exchanged, and two wrong ones
        ("loper", "Loper", "Looper"),  # no error at all
        ("dael", "Deal", "Duel"),
    ],
)
async def test_of_titles_one_error_away_the_likelier_comes_first(typed: str, meant: str, other: str) -> None:
    """Leaving out or exchanging letters can be done in a few ways, typing a wrong one in 26 times as many."""
    assert await first(typed, other, meant) == meant
    assert await first(typed, meant, other) == meant


@pytest.mark.parametrize("typed", ["The Phantom of the Opera", "Phantom of the Opera"])
async def test_a_title_typed_with_its_article_comes_before_one_without(typed: str) -> None:
    """18: every title typed exactly comes first, though the article is left out as often as not."""
    assert await first(typed, "The Phantom of the Opera", "Phantom of the Opera") == typed


@pytest.mark.parametrize("typed", ["pani", "alln", "aline"])
async def test_a_name_as_it_is_comes_before_a_title_that_is_near(typed: str) -> None:
    """A near word is below the same word exact, whatever makes it likely."""
    assert await first(typed, "Panic", "Allan", "Alien", people=f"Ann {typed}") == "Another Film Altogether"


def test_texts_kept_together_are_analysed_alike() -> None:
    """18: a word is looked for once in all of them."""
    texts = (Text(name="name", together="all"), Text(name="code", together="all", analyzer="plain"))

    with pytest.raises(ConfigError, match="alike"):
        Index("books", (Keyword(name="id"), *texts))


async def test_one_of_several_plain_titles_begins_with_any_word() -> None:
    """18: plainly read, a small word counts as any other does, in a title of many as in the only one."""
    names = Text(name="names", many=True, title=True, analyzer="plain")
    index = Index("bands", (Keyword(name="id"), names))
    engine = MemorySearch([index])
    version = await engine.create(index)
    bands = [{"id": "1", "names": ["Over The Hill", "Sun"]}, {"id": "2", "names": ["The Hill", "Moon"]}]
    await engine.write(version, [Put(one) for one in bands])
    await engine.commit(version)
    await engine.switch(index.name, version)

    found = await engine.send(call_of(Query(index="bands", clause=Match((("names", 1.0),), "the"))))

    assert [one["id"] for one in found.documents] == ["2", "1"]


def test_what_meets_a_word_is_looked_for_once() -> None:
    """18: a word that is its own stem is no second way to it; of sixteen such words each way costs a tenth."""
    ranking = ranking_of(Match(FIELDS, "love story"), FILMS)

    assert ranking is not None
    for word in ranking.words:
        conditions = [one for way in word for one in way.conditions]
        assert len(conditions) == len(set(conditions))


@pytest.mark.parametrize(("typed", "terms"), [("t", 0), ("T h e", 0), ("dog", 0), ("dogs", 1)])
def test_what_begins_with_a_few_letters_is_one_term(typed: str, terms: int) -> None:
    """18: a quarter of all titles begin with `the`, and each in one is a term of its own: 15 ms for a letter typed."""
    ranking = ranking_of(Begins((("title", 1.0),), typed), FILMS)

    assert ranking is not None
    assert terms == sum(isinstance(one, Starts) for worth in ranking.whole for one in worth.conditions)


@pytest.mark.parametrize("typed", ["d", "do", "the d", "\u0434", "th", "11", "i"])
async def test_a_title_that_begins_with_what_is_typed_comes_first(typed: str) -> None:
    """18: with its article and without, in either script, however few letters there are."""
    begins = {"\u0434": "\u0414\u043e\u043c", "11": "11:14", "i": "It"}.get(typed, "The Dog")
    engine = MemorySearch([FILMS])
    version = await engine.create(FILMS)
    films = [{"id": "1", "title": f"X {typed}", "people": []}, {"id": "2", "title": begins, "people": []}]
    await engine.write(version, [Put(one) for one in films])
    await engine.commit(version)
    await engine.switch(FILMS.name, version)
    found = await engine.send(call_of(Query(index="films", clause=Begins((("title", 1.0),), typed))))

    assert found.documents[0]["id"] == "2"


@pytest.mark.parametrize(("typed", "first"), [("am\u00e9", "1"), ("ame", "2"), ("am\u00e9lie p", "1")])
async def test_what_is_typed_with_an_accent_suggests_it_first(typed: str, first: str) -> None:
    """18: the spelling as typed ranks first, before it is complete, too."""
    engine = MemorySearch([FILMS])
    version = await engine.create(FILMS)
    films = [(1, "Am\u00e9lie Poulain"), (2, "Amer"), (3, "Amelie Po")]
    await engine.write(version, [Put({"id": str(key), "title": title, "people": []}) for key, title in films])
    await engine.commit(version)
    await engine.switch(FILMS.name, version)
    found = await engine.send(call_of(Query(index="films", clause=Begins((("title", 1.0),), typed))))

    assert found.documents[0]["id"] == first


@pytest.mark.parametrize(
    ("typed", "meant", "other"),
    [
        ("killbill 2", "Kill Bill: Volume 2", "Don 2"),
        ("beethoven 2", "Beethoven's 2nd", "Beethoven"),
        ("friday 13", "Friday the 13th", "Friday"),
        ("forty seven ronin", "47 Ronin", "The Last Seven"),
        ("doctor strangelove", "Dr. Strangelove", "The Doctor"),
        ("alien versus predator", "Alien vs. Predator", "Alien"),
        ("in and out", "In & Out", "Three and Out"),
        ("рокки", "Rocky", "Rocco"),
    ],
)
async def test_titles_are_found_as_people_type_them(typed: str, meant: str, other: str) -> None:
    """18: blanks left out, ordinals, numbers in words, short forms, the sign for "and", names by their sound."""
    assert await first(typed, other, meant) == meant
