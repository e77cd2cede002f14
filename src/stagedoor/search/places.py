"""Where the words of a document are kept: one place for each text, and for texts that are asked for together.

A place has up to three parts, each words divided by blanks, for engines that divide at blanks and do no more:

    words   what may be found with typing errors: every word but stop words, with those that join some of them
    exact   what is found as it is: stems that are not the word; and with a sign in front, so that they meet no other,
            - stop words, = words as they are spelled, # numbers, ^ beginnings of a title, $ titles of stop words or
            signs, % the length of a title of one word
    whole   a title in one: "thematrix", and without its article, and with numbers as digits

A place that several texts share has stems alone beside its words. What signs mean is told in `ranking`, which asks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from stagedoor._value import value
from stagedoor.search.query import MAX_WORDS, Document
from stagedoor.search.remembered import Remembered
from stagedoor.search.schema import Index, WordPlace
from stagedoor.search.words import LONGEST, AnalysedText, Run, read, read_first

__all__ = [
    "EXACT",
    "THRICE",
    "WHOLE",
    "WORDS",
    "Filled",
    "encoded",
    "filler",
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


def filler(index: Index, *, thrice: bool = False) -> Callable[[Document], Filled]:
    """Return what finds the words of a document, by the name of their part; empty parts are left out.

    With `thrice` there is a part more: the words, with the first letter of each three times. The function raises
    `TypeError` for a value that is no text.
    """
    steps = [_step(place, thrice=thrice) for place in index.places]

    def filled(document: Document) -> Filled:
        made: Filled = {}
        for step in steps:
            step(made, document)
        return made

    return filled


def _step(place: WordPlace, *, thrice: bool) -> Callable[[Filled, Document], None]:
    fields, title, shared = place.fields, place.title, place.shared
    names = [part(place.name, name) for name in (WORDS, EXACT, WHOLE, THRICE)][: 4 if thrice else 3]

    def step(made: Filled, document: Document) -> None:
        texts: list[str] = []
        for name in fields:
            value = document[name]
            if isinstance(value, list):
                texts += value
            elif value is not None:
                texts.append(value)
        if not texts:
            return
        found = _together(texts) if shared else _all_of(texts, title=title)
        for name, words in zip(names, found, strict=False):
            if words:
                made[name] = words

    return step


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))


def encoded(word: str) -> str:
    """Return a word with its first letter three times."""
    return word[0] * 2 + word


# --- what several texts share: their words, and stems that are none of them ------------------------------------------


def _few(text: str) -> tuple[str, str, str, bool]:
    found = read(text)
    words: list[str] = []
    exact: list[str] = []
    for run in found.runs:
        if run.stem:
            words += run.forms
            exact += [stem for stem in run.stems if stem not in run.forms]
    alone = len(found.words) == 1 and len(found.words[0].folded) == 1
    return " ".join(words), " ".join(exact), " ".join(map(encoded, words)), alone


_few_of = Remembered(_few).__getitem__


def _together(texts: Sequence[str]) -> tuple[str, str, str, str]:
    """Return the words of texts, chunk by chunk: over blanks no rule reaches, but for letters that stand alone."""
    chunks = " ".join(texts).split()
    if not chunks:
        return "", "", "", ""
    words, exact, thrice, alone = zip(*map(_few_of, chunks), strict=True)
    if True in alone:
        words, exact, thrice, _ = zip(*map(_few_of, texts), strict=True)
    return _joined(words), _joined(exact), "", _joined(thrice)


# --- a text of its own ----------------------------------------------------------------------------------------------


@value()
class _Chunk:
    """What a chunk of a text, or a text, has: its words, and all of them in one in three ways."""

    words: str
    exact: str
    thrice: str
    count: int
    joined: tuple[str, str, str]  # folded, in Latin letters, with digits
    counts: bool  # any of its words does, by itself
    alone: bool  # it is a single letter


def _chunk(text: str) -> _Chunk:
    found = read(text)
    words: list[str] = []
    exact: list[str] = []
    for run in found.runs:
        _add(run, words, exact)
    return _Chunk(
        " ".join(words),
        " ".join(exact),
        " ".join(map(encoded, words)),
        len(found.words),
        _in_one(found.words),
        found.significant,
        len(found.words) == 1 and len(found.words[0].folded) == 1,
    )


_chunk_of = Remembered(_chunk).__getitem__


def _all_of(texts: Sequence[str], *, title: bool) -> tuple[str, str, str, str]:
    chunks = [_chunk_of(chunk) for chunk in " ".join(texts).split()]
    alone = any([one.alone for one in chunks])  # noqa: C419 - a list is quicker
    found = list(map(_chunk, texts)) if alone else chunks
    exact = [one.exact for one in found]
    whole: list[str] = []
    if title:
        for text in texts:
            parts = chunks if len(texts) == 1 else [_chunk_of(chunk) for chunk in text.split()]
            whole += _of_title(text, parts, exact)
    return (
        _joined([one.words for one in found]),
        _joined(exact),
        " ".join(whole),
        _joined([one.thrice for one in found]),
    )


def _of_title(text: str, chunks: Sequence[_Chunk], exact: list[str]) -> list[str]:
    """Return a title in one, and add what it begins with."""
    count = sum([one.count for one in chunks])
    if not any([one.counts for one in chunks]):  # noqa: C419
        exact.append("$" + stops_of(read(text)))
    elif len(chunks) == 1 and count == 1:
        word = chunks[0].joined[0]
        exact += ["^" + form for form in dict.fromkeys(chunks[0].joined[:2])]
        exact.append(f"%{len(word)}")
        return list(dict.fromkeys(chunks[0].joined))
    else:
        exact += _beginnings(chunks)
    return _wholes(chunks) if count <= MAX_WORDS else wholes(read_first(text))


def _add(run: Run, words: list[str], exact: list[str]) -> None:
    if run.number:
        exact.append("#" + run.number)
    if not run.stem:
        exact.append("-" + run.folded)
        return
    exact.append("=" + run.spelled)
    forms = run.forms
    words += forms
    exact += [stem for stem in run.stems if stem not in forms]


def _in_one(words: Sequence[Run]) -> tuple[str, str, str]:
    return (
        "".join([word.folded for word in words]),
        "".join([word.latin for word in words]),
        "".join([word.number or word.latin for word in words]),
    )


def wholes(text: AnalysedText) -> list[str]:
    """Return a title in one word: as it is, in Latin letters, with digits; and each without its article."""
    return _forms(_in_one(text.words), text.words[0].folded if len(text.words) > 1 else "")


def _wholes(chunks: Sequence[_Chunk]) -> list[str]:
    joined = ["".join(parts) for parts in zip(*[one.joined for one in chunks], strict=True)]
    return _forms(joined, chunks[0].joined[0] if len(chunks) > 1 else "")


def _forms(joined: Sequence[str], first: str) -> list[str]:
    forms = list(dict.fromkeys(joined))
    if first in _ARTICLES:
        forms += [form[len(first) :] for form in forms]
    return [form[:LONGEST] for form in forms if form]


def _beginnings(chunks: Sequence[_Chunk]) -> list[str]:
    """Return what a title begins with, in one, up to six chunks, from the first that counts."""
    found = []
    own = other = ""
    counts = False
    article = chunks[0].joined[0] if len(chunks) > 1 and chunks[0].joined[0] in _ARTICLES else ""
    for one in chunks[:_BEGINNINGS]:
        own, other = own + one.joined[0], other + one.joined[1]
        counts = counts or one.counts
        if counts:
            forms = [own, other] if other != own else [own]
            forms += [own[len(article) :]] if article else []
            found += ["^" + form[:LONGEST] for form in forms]
    return found


def stops_of(text: AnalysedText) -> str:
    """Return a text of stop words alone, or of signs, in one word."""
    return (text.signs or "".join([run.folded for run in text.words[:MAX_WORDS]]))[:LONGEST]
