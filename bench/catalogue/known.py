"""What the film set holds, read from its database: what questions are made of, and what answers are held against."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stagedoor.search.analysis import words_as_written

__all__ = ["Known", "known", "read", "significant"]

SAMPLE = 40_000  # ids of each kind that questions draw from


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Facts of a film set; what is ordered begins with the largest."""

    films: int
    persons: int
    genres: Sequence[tuple[str, int]]  # id, films
    ties: Sequence[tuple[float, int]]  # rating, films
    film_ids: Sequence[str]
    person_ids: Sequence[str]  # of people with films
    busiest: Sequence[tuple[str, int]]  # person, films
    crowded: Sequence[str]  # films with the most people
    titles: Sequence[str]
    with_word: Counter[str]  # films by significant word of the title
    film_words: Sequence[str]  # most common in any text of a film
    title_words: Sequence[str]
    name_words: Sequence[str]  # of people


def read(path: Path) -> Known:
    """Read the facts from a file of SQLite."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return known(lambda asked: database.execute(asked).fetchall())


def known(rows: Callable[[str], Sequence[Sequence[object]]]) -> Known:
    """Gather the facts by questions to SQLite or PostgreSQL, each answered with its rows."""
    titles = [str(title) for (title,) in rows("SELECT title FROM film_work ORDER BY id")]
    said = [str(text) for (text,) in rows("SELECT description FROM film_work WHERE description <> ''")]
    names = [str(name) for (name,) in rows("SELECT full_name FROM person")]
    title_words, film_words = _words(titles), _words(titles + said)
    name_words = _words(names)
    ids = f"ORDER BY substr(CAST(id AS TEXT), 20) LIMIT {SAMPLE}"  # ids are drawn at random, and so is their end
    return Known(
        films=len(titles),
        persons=len(names),
        genres=_counted(rows("SELECT genre_id, count(*) FROM genre_film_work GROUP BY 1 ORDER BY 2 DESC, 1")),
        ties=[
            (float(str(rating)), int(str(count)))
            for rating, count in rows(
                "SELECT rating, count(*) FROM film_work WHERE rating IS NOT NULL GROUP BY 1 ORDER BY 2 DESC"
            )
        ],
        film_ids=[str(row[0]) for row in rows(f"SELECT id FROM film_work {ids}")],
        person_ids=[
            str(row[0])
            for row in rows(
                f"SELECT id FROM person WHERE id IN (SELECT person_id FROM person_film_work) {ids}"
            )
        ],
        busiest=_counted(
            rows(
                "SELECT person_id, count(DISTINCT film_work_id) FROM person_film_work "
                "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 40"
            )
        ),
        crowded=[
            str(row[0])
            for row in rows(
                "SELECT film_work_id FROM person_film_work GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 40"
            )
        ],
        titles=titles[:SAMPLE],
        with_word=title_words,
        film_words=significant(film_words),
        title_words=significant(title_words),
        name_words=significant(name_words),
    )


def _counted(rows: Iterable[Sequence[object]]) -> list[tuple[str, int]]:
    return [(str(name), int(str(count))) for name, count in rows]


def _words(texts: Iterable[str]) -> Counter[str]:
    """Count in how many texts each plain word stands, as it is written in lower case."""
    return Counter(word for text in texts for word in set(text.lower().split()) if word.isalpha())


def significant(words: Counter[str], most: int = 64) -> list[str]:
    """Return the most common words that no search ignores, and that are different words for a search."""
    stems: dict[str, str] = {}
    for word, _ in islice(words.most_common(), 10 * most):
        for stem in words_as_written(word):
            stems.setdefault(stem, word)
    return list(dict.fromkeys(stems.values()))[:most]
