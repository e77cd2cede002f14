"""Where the words of a document are kept: one place for each text, and for texts that are asked for together.

A place has up to three parts, each words divided by blanks, for engines that divide at blanks and do no more:

    words   what may be found with typing errors: every word but stop words, with those that join some of them
    exact   what is found as it is: stems that are not the word; and with a sign in front, so that they meet no other,
            - stop words, = words as they are spelled, # numbers, ^ beginnings of a title, $ titles of stop words or
            signs, % the first letter and the length of a title of one word
    whole   a title in one: "thematrix", and without its article, and with numbers as digits

A place that several texts share has stems alone beside its words. What signs mean is told in `ranking`, which asks.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from stagedoor.search.chunks import Columns, columns_of, in_one
from stagedoor.search.query import MAX_WORDS, Document
from stagedoor.search.schema import Index, WordPlace
from stagedoor.search.words import LONGEST, AnalysedText, read, read_first

__all__ = [
    "EXACT",
    "THRICE",
    "WHOLE",
    "WORDS",
    "Filled",
    "filler",
    "of_length",
    "part",
    "parts",
    "stops_of",
    "thrice",
    "wholes",
]

WORDS: Final = "words"
EXACT: Final = "exact"
WHOLE: Final = "whole"
THRICE: Final = "words3"
_ARTICLES: Final = frozenset(("the", "a", "an"))
_BEGINNINGS: Final = 6  # chunks of a title

Filled: TypeAlias = dict[str, str]  # by part


def parts(place: WordPlace) -> tuple[str, ...]:
    """Return the parts that a place has."""
    return (WORDS, EXACT, WHOLE) if place.title else (WORDS, EXACT)


def part(place: str, name: str) -> str:
    """Return the name of a part of a place, as it stands among an index's fields."""
    return f"{place}~{name}"


def thrice(words: str) -> str:
    """Return the name of the part that has the words of another with their first letter three times."""
    return words.removesuffix(WORDS) + THRICE


def of_length(letter: str, length: int) -> str:
    """Return what a title of one word has that begins with a letter and is so long."""
    return f"%{letter}{length}"


def filler(index: Index, *, thrice: bool = False) -> Callable[[Document], Filled]:
    """Return what finds the words of a document, by the name of their part; empty parts are left out.

    With `thrice` there is a part more: the longer words, with the first letter of each three times. The function raises
    `TypeError` for a value that is no text.
    """
    # What a place of its own has read of a text is there for the one that shares it.
    steps = [_step(place, thrice=thrice) for place in sorted(index.places, key=lambda one: one.shared)]

    def filled(document: Document) -> Filled:
        made: Filled = {}
        known: _Known = {}
        for step in steps:
            step(made, known, document)
        return made

    return filled


_Words: TypeAlias = tuple[str, str, str]  # words, stems that are none of them, words with three letters
_Known: TypeAlias = dict[str, _Words]  # by field
_Step: TypeAlias = Callable[[Filled, _Known, Document], None]


def _step(place: WordPlace, *, thrice: bool) -> _Step:
    names = [part(place.name, name) for name in (WORDS, EXACT, WHOLE, THRICE)][: 4 if thrice else 3]
    return _step_of_several(place, names) if place.shared else _step_of_one(place, names)


def _step_of_one(place: WordPlace, names: Sequence[str]) -> _Step:
    (field,), title, plain = place.fields, place.title, place.plain

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts = _listed(document[field])
        found = columns_of(texts, plain=plain) if texts else None
        if found is None:
            return
        words, thrice = _joined(found.words), _joined(found.thrice)
        known[field] = words, _joined(found.stems), thrice
        starts, whole = _of_titles(texts, found, plain=plain) if title else ([], [])
        _fill(made, names, words, _joined([*found.exact, *starts]), " ".join(whole), thrice)

    return step


def _step_of_several(place: WordPlace, names: Sequence[str]) -> _Step:
    fields, plain = place.fields, place.plain

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts: list[str] = []
        read: list[_Words] = []
        for name in fields:
            if name in known:
                read.append(known[name])
            else:
                texts += _listed(document[name])
        found = columns_of(texts, plain=plain) if texts else None
        if found is not None:
            read.append((_joined(found.words), _joined(found.stems), _joined(found.thrice)))
        if read:
            words, stems, thrice = map(_joined, zip(*read, strict=True))
            _fill(made, names, words, stems, "", thrice)

    return step


def _listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _fill(made: Filled, names: Sequence[str], *found: str) -> None:
    for name, words in zip(names, found, strict=False):
        if words:
            made[name] = words


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))


# --- titles -------------------------------------------------------------------------------------------------------


def _of_titles(texts: Sequence[str], found: Columns, *, plain: bool) -> tuple[list[str], list[str]]:
    """Return what titles begin with, as exact words, and each in one."""
    if len(texts) == 1:
        return _of_title(texts[0], found)
    each = [(text, columns) for text in texts if (columns := columns_of([text], plain=plain))]
    read = [_of_title(text, columns) for text, columns in each]
    return [one for starts, _ in read for one in starts], [one for _, whole in read for one in whole]


def _of_title(text: str, found: Columns) -> tuple[list[str], list[str]]:
    """Return what a title begins with, and the title in one."""
    count = sum(found.length)
    if True not in found.counts:
        starts = ["$" + stops_of(read(text))]
    elif count == 1 and len(found.folded) == 1:
        own, other, digits = found.folded[0], found.latin[0], found.digits[0]
        starts = [*("^" + form for form in dict.fromkeys((own, other))), of_length(own[0], len(own))]
        return starts, [*dict.fromkeys((own, other, digits))]
    else:
        starts = _beginnings(found)
    return starts, _wholes(found) if count <= MAX_WORDS else wholes(read_first(text))


def wholes(text: AnalysedText) -> list[str]:
    """Return a title in one word: as it is, in Latin letters, with digits; and each without its article."""
    return _forms(in_one(text.words), text.words[0].folded if len(text.words) > 1 else "")


def _wholes(found: Columns) -> list[str]:
    joined = "".join(found.folded), "".join(found.latin), "".join(found.digits)
    return _forms(joined, found.folded[0] if len(found.folded) > 1 else "")


def _forms(joined: Sequence[str], first: str) -> list[str]:
    forms = list(dict.fromkeys(joined))
    if first in _ARTICLES:
        forms += [form[len(first) :] for form in forms]
    return [form[:LONGEST] for form in forms if form]


def _beginnings(found: Columns) -> list[str]:
    """Return what a title begins with, in one, up to six chunks, from the first that counts."""
    first = found.counts.index(True)
    own = [*accumulate(found.folded[:_BEGINNINGS])][first:]
    other = [*accumulate(found.latin[:_BEGINNINGS])][first:] if found.latin != found.folded else []
    article = found.folded[0] if len(found.folded) > 1 and found.folded[0] in _ARTICLES else ""
    without = [form[len(article) :] for form in own] if article else []
    return ["^" + form[:LONGEST] for form in (*own, *other, *without)]


def stops_of(text: AnalysedText) -> str:
    """Return a text of stop words alone, or of signs, in one word."""
    return (text.signs or "".join([run.folded for run in text.words[:MAX_WORDS]]))[:LONGEST]
