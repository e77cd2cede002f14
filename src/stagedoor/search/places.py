"""Where the words of a document are kept: one place for each text, and for texts that are asked for together.

A place has up to three parts, each words divided by blanks, for engines that divide at blanks and do no more:

    words   what may be found with typing errors: every word but stop words, with those that join some of them
    exact   what is found as it is: stems that are not the word; and with a sign in front, so that they meet no other,
            - stop words, = words as they are spelled, ! forms of words that are spelled otherwise, # numbers,
            ^ beginnings of a title, < its first letters (else each title that begins with one would be a term to
            read), $ titles of stop words or signs, % the first letter and the length of a title of one word
    whole   a title in one: "thematrix", and without its article, and with numbers as digits

A place that several texts share has stems alone beside its words. What signs mean is told in `ranking`, which asks.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from stagedoor.search.chunks import Columns, SharedWords, columns_of, in_one, spelled_otherwise, words_of
from stagedoor.search.query import MAX_WORDS, Document
from stagedoor.search.schema import Index, WordPlace
from stagedoor.search.words import LONGEST, AnalysedText, read, read_first

__all__ = [
    "ARTICLES",
    "EXACT",
    "FEW_LETTERS",
    "THRICE",
    "WHOLE",
    "WORDS",
    "Filled",
    "filler",
    "first_letters",
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
_ALL_PARTS: Final = (WORDS, EXACT, WHOLE, THRICE)
ARTICLES: Final = frozenset(("the", "a", "an"))
_BEGINNINGS: Final = 6  # chunks of a title
FEW_LETTERS: Final = 3

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


def first_letters(letters: str) -> str:
    """Return what a title has that begins with these, which are few."""
    return f"<{letters}"


def filler(index: Index, *, thrice: bool = False) -> Callable[[Document], Filled]:
    """Return what finds the words of a document, by the name of their part; empty parts are left out.

    With `thrice` there is a part more: the longer words, with the first letter of each three times; and words say
    `=` only if they are spelled otherwise than they are compared, which is a seventh of all words less. The function
    raises `TypeError` for a value that is no text.
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


_Known: TypeAlias = dict[str, SharedWords]  # by field
_Step: TypeAlias = Callable[[Filled, _Known, Document], None]


def _step(place: WordPlace, *, thrice: bool) -> _Step:
    names = [part(place.name, name) for name in (_ALL_PARTS if thrice else _ALL_PARTS[:-1])]
    return _step_of_several(place, names) if place.shared else _step_of_one(place, names)


def _step_of_one(place: WordPlace, names: Sequence[str]) -> _Step:
    (field,), title, plain, brief = place.fields, place.title, place.plain, len(names) == len(_ALL_PARTS)

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts = _listed(document[field])
        found = columns_of(texts, plain=plain) if texts else None
        if found is None:
            return
        own = SharedWords("".join(found.words), "".join(found.stems), "".join(found.thrice))
        known[field] = own
        starts, whole = _of_titles(texts, found, plain=plain) if title else ("", "")
        exact = _brief(found) if brief else "".join(found.exact) + _spelled_otherwise(found)
        _fill(made, names, own.words, exact + starts, whole, own.thrice)

    return step


def _step_of_several(place: WordPlace, names: Sequence[str]) -> _Step:
    fields, plain = place.fields, place.plain

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts: list[str] = []
        read: list[SharedWords] = []
        for name in fields:
            if name in known:
                read.append(known[name])
            else:
                texts += _listed(document[name])
        # Who writes often directs, too: what a name has once, it need not have again.
        words, stems, thrice, _ = words_of([*dict.fromkeys(texts)], read, plain=plain)
        _fill(made, names, words, stems, "", thrice)

    return step


def _brief(found: Columns) -> str:
    exact = "".join(found.brief)
    if "!" not in exact:
        return exact
    return " ".join([*spelled_otherwise("".join(found.words).split(), exact.split()), ""])


def _spelled_otherwise(found: Columns) -> str:
    brief = _brief(found)
    return "".join([f"{one} " for one in brief.split() if one.startswith("!")]) if "!" in brief else ""


def _listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _fill(made: Filled, names: Sequence[str], *found: str) -> None:
    for name, words in zip(names, found, strict=False):
        if words:
            made[name] = words[:-1]  # without the blank behind the last


# --- titles -------------------------------------------------------------------------------------------------------


def _of_titles(texts: Sequence[str], found: Columns, *, plain: bool) -> tuple[str, str]:
    """Return what titles begin with, as exact words, and each in one."""
    if len(texts) == 1:
        return _of_title(texts[0], found)
    each = [(text, columns) for text in texts if (columns := columns_of([text], plain=plain))]
    read = [_of_title(text, columns) for text, columns in each]
    return "".join([starts for starts, _ in read]), "".join([whole for _, whole in read])


def _of_title(text: str, found: Columns) -> tuple[str, str]:
    """Return what a title begins with, and the title in one; what it has as the latter, it need not begin with."""
    count = sum(found.length)
    if count == 1 and len(found.folded) == 1 and found.counts[0]:
        own, other, digits = found.folded[0], found.latin[0], found.digits[0]
        forms = [own] if own == other == digits else [*dict.fromkeys((own, other, digits))]
        starts = f"{of_length(own[0], len(own))} "
    else:
        forms = _wholes(found) if count <= MAX_WORDS else wholes(read_first(text))
        starts = _beginnings(found, forms) if True in found.counts else f"${stops_of(read(text))} "
    return starts + _first_letters(forms), "".join([f"{form} " for form in forms])


def _first_letters(forms: Sequence[str]) -> str:
    if len(forms) == 1 and len(forms[0]) >= FEW_LETTERS:
        (form,) = forms
        return f"<{form[0]} <{form[:2]} <{form[:3]} "
    few = dict.fromkeys(form[: count + 1] for form in forms for count in range(min(len(form), FEW_LETTERS)))
    return "".join([f"{first_letters(letters)} " for letters in few])


def wholes(text: AnalysedText) -> list[str]:
    """Return a title in one word: as it is, in Latin letters, with digits; and each without its article."""
    return _forms(in_one(text.words), text.words[0].folded if len(text.words) > 1 else "")


def _wholes(found: Columns) -> list[str]:
    joined = "".join(found.folded), "".join(found.latin), "".join(found.digits)
    return _forms(joined, found.folded[0] if len(found.folded) > 1 else "")


def _forms(joined: Sequence[str], first: str) -> list[str]:
    forms = list(dict.fromkeys(joined))
    if first in ARTICLES:
        forms += [form[len(first) :] for form in forms]
    return [form[:LONGEST] for form in forms if form]


def _beginnings(found: Columns, whole: Collection[str]) -> str:
    """Return what a title begins with, in one, up to six chunks, from the first that counts; not all of it."""
    folded = found.folded
    first = found.counts.index(True)
    forms = [*accumulate(folded[:_BEGINNINGS])][first:]
    article = folded[0] if folded[0] in ARTICLES and len(folded) > 1 else ""
    without = [form[len(article) :] for form in forms] if article else []
    if found.latin != folded:
        forms += [*accumulate(found.latin[:_BEGINNINGS])][first:]
    return "".join([f"^{form[:LONGEST]} " for form in (*forms, *without) if form[:LONGEST] not in whole])


def stops_of(text: AnalysedText) -> str:
    """Return a text of stop words alone, or of signs, in one word."""
    return (text.signs or "".join([run.folded for run in text.words[:MAX_WORDS]]))[:LONGEST]
