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

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from stagedoor.search.chunks import Columns, Reading, SharedWords, in_one, reading
from stagedoor.search.query import MAX_WORDS, Document
from stagedoor.search.remembered import Remembered
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
    shared = {name for place in index.places if place.shared for name in place.fields}
    steps = [
        _step(place, shared, thrice=thrice) for place in sorted(index.places, key=lambda one: one.shared)
    ]

    def filled(document: Document) -> Filled:
        made: Filled = {}
        known: _Known = {}
        for step in steps:
            step(made, known, document)
        return made

    return filled


_Known: TypeAlias = dict[str, SharedWords]  # by field
_Step: TypeAlias = Callable[[Filled, _Known, Document], None]
_Names: TypeAlias = tuple[str, str, str, str]  # of parts: words, exact, whole, and thrice or ""


def _step(place: WordPlace, shared: Collection[str], *, thrice: bool) -> _Step:
    words, exact, whole = (part(place.name, name) for name in (WORDS, EXACT, WHOLE))
    names = words, exact, whole, part(place.name, THRICE) if thrice else ""
    how = reading(plain=place.plain, brief=thrice)
    if place.shared:
        return _step_of_several(place, names, how)
    return _step_of_one(place, names, how, kept=place.fields[0] in shared)


def _step_of_one(place: WordPlace, names: _Names, how: Reading, *, kept: bool) -> _Step:
    (field,), title = place.fields, place.title

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts = _listed(document[field])
        found = how.columns(texts) if texts else None
        if found is None:
            return
        words, thrice = "".join(found.words), "".join(found.thrice)
        if kept:
            known[field] = SharedWords(words, "".join(found.stems), thrice)
        starts, whole = _of_titles(texts, found, how) if title else ("", "")
        _fill(made, names, words, how.told(found) + starts, whole, thrice)

    return step


def _step_of_several(place: WordPlace, names: _Names, how: Reading) -> _Step:
    fields = place.fields

    def step(made: Filled, known: _Known, document: Document) -> None:
        texts: list[str] = []
        read: list[SharedWords] = []
        for name in fields:
            if name in known:
                read.append(known[name])
            else:
                texts += _listed(document[name])
        # Who writes often directs, too: what a name has once, it need not have again.
        words, stems, thrice = how.words([*dict.fromkeys(texts)], read)
        _fill(made, names, words, stems, "", thrice)

    return step


def _listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _fill(made: Filled, names: _Names, words: str, exact: str, whole: str, thrice: str) -> None:
    """Set the parts that have words, without the blank behind the last."""
    in_words, in_exact, in_whole, in_thrice = names
    if words:
        made[in_words] = words[:-1]
    if exact:
        made[in_exact] = exact[:-1]
    if whole:
        made[in_whole] = whole[:-1]
    if thrice and in_thrice:
        made[in_thrice] = thrice[:-1]


# --- titles -------------------------------------------------------------------------------------------------------


def _of_titles(texts: Sequence[str], found: Columns, how: Reading) -> tuple[str, str]:
    """Return what titles begin with, as exact words, and each in one."""
    if len(texts) == 1:
        return _of_title(texts[0], found)
    each = [(text, columns) for text in texts if (columns := how.columns([text]))]
    read = [_of_title(text, columns) for text, columns in each]
    return "".join([starts for starts, _ in read]), "".join([whole for _, whole in read])


def _of_title(text: str, found: Columns) -> tuple[str, str]:
    """Return what a title begins with, and the title in one; what it has as the latter, it need not begin with."""
    folded, latin, digits, length, counts, *_ = zip(*found.pieces)  # noqa: B905 - they are of one length
    count = sum(length)
    if count == 1 and len(folded) == 1 and counts[0]:
        forms = [*dict.fromkeys((folded[0], latin[0], digits[0]))]
        starts = f"{of_length(forms[0][0], len(forms[0]))} "
    else:
        forms = _wholes(folded, latin, digits) if count <= MAX_WORDS else wholes(read_first(text))
        first = counts.index(True) if True in counts else None
        starts = f"${stops_of(read(text))} " if first is None else _beginnings(folded, latin, first, forms)
    return starts + _first_letters(forms), "".join([f"{form} " for form in forms])


def _first_letters(forms: Sequence[str]) -> str:
    """Return the first letters of the forms of a title, each once."""
    if len(forms) == 1:
        return _few_of(forms[0][:FEW_LETTERS])
    return _few_of_all(forms)


def _few_of_all(forms: Iterable[str]) -> str:
    few = dict.fromkeys([form[:count] for form in forms for count in range(1, FEW_LETTERS + 1)])
    return "".join([f"<{letters} " for letters in few])


_few_of: Final = Remembered(lambda letters: _few_of_all([letters])).__getitem__


def wholes(text: AnalysedText) -> list[str]:
    """Return a title in one word: as it is, in Latin letters, with digits; and each without its article."""
    return _forms(in_one(text.words), text.words[0].folded if len(text.words) > 1 else "")


def _wholes(folded: Sequence[str], latin: Sequence[str], digits: Sequence[str]) -> list[str]:
    own, first = "".join(folded), folded[0] if len(folded) > 1 else ""
    if own and folded == latin == digits and first not in ARTICLES:  # as most titles
        return [own[:LONGEST]]
    return _forms((own, "".join(latin), "".join(digits)), first)


def _forms(joined: Sequence[str], first: str) -> list[str]:
    forms = list(dict.fromkeys(joined))
    if first in ARTICLES:
        forms += [form[len(first) :] for form in forms]
    return [form[:LONGEST] for form in forms if form]


def _beginnings(folded: Sequence[str], latin: Sequence[str], first: int, whole: Collection[str]) -> str:
    """Return what a title begins with, in one, up to six chunks, from the first that counts; not all of it."""
    forms = [*accumulate(folded[:_BEGINNINGS])][first:]
    article = folded[0] if folded[0] in ARTICLES and len(folded) > 1 else ""
    without = [form[len(article) :] for form in forms] if article else []
    if latin != folded:
        forms += [*accumulate(latin[:_BEGINNINGS])][first:]
    return "".join([f"^{form[:LONGEST]} " for form in (*forms, *without) if form[:LONGEST] not in whole])


def stops_of(text: AnalysedText) -> str:
    """Return a text of stop words alone, or of signs, in one word."""
    return (text.signs or "".join([run.folded for run in text.words[:MAX_WORDS]]))[:LONGEST]
