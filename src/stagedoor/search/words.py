"""The words of a text, the same for documents and for questions, with every form in which they may meet.

A text is divided at blanks into chunks, over which no rule reaches but two (initials, and texts as a whole), so that
each different chunk is analysed once. A chunk is its runs of letters and digits: "Spider-Man" is two words, and a third
that joins them; "S.W.A.T." and "M*A*S*H" are one, for letters that stand alone are initials. Of the ideographs each is
a word, as the standard tokenizer has it (UAX 29).

What does not count alone are the stop words of English and Russian (Lucene's lists).
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from stagedoor._value import value
from stagedoor.search.analysis import analyze, analyze_word
from stagedoor.search.folding import clean, fold, latin
from stagedoor.search.query import MAX_WORDS

__all__ = [
    "LONGEST",
    "MARKS",
    "AnalysedText",
    "Join",
    "Run",
    "number_of",
    "plain_run",
    "read",
    "read_first",
    "run_of",
    "stands_alone",
    "stem_of",
]

LONGEST: Final = 240  # signs of a word that count; what a node divides at blanks it also divides after 255
_LONGEST_CHUNK: Final = 1_024  # of what is asked for

MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
    "\u0981-\u0983\u09bc\u09be-\u09cd\u0a01-\u0a03\u0a3c-\u0a51\u0a81-\u0a83\u0abc\u0abe-\u0acd\u0b01-\u0b03"
    "\u0b3c-\u0b57\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c56\u0c81-\u0c83\u0cbc-\u0cd6\u0d00-\u0d03\u0d3b-\u0d4d"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f18-\u0f39\u0f71-\u0f84\u102b-\u103e"
    "\u17b4-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)
_IDEOGRAPHS: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f"
    "\U00020000-\U0003ffff"
)
_ASCII_RUN: Final = re.compile(r"[a-z0-9]+")
_RUN: Final = re.compile(rf"[{_IDEOGRAPHS}][{MARKS}]*|(?:(?![{_IDEOGRAPHS}])[^\W_]|[{MARKS}])+")
_IDEOGRAPH: Final = re.compile(f"[{_IDEOGRAPHS}]")

_SPELLED: Final = (
    *("zero nol", "one odin first", "two dva ii second", "three tri iii third", "four chetyre iv fourth"),
    *("five pyat v fifth", "six shest vi sixth", "seven sem vii seventh", "eight vosem viii eighth"),
    *("nine devyat ix ninth", "ten desyat x tenth", "eleven odinnadtsat eleventh"),
    *("twelve dvenadtsat twelfth", "thirteen trinadtsat thirteenth", "fourteen chetyrnadtsat fourteenth"),
    *("fifteen pyatnadtsat fifteenth", "sixteen shestnadtsat sixteenth", "seventeen semnadtsat seventeenth"),
    *("eighteen vosemnadtsat eighteenth", "nineteen devyatnadtsat nineteenth", "twenty dvadtsat twentieth"),
)
_TENS: Final = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty"} | {
    70: "seventy",
    80: "eighty",
    90: "ninety",
}
# What is written short as often as not, in its short form.
_SHORT: Final = {
    word: words.split()[0]
    for words in (
        *("dr doctor doktor", "mr mister", "mrs missis missus", "st saint", "vs versus", "sgt sergeant"),
        *("capt captain", "lt lieutenant", "jr junior", "prof professor", "vol volume", "pt part"),
    )
    for word in words.split()
}
_NUMBERS: Final = (
    {word: str(number) for number, words in enumerate(_SPELLED) for word in words.split()}
    | {word: str(tens) for tens, word in _TENS.items()}
    | {
        word + unit: str(tens + number)
        for tens, word in _TENS.items()
        for number, units in enumerate(_SPELLED[1:10], 1)
        for unit in {units.split()[0], units.split()[-1]}
    }
    | _SHORT
)
_ORDINAL: Final = re.compile(r"([0-9]+)(?:st|nd|rd|th)")
_MORE_NUMBERS: Final = {"одна": "1", "одно": "1", "две": "2", "трое": "3"}


@value()
class Run:
    """One word in all its forms: as it is spelled, folded, in Latin letters, its stem, its number.

    `stem` is "" for a stop word, `number` the digits of a number, in order or not, the short form of a title such as
    "doctor", or "" for any other word.
    """

    spelled: str
    folded: str
    latin: str
    stem: str
    number: str

    @property
    def forms(self) -> tuple[str, ...]:
        """Return the word in its own script, and in Latin letters where these are others."""
        return (self.folded,) if self.latin in ("", self.folded) else (self.folded, self.latin)

    @property
    def stems(self) -> tuple[str, ...]:
        """Return the stem in its own script, and in Latin letters where these are others; none of a stop word."""
        other = latin(self.stem)
        return tuple(dict.fromkeys(one for one in (self.stem, other) if one))


@value()
class Join:
    """What words between two places are when nothing divides them: "spiderman" for "Spider-Man"."""

    start: int
    stop: int
    run: Run


@value()
class AnalysedText:
    """A text, read: its words in order, what some of them are together, and its signs if it has no word."""

    words: tuple[Run, ...]
    joins: tuple[Join, ...]
    signs: str = ""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Return the words, and behind them what some of them are together."""
        return (*self.words, *[join.run for join in self.joins]) if self.joins else self.words

    @property
    def significant(self) -> bool:
        """Tell whether any word counts alone."""
        return any(word.stem for word in self.words)


def read(text: str, *, plain: bool = False) -> AnalysedText:
    """Return the words of a whole text; `plain`ly every word counts, and has no other stem."""
    found = _read(clean(text).split(), None)
    return _plain(found) if plain else found


def read_first(text: str, *, plain: bool = False) -> AnalysedText:
    """Return the first 16 words of a text: all that is asked for, however long it is (T9)."""
    found = _read(clean(text).split(), MAX_WORDS)
    return _plain(found) if plain else found


def _plain(found: AnalysedText) -> AnalysedText:
    joins = [Join(join.start, join.stop, plain_run(join.run)) for join in found.joins]
    return AnalysedText(tuple(map(plain_run, found.words)), tuple(joins), found.signs)


def plain_run(run: Run) -> Run:
    """Return a word that counts alone, whatever it is, and has no other stem."""
    return run if run.stem == run.folded else replace(run, stem=run.folded)


def _read(chunks: list[str], most: int | None) -> AnalysedText:
    words: list[Run] = []
    joins: list[Join] = []
    for chunk in chunks:
        runs, joined = runs_of(chunk if most is None else chunk[:_LONGEST_CHUNK])
        if joined is not None and (most is None or len(words) + len(runs) <= most):
            joins.append(Join(len(words), len(words) + len(runs), joined))
        words += runs
        if most is not None and len(words) >= most:
            del words[most:]
            break
    if len(words) > 1:
        joins += _initials_apart(words)
    return AnalysedText(tuple(words), tuple(joins), "" if words else "".join(chunks))


def _initials_apart(words: list[Run]) -> list[Join]:
    """Return what letters are together that stand alone side by side, as in "J. J. Abrams"."""
    joins = []
    start = None
    for place, word in enumerate([*words, None]):
        if word is not None and stands_alone(word):
            start = place if start is None else start
        elif start is not None:
            if place - start > 1:
                joined = "".join(one.spelled for one in words[start:place])
                if not _IDEOGRAPH.search(joined):
                    joins.append(Join(start, place, run_of(joined)))
            start = None
    return joins


def stands_alone(word: Run) -> bool:
    """Tell whether a word is a single letter."""
    return len(word.folded) == 1 and word.folded.isalpha()


def runs_of(chunk: str) -> tuple[tuple[Run, ...], Run | None]:
    """Return the words of a clean chunk in order, and what several are together; initials are together anyway."""
    if chunk == "&":
        chunk = "and"
    spelled = (_ASCII_RUN if chunk.isascii() else _RUN).findall(chunk)
    if len(spelled) < 2:
        return _runs(spelled), None
    runs = _runs(_initials_joined(spelled))
    joined = run_of("".join(spelled)) if len(runs) > 1 and not _IDEOGRAPH.search(chunk) else None
    return runs, joined


def _runs(spelled: list[str]) -> tuple[Run, ...]:
    return tuple([run for one in spelled if (run := run_of(one)).folded])


def _initials_joined(spelled: list[str]) -> list[str]:
    """Return words, with letters that stand alone side by side as one."""
    joined: list[str] = []
    beside = False
    for one in spelled:
        alone = len(one) == 1 and one.isalpha() and not _IDEOGRAPH.match(one)
        if alone and beside:
            joined[-1] += one
        else:
            joined.append(one)
        beside = alone
    return joined


@lru_cache(65_536)
def run_of(spelled: str) -> Run:
    """Return a clean word in all its forms."""
    spelled = spelled[:LONGEST]
    folded = fold(spelled)[:LONGEST]
    other = latin(folded)[:LONGEST]
    return Run(spelled, folded, other, _stem(spelled, folded), _number(folded, other))


def stem_of(word: str) -> str:
    """Return the stem of a word of small ASCII letters and digits; "" for a stop word."""
    stems = analyze_word(word)
    return stems[0] if stems else ""


def number_of(word: str) -> str:
    """Return the number of a word of small ASCII letters and digits, or ""."""
    return _NUMBERS.get(word, "") if word.isalpha() else _number(word, word)


def _number(folded: str, other: str) -> str:
    if folded.isdecimal():
        return folded
    if ordinal := _ORDINAL.fullmatch(folded):
        return ordinal[1]
    return _NUMBERS.get(other) or _MORE_NUMBERS.get(folded, "")


def _stem(spelled: str, folded: str) -> str:
    """Return the stem of a word, folded; "" for a stop word."""
    if folded.isascii():
        if folded.isdecimal():
            return folded
        stems = analyze_word(folded)
    else:
        stems = analyze(spelled)
    if len(stems) != 1:  # none: a stop word, or signs of a script that the analyzer divides otherwise
        return folded if stems or not _is_word(folded) else ""
    return fold(stems[0]) or folded


def _is_word(folded: str) -> bool:
    return folded.isalnum()
