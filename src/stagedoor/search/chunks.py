"""What the chunks of a text have that blanks divide: over these no rule reaches, so that each is read once.

But for letters that stand alone side by side, which are initials: where the letters of two chunks meet, the texts are
read as wholes.

A build of everything looks up twenty chunks a document, and more time goes to fetching what is remembered of them than
to anything that is done with it: so of each chunk no more is touched than is wanted. Words that several texts share are
remembered apart (`SharedWords`), and what only titles want stands in a tuple of its own (`Piece`). Columns are zipped
without asking whether they are of one length, which costs a third as much again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Final, NamedTuple

from stagedoor.search.remembered import Remembered
from stagedoor.search.words import (
    LONGEST,
    AnalysedText,
    Run,
    number_of,
    read,
    stands_alone,
    stem_of,
)

__all__ = [
    "Chunk",
    "Columns",
    "Piece",
    "Reading",
    "SharedWords",
    "encoded",
    "in_one",
    "reading",
]

_LEAST_THRICE: Final = (
    4  # letters of a word that is two errors from one of six, which is the shortest that forgives two
)

# A word of ASCII between other signs, but for apostrophes, which divide nothing: nearly all chunks are such.
_word_in: Final = re.compile(
    f"[^0-9A-Za-z'`\x80-\U0010ffff]*([0-9A-Za-z]{{1,{LONGEST}}})[^0-9A-Za-z'`\x80-\U0010ffff]*"
).fullmatch


class Piece(NamedTuple):
    """What a chunk is as a part of a title."""

    folded: str  # all words in one
    latin: str  # in Latin letters
    digits: str  # with numbers as digits
    length: int  # in words
    counts: bool  # any of its words does, by itself
    opens: bool  # with a letter that stands alone
    closes: bool  # the same


class Chunk(NamedTuple):
    """What a chunk, or a text, has: words with a blank behind each, so that they are joined by nothing."""

    words: str
    exact: str
    stems: str  # of `exact`
    thrice: str
    alone: bool  # a letter stands alone at an end
    piece: Piece


class Columns(NamedTuple):
    """What chunks have, side by side."""

    words: Sequence[str]
    exact: Sequence[str]
    stems: Sequence[str]
    thrice: Sequence[str]
    alone: Sequence[bool]
    pieces: Sequence[Piece]


class SharedWords(NamedTuple):
    """What of a chunk, or of texts, is kept where several texts have one place."""

    words: str
    stems: str
    thrice: str
    alone: bool = False


def encoded(word: str) -> str:
    """Return a word with its first letter three times."""
    return word[0] * 2 + word


class Reading:
    """One way to read texts: `plain`ly or not, and `brief` about how words are spelled, which is told by exception."""

    def __init__(self, *, plain: bool, brief: bool) -> None:
        self._plain = plain
        self._brief = brief
        self._chunk_of = Remembered(self._chunk).__getitem__
        self._words_of = Remembered(self._words).__getitem__

    def columns(self, texts: Sequence[str]) -> Columns | None:
        """Return what the chunks of texts have, in order; None if there are none."""
        chunks = [*map(self._chunk_of, " ".join(texts).split())]
        if not chunks:
            return None
        columns = Columns._make(zip(*chunks))  # noqa: B905 - they are of one length
        if columns.alone.count(True) > 1 and _letters_meet(columns.pieces):
            wholes = [self._whole(text) for text in texts]
            words, exact, stems, thrice, *_ = zip(*wholes, strict=True)
            return columns._replace(words=words, exact=exact, stems=stems, thrice=thrice)
        return columns

    def words(self, texts: Sequence[str], known: Sequence[SharedWords]) -> tuple[str, str, str]:
        """Return the words of what is `known` and of texts: themselves, stems, and with the first letter thrice."""
        chunks = [*known, *map(self._words_of, " ".join(texts).split())]
        if not chunks:
            return "", "", ""
        words, stems, thrice, alone = zip(*chunks)  # noqa: B905 - they are of one length
        if alone.count(True) > 1 and (found := self.columns(texts)):
            own = SharedWords("".join(found.words), "".join(found.stems), "".join(found.thrice))
            words, stems, thrice, _ = zip(*known, own, strict=True)
        return "".join(words), "".join(stems), "".join(thrice)

    def told(self, columns: Columns) -> str:
        """Return all exact words of a text, each with a blank behind."""
        exact = "".join(columns.exact)
        if "!" not in exact:
            return exact
        return _divided(_spelled_otherwise("".join(columns.words).split(), exact.split()))

    def _chunk(self, text: str) -> Chunk:
        found = None if self._plain else _word_in(text)
        if found is None:
            return self._whole(text)
        word = found[1]
        if word.isdecimal():
            return _of_digits(word, brief=self._brief)
        return _of_one(word.lower(), brief=self._brief)

    def _words(self, text: str) -> SharedWords:
        found = None if self._plain else _word_in(text)
        if found is None:
            whole = self._whole(text)
            return SharedWords(whole.words, whole.stems, whole.thrice, whole.alone)
        return _shared_of_one(found[1].lower())

    def _whole(self, text: str) -> Chunk:
        return _of_text(read(text, plain=self._plain), brief=self._brief)


@cache
def reading(*, plain: bool, brief: bool) -> Reading:
    """Return a way to read texts, which remembers what it has read."""
    return Reading(plain=plain, brief=brief)


def _letters_meet(pieces: Sequence[Piece]) -> bool:
    return any(one.closes and other.opens for one, other in pairwise([one for one in pieces if one.length]))


def _shared_of_one(word: str) -> SharedWords:
    """Return what a chunk has that is one word of ASCII, in small letters."""
    stem, alone = stem_of(word), len(word) == 1 and word.isalpha()
    if not stem:
        return SharedWords("", "", "", alone)
    return SharedWords(f"{word} ", "" if stem == word else f"{stem} ", _thrice(word), alone)


def _of_one(word: str, *, brief: bool) -> Chunk:
    """Return what a chunk has that is one word of ASCII."""
    words, stems, thrice, alone = _shared_of_one(word)
    number = number_of(word)
    numbered = f"#{number} " if number else ""
    spelled = "" if brief and words else f"{'=' if words else '-'}{word} "
    piece = Piece(word, word, number or word, 1, bool(words), alone, alone)
    return Chunk(words, f"{numbered}{spelled}{stems}", stems, thrice, alone, piece)


def _of_digits(digits: str, *, brief: bool) -> Chunk:
    """Return what a chunk has that is one number in digits, of which a document has many that no other has."""
    words = f"{digits} "
    exact = f"#{words}" if brief else f"#{words}={words}"
    piece = Piece(digits, digits, digits, 1, True, False, False)
    return Chunk(words, exact, "", _thrice(digits), False, piece)


def _thrice(word: str) -> str:
    return f"{encoded(word)} " if len(word) >= _LEAST_THRICE else ""


def _of_text(found: AnalysedText, *, brief: bool) -> Chunk:
    runs, said = found.runs, found.words
    words = [form for run in runs if run.stem for form in run.forms]
    exact = [one for run in runs for one in _exact(run, brief=brief)]
    stems = [stem for run in runs if run.stem for stem in _other_stems(run)]
    opens, closes = (bool(said) and stands_alone(said[place]) for place in (0, -1))
    piece = Piece(*in_one(said), len(said), found.significant, opens, closes)
    thrice = "".join(map(_thrice, words))
    return Chunk(_divided(words), _divided(exact), _divided(stems), thrice, opens or closes, piece)


def _divided(words: Iterable[str]) -> str:
    return "".join([f"{word} " for word in words])


def _other_stems(run: Run) -> list[str]:
    return [stem for stem in run.stems if stem not in run.forms]


def _exact(run: Run, *, brief: bool) -> Iterable[str]:
    """Yield the exact words of one word; in brief not that it is spelled as it is compared: others say `!`."""
    if run.number:
        yield "#" + run.number
    if not run.stem:
        yield "-" + run.folded
        return
    if not brief or run.spelled != run.folded:
        yield "=" + run.spelled
    yield from [f"!{form}" for form in run.forms if form != run.spelled]
    yield from _other_stems(run)


def _spelled_otherwise(words: Sequence[str], exact: Sequence[str]) -> list[str]:
    """Return exact words without `!` before a word that the same text also spells as it is compared."""
    held, told = Counter(words), Counter(exact)
    return [one for one in exact if not one.startswith("!") or held[one[1:]] == told[one]]


def in_one(words: Sequence[Run]) -> tuple[str, str, str]:
    """Return words in one: folded, in Latin letters, with digits."""
    return (
        "".join([word.folded for word in words]),
        "".join([word.latin for word in words]),
        "".join([word.number or word.latin for word in words]),
    )
