"""Texts in a node's words score as memory has it, whatever form they are asked in."""

from collections.abc import Mapping
from typing import Any

import pytest

from stagedoor.search.elastic.fields import OWN
from stagedoor.search.elastic.scores import Body, best_of, is_sum, sum_of
from stagedoor.search.leaves import Keyword, Text
from stagedoor.search.memory import IndexedDocument, Scores, Vocabulary
from stagedoor.search.nearness import is_near
from stagedoor.search.places import filler
from stagedoor.search.query import Match
from stagedoor.search.ranking import LEAST, Ranking, ranking_of
from stagedoor.search.schema import Index

FILMS = Index(
    "films",
    (
        Keyword(name="id"),
        Text(name="title", title=True),
        Text(name="story", together="beside"),
        Text(name="people", many=True, together="beside", alone=False),
    ),
)
FIELDS = (("title", 3.0), ("story", 1.0), ("people", 1.0))
FOUR_WORDS = "father goose lantern harbour"
TITLES = (
    "Father Goose Lantern Harbour",
    "The Father, Göose, Lantern & Harbour",
    "Father Goose Lantern Harbour: The Return",
    "Goose-Lantern fathers two harbours",
    "Twelve Angry Men and a Lantern",
    "12 Angry Men and a Lantern",
    "Двенадцать разгневанных мужчин и фонарь",
    "Wolf",
    "The Wolf and a Tiger",
    "The and",
)
TEXTS = (
    FOUR_WORDS,
    "the father goose, the lantern & the harbour",
    "father göose lantern harbour",
    "fahter gooes lantenr harbuor",
    "harbour lantern goose father two",
    "twelve angry men and a lantern",
    "двенадцать разгневанных мужчин и фонарь",
    "dvenadtsat razgnevannykh muzhchin i fonar",
    "цщда дфтеукт аферук ешпук",
    "father wolf goose göose lantern gööse",
)
Held = Mapping[str, frozenset[str]]


def held(title: str) -> Held:
    words = filler(FILMS)({"title": title, "story": f"Of {title}", "people": ["Ann Goose"]})
    return {part: frozenset(said.split(" ")) for part, said in words.items()}


ALL = [held(title) for title in TITLES]


def ranked(text: str) -> Ranking:
    ranking = ranking_of(Match(FIELDS, text), FILMS)
    assert ranking is not None
    return ranking


def score(body: Body, words: Held) -> float | None:
    """Return what a node would have a document score; None if it is no match."""
    ((kind, said),) = body.items()
    match kind:
        case "bool":
            return _combined(said, words)
        case "dis_max":
            return max((one for query in said["queries"] if (one := score(query, words))), default=None)
        case "constant_score":
            return None if score(said["filter"], words) is None else said["boost"]
    ((field, asked),) = said.items()
    of_part = words.get(field.removeprefix(f"{OWN}."), frozenset[str]())
    if kind == "term":
        return 1.0 if asked in of_part else None
    near = (is_near(asked["value"], one, asked["fuzziness"]) for one in of_part)
    return 1.0 if any(near) else None


def _combined(said: dict[str, Any], words: Held) -> float | None:
    must, should = ([score(one, words) for one in said.get(name, [])] for name in ("must", "should"))
    met = [one for one in should if one is not None]
    if None in must or len(met) < said.get("minimum_should_match", 0):
        return None
    return sum([one for one in must if one is not None] + met)


@pytest.mark.parametrize("text", [*TEXTS, "goose", "the goose", "lanterm harbor", "цщда"])
def test_a_node_scores_as_memory_does(text: str) -> None:
    """18: the same table for every engine, in whole numbers."""
    ranking = ranked(text)
    memory = Scores(ranking, Vocabulary(IndexedDocument({}, words) for words in ALL))
    expected = [memory.of(words) for words in ALL]

    assert [score(best_of(ranking), words) or 0 for words in ALL] == expected


@pytest.mark.parametrize("text", TEXTS)
def test_many_words_score_the_same_as_one_sum(text: str) -> None:
    """18: a sum is found in a fifth of the time; whom it does not find would come last, and has a few points."""
    ranking = ranked(text)
    assert is_sum(ranking)
    summed = [score(sum_of(ranking), words) for words in ALL]
    best = [score(best_of(ranking), words) for words in ALL]
    pairs = list(zip(summed, best, strict=True))

    assert all(one == other for one, other in pairs if (one or 0) >= LEAST)
    assert all(other is None or other < LEAST for one, other in pairs if (one or 0) < LEAST)


def test_who_meets_the_other_layout_alone_is_in_no_sum() -> None:
    """18: such a film scores less than any other."""
    ranking, wolf = ranked("цщда дфтеукт аферук ешпук"), held("Wolf")

    assert score(best_of(ranking), wolf) == 3
    assert score(sum_of(ranking), wolf) is None


@pytest.mark.parametrize("text", ["goose", "father goose", "lantern of the goose", "i am a cat dog"])
def test_few_words_and_texts_that_forgive_a_whole_title_are_no_sum(text: str) -> None:
    """What is near a title as a whole counts for every word, and so is the best of several sums."""
    assert not is_sum(ranked(text))


def test_texts_kept_together_say_nothing_of_how_words_are_spelled() -> None:
    """A place of several texts has words and stems alone: what it cannot tell earns no points anywhere."""
    ranking = ranking_of(Match((("story", 1.0), ("people", 1.0)), "the goose"), FILMS)

    assert ranking is not None
    assert ranking.more == ()
