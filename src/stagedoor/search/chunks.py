"""What the chunks of a text have that blanks divide: over these no rule reaches, so that each is read once.

But for letters that stand alone side by side, which are initials: where the letters of two chunks meet, the texts are
read as wholes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from stagedoor.search.remembered import Remembered
from stagedoor.search.words import AnalysedText, Run, read, run_of, stands_alone

__all__ = [
    "Chunk",
    "Columns",
    "SharedWords",
    "columns_of",
    "encoded",
    "in_one",
    "spelled_otherwise",
    "words_of",
]

_LEAST_THRICE: Final = (
    4  # letters of a word that is two errors from one of six, which is the shortest that forgives two
)

# A word of ASCII between other signs, but for apostrophes, which divide nothing: nearly all chunks are such.
_word_in: Final = re.compile(
    "[^0-9A-Za-z'`\x80-\U0010ffff]*([0-9A-Za-z]+)[^0-9A-Za-z'`\x80-\U0010ffff]*"
).fullmatch


class Chunk(NamedTuple):
    """What a chunk, or a text, has: in the order of `places`, and then as a part of a title.

    The former are words with a blank behind each, so that they are joined by nothing.
    """

    words: str
    exact: str
    stems: str  # of `exact`
    thrice: str
    brief: str  # `exact`, which says by exception how words are spelled
    folded: str  # all words in one
    latin: str  # in Latin letters
    digits: str  # with numbers as digits
    length: int  # in words
    counts: bool  # any of its words does, by itself
    opens: bool  # with a letter that stands alone
    closes: bool  # the same


class Columns(NamedTuple):
    """What chunks have, side by side."""

    words: Sequence[str]
    exact: Sequence[str]
    stems: Sequence[str]
    thrice: Sequence[str]
    brief: Sequence[str]
    folded: Sequence[str]
    latin: Sequence[str]
    digits: Sequence[str]
    length: Sequence[int]
    counts: Sequence[bool]
    opens: Sequence[bool]
    closes: Sequence[bool]


class SharedWords(NamedTuple):
    """What of a chunk, or of texts, is kept where several texts have one place."""

    words: str
    stems: str
    thrice: str
    alone: bool = False  # a letter stands alone at an end


def encoded(word: str) -> str:
    """Return a word with its first letter three times."""
    return word[0] * 2 + word


def columns_of(texts: Sequence[str], *, plain: bool = False) -> Columns | None:
    """Return what the chunks of texts have, in order, perhaps read `plain`ly; None if there are none."""
    chunks = [*map(_plain_chunk_of if plain else _chunk_of, " ".join(texts).split())]
    if not chunks:
        return None
    columns = Columns._make(zip(*chunks, strict=True))
    if True in columns.opens and _letters_meet([one for one in chunks if one.length]):
        wholes = [_of_text(read(text, plain=plain)) for text in texts]
        words, exact, stems, thrice, brief, *_ = zip(*wholes, strict=True)
        return columns._replace(words=words, exact=exact, stems=stems, thrice=thrice, brief=brief)
    return columns


def words_of(texts: Sequence[str], known: Sequence[SharedWords] = (), *, plain: bool = False) -> SharedWords:
    """Return the words of what is `known` and of texts, perhaps read `plain`ly.

    Of each chunk no more is touched than is wanted: that of several texts there are many is what they cost.
    """
    chunks = " ".join(texts).split()
    if not (chunks or known):
        return SharedWords("", "", "")
    words, stems, thrice, alone = zip(
        *known, *map(_plain_words_of if plain else _words_of, chunks), strict=True
    )
    if sum(alone) > 1 and (found := columns_of(texts, plain=plain)):
        own = SharedWords("".join(found.words), "".join(found.stems), "".join(found.thrice))
        words, stems, thrice, _ = zip(*known, own, strict=True)
    return SharedWords("".join(words), "".join(stems), "".join(thrice))


def _letters_meet(chunks: Sequence[Chunk]) -> bool:
    return any(one.closes and other.opens for one, other in pairwise(chunks))


def _chunk(text: str) -> Chunk:
    found = _word_in(text)
    return _of_text(read(text)) if found is None else _of_one(run_of(found[1].lower()))


def _plain_chunk(text: str) -> Chunk:
    return _of_text(read(text, plain=True))


_chunk_of = Remembered(_chunk).__getitem__
_plain_chunk_of = Remembered(_plain_chunk).__getitem__


def _few(chunk: Chunk) -> SharedWords:
    return SharedWords(chunk.words, chunk.stems, chunk.thrice, chunk.opens or chunk.closes)


_words_of = Remembered(lambda text: _few(_chunk(text))).__getitem__
_plain_words_of = Remembered(lambda text: _few(_plain_chunk(text))).__getitem__


def _of_one(run: Run) -> Chunk:
    """Return what a chunk has that is one word of ASCII."""
    folded, stem, number = run.folded, run.stem, run.number
    own, alone = (folded, folded, number or folded, 1), stands_alone(run)
    numbered = f"#{number} " if number else ""
    if not stem:
        stop = f"{numbered}-{folded} "
        return Chunk("", stop, "", "", stop, *own, False, alone, alone)
    other = "" if stem == folded else f"{stem} "
    exact, brief = f"{numbered}={folded} {other}", numbered + other
    return Chunk(f"{folded} ", exact, other, _thrice(folded), brief, *own, True, alone, alone)


def _thrice(word: str) -> str:
    return f"{encoded(word)} " if len(word) >= _LEAST_THRICE else ""


def _of_text(found: AnalysedText) -> Chunk:
    words: list[str] = []
    exact: list[str] = []
    stems: list[str] = []
    brief: list[str] = []
    for run in found.runs:
        _add(run, words, exact, stems)
        brief += _in_brief(run)
    said = found.words
    return Chunk(
        _divided(words),
        _divided(exact),
        _divided(stems),
        "".join(map(_thrice, words)),
        _divided(brief),
        *in_one(said),
        len(said),
        found.significant,
        bool(said) and stands_alone(said[0]),
        bool(said) and stands_alone(said[-1]),
    )


def _divided(words: Iterable[str]) -> str:
    return "".join([f"{word} " for word in words])


def _add(run: Run, words: list[str], exact: list[str], stems: list[str]) -> None:
    if run.number:
        exact.append("#" + run.number)
    if not run.stem:
        exact.append("-" + run.folded)
        return
    exact.append("=" + run.spelled)
    forms = run.forms
    words += forms
    others = [stem for stem in run.stems if stem not in forms]
    exact += others
    stems += others


def _in_brief(run: Run) -> Iterable[str]:
    """Yield the exact words of one word, but that it is spelled as it is compared; the others tell (`!`)."""
    if run.number:
        yield "#" + run.number
    if not run.stem:
        yield "-" + run.folded
        return
    if run.spelled != run.folded:
        yield "=" + run.spelled
    yield from [f"!{form}" for form in run.forms if form != run.spelled]
    yield from [stem for stem in run.stems if stem not in run.forms]


def spelled_otherwise(words: Sequence[str], brief: Sequence[str]) -> list[str]:
    """Return exact words in brief, without `!` before a word that the same text also spells as it is compared."""
    held, told = Counter(words), Counter(brief)
    return [one for one in brief if not one.startswith("!") or held[one[1:]] == told[one]]


def in_one(words: Sequence[Run]) -> tuple[str, str, str]:
    """Return words in one: folded, in Latin letters, with digits."""
    return (
        "".join([word.folded for word in words]),
        "".join([word.latin for word in words]),
        "".join([word.number or word.latin for word in words]),
    )
