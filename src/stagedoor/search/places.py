"""Where the words of a document are kept: one place for each text, and for texts that are asked for together.

A place has up to three parts, each words divided by blanks, for engines that divide at blanks and do no more:

    words   what may be found with typing errors: every word but stop words, with those that join some of them
    exact   what is found as it is: stems that are not the word; and with a sign in front, so that they meet no other,
            - stop words, = words as they are spelled, # numbers, ^ beginnings of a title, $ titles without a word
    whole   a title in one: "thematrix", and without its article, and with numbers as digits

A place that several texts share has stems alone beside its words. What signs mean is told in `ranking`, which asks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from stagedoor.search.query import MAX_WORDS, Document
from stagedoor.search.remembered import Remembered
from stagedoor.search.schema import Index, Place
from stagedoor.search.words import LONGEST, Run, Text, read

__all__ = ["EXACT", "WHOLE", "WORDS", "Filled", "filler", "part", "parts", "stops_of", "wholes"]

WORDS: Final = "words"
EXACT: Final = "exact"
WHOLE: Final = "whole"
_ARTICLES: Final = frozenset(("the", "a", "an"))
_BEGINNINGS: Final = 6  # words of a title

Filled: TypeAlias = dict[str, str]  # by part


def parts(place: Place) -> tuple[str, ...]:
    """Return the parts that a place has."""
    return (WORDS, EXACT, WHOLE) if place.title else (WORDS, EXACT)


def part(place: str, name: str) -> str:
    """Return the name of a part of a place, as it stands among an index's fields."""
    return f"{place}~{name}"


def filler(index: Index) -> Callable[[Document], Filled]:
    """Return what finds the words of a document, by the name of their part; empty parts are left out."""
    steps = [(place, _few_of if place.shared else None) for place in index.places]

    def filled(document: Document) -> Filled:
        made: Filled = {}
        for place, few in steps:
            texts = [text for name in place.fields for text in _texts(name, document[name])]
            if not texts:
                continue
            if few is None:
                made |= _named(place.name, _all_of(texts, title=place.title))
            else:
                made |= _named(place.name, _together([few(text) for text in texts]))
        return made

    return filled


def _texts(name: str, value: Any) -> Sequence[str]:  # noqa: ANN401 - documents hold JSON
    """Return the texts that a value is; raises `TypeError` for what is none."""
    if not value and value is not None and not isinstance(value, str | list):
        raise TypeError(f"{name!r} is no text")
    texts = value if isinstance(value, list) else [value] if value else []
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name!r} is no text")
    return texts


def _named(place: str, found: Filled) -> Filled:
    return {part(place, name): words for name, words in found.items() if words}


def _few(text: str) -> tuple[str, str]:
    """Return the words of a text and its stems, for a place that several share."""
    found = read(text)
    words: list[str] = []
    exact: list[str] = []
    for run in _runs(found):
        if run.stem:
            words += run.forms
            exact += [stem for stem in run.stems if stem not in run.forms]
    return " ".join(words), " ".join(exact)


_few_of = Remembered(_few).__getitem__


def _together(found: Sequence[tuple[str, str]]) -> Filled:
    return {
        WORDS: " ".join([words for words, _ in found if words]),
        EXACT: " ".join([exact for _, exact in found if exact]),
    }


def _all_of(texts: Iterable[str], *, title: bool) -> Filled:
    words: list[str] = []
    exact: list[str] = []
    whole: list[str] = []
    for text in texts:
        found = read(text)
        for run in _runs(found):
            _add(run, words, exact)
        if title:
            whole += wholes(found)
            exact += _beginnings(found)
    return {
        WORDS: " ".join(dict.fromkeys(words)),
        EXACT: " ".join(dict.fromkeys(exact)),
        WHOLE: " ".join(dict.fromkeys(whole)),
    }


def _runs(found: Text) -> Iterable[Run]:
    return (*found.words, *[join.run for join in found.joins]) if found.joins else found.words


def _add(run: Run, words: list[str], exact: list[str]) -> None:
    if run.number:
        exact.append("#" + run.number)
    if not run.stem:
        exact.append("-" + run.folded)
        return
    exact.append("=" + run.spelled)
    if run.folded == run.stem == run.latin:  # nine of ten
        words.append(run.folded)
        return
    forms = run.forms
    words += forms
    exact += [stem for stem in run.stems if stem not in forms]


def wholes(text: Text) -> list[str]:
    """Return a title in one word: as it is, in Latin letters, with digits; and each without its article."""
    runs = text.words[:MAX_WORDS]
    if not runs:
        return []
    forms = ["".join([run.folded for run in runs])]
    if any(run.latin != run.folded for run in runs):
        forms.append("".join([run.latin for run in runs]))
    if any(run.number for run in runs):
        forms.append("".join([run.number or run.latin for run in runs]))
    if len(runs) > 1 and (article := runs[0].folded) in _ARTICLES:
        forms += [form[len(article) :] for form in forms]
    return [form[:LONGEST] for form in forms if form]


def _beginnings(text: Text) -> list[str]:
    """Return what a title begins with, in one, up to six words, from the first that counts; all, if none does."""
    if not text.significant:
        return ["$" + stops_of(text)]
    found = []
    own = other = ""
    counts = False
    article = text.words[0].folded if len(text.words) > 1 and text.words[0].folded in _ARTICLES else ""
    for run in text.words[:_BEGINNINGS]:
        own, other = own + run.folded, other + run.latin
        counts = counts or bool(run.stem)
        if counts:
            forms = [own, other] if other != own else [own]
            forms += [own[len(article) :]] if article else []
            found += ["^" + form[:LONGEST] for form in forms]
    return found


def stops_of(text: Text) -> str:
    """Return a text of stop words alone, or of signs, in one word."""
    return (text.signs or "".join([run.folded for run in text.words[:MAX_WORDS]]))[:LONGEST]
