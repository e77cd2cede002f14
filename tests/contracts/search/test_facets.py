"""Values counted over all matches, on every engine."""

from collections import Counter

from stagedoor.search import All, Between, Match, Query
from tests.contracts.search.conftest import House
from tests.contracts.search.films import films

LIBRARY = films(400, seed=1)


async def test_facets_count_every_match_not_the_page(library: House) -> None:
    """18: exact, in the same call; most first, equal ones by value."""
    counts = Counter(genre for film in LIBRARY for genre in film["genre_ids"])
    rated = Counter(
        genre for film in LIBRARY if (film["imdb_rating"] or 0) >= 8 for genre in film["genre_ids"]
    )
    everything = await library.ask(Query(index=library.index.name, facets=("genre_ids",), limit=1))
    some = await library.ask(
        Query(index=library.index.name, clause=All((Between("imdb_rating", 8),)), facets=("genre_ids",))
    )

    assert everything.facets == (("genre_ids", ordered(counts)),)
    assert some.facets == (("genre_ids", ordered(rated)),)
    assert len(everything.documents) == 1


async def test_facets_of_a_text_are_those_of_its_matches(library: House) -> None:
    """18: of many words too, which are counted by a search of their own."""
    for text in ("star", "star war king ring night", "zzzzzz"):
        query = Query(index=library.index.name, clause=Match((("title", 3.0),), text), limit=400)
        found = await library.ask(query)
        counts = Counter(genre for film in found.documents for genre in film["genre_ids"])
        asked = await library.ask(
            Query(index=query.index, clause=query.clause, limit=1, facets=("genre_ids", "genres"))
        )

        assert dict(asked.facets)["genre_ids"] == ordered(counts)
        assert asked.total == found.total


def ordered(counts: "Counter[str]") -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
