"""What of a text met a question: marked for whoever reads it, and put right where only something near was met.

A chunk between blanks is marked as a whole where it is one word to a reader ("S.W.A.T.", "Spider-Man" for `spiderman`),
else word by word. Texts are escaped for HTML (WHATWG HTML 13.3), so that what is returned is safe to insert.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import Final

from stagedoor.search.analysis import forgiven
from stagedoor.search.folding import in_english, other_layout
from stagedoor.search.nearness import is_near
from stagedoor.search.words import MARKS, AnalysedText, Run, read, read_first

__all__ = ["marked", "meant"]

_PARTS: Final = re.compile(r"(\s+)")
_RUNS: Final = re.compile(rf"((?:[^\W_]|['\u2019{MARKS}])+)")


def marked(text: str, asked: str, *, before: str = "<em>", after: str = "</em>") -> str | None:
    """Return a text with the words marked that a question met, escaped for HTML; None if it met none."""
    if signs := _signs_of(asked):
        return f"{before}{escape(text)}{after}" if read(text).signs == signs else None
    chunks = _PARTS.split(text)
    for read_as in (str, other_layout):
        parts = [*map(_marking(read_as(asked), before, after), chunks)]
        if any(found for _, found in parts):
            return "".join([part for part, _ in parts])
    return None


def meant(asked: str, texts: Iterable[str]) -> str | None:
    """Return a question as it was meant, where these texts of the best document have only words that are near its own.

    None where a word is there as it was typed: then the question was understood.
    """
    question = read_first(asked)
    known = [run for text in texts for run in read(text).runs]
    words = [word for word in question.words if word.stem]
    if not words or any(_same(word, one) for word in words for one in known):
        return None
    allowed = forgiven(word.spelled for word in words)
    nearest = {word.spelled: _nearest(word, known, allowed[word.spelled]) for word in words}
    if any(nearest.values()):
        return " ".join(nearest.get(word.spelled) or word.spelled for word in question.words)
    other = other_layout(asked)
    return other if any(_same(word, one) for word in read_first(other).words for one in known) else None


def _nearest(word: Run, known: list[Run], errors: int) -> str:
    for allowed in range(1, errors + 1):
        for one in known:
            if one.stem and any(is_near(form, held, allowed) for form in word.forms for held in one.forms):
                return one.spelled
    return ""


@lru_cache(16)  # one question is asked of all the texts of a page, in which words come again
def _signs_of(asked: str) -> str:
    """Return the signs of a question without a word, which only a text of the same ones meets."""
    return read_first(asked).signs


@lru_cache(16)
def _marking(asked: str, before: str, after: str) -> Callable[[str], tuple[str, bool]]:
    """Return what marks a chunk between blanks, and tells whether there was anything to mark."""
    meets = _meeting(asked)
    return lru_cache(4_096)(lambda chunk: _marked_chunk(chunk, meets, before, after))


def _meeting(asked: str) -> Callable[[Run], bool]:
    """Return what tells whether a word was met, as it is or with errors; stop words where there is no other."""
    question = read_first(asked)
    runs = [run for run in question.runs if run.stem or not question.significant]
    forms, stems = {one for run in runs for one in _asked_as(run)}, {one for run in runs for one in run.stems}
    numbers = {run.number for run in runs if run.number}
    near = _by_length(runs)

    @lru_cache(4_096)
    def meets(one: Run) -> bool:
        if one.number in numbers or not (forms.isdisjoint(one.forms) and stems.isdisjoint(one.stems)):
            return True
        return bool(one.stem) and any(
            is_near(form, held, errors) for held in one.forms for form, errors in near.get(len(held), ())
        )

    return meets


def _asked_as(run: Run) -> Sequence[str]:
    """Return the forms of a word in a question, with how English may have a Cyrillic one."""
    return (*run.forms, in_english(run.latin)) if len(run.forms) > 1 else run.forms


def _by_length(runs: Iterable[Run]) -> dict[int, list[tuple[str, int]]]:
    """Return, by the length of a word, which forms it may be near, and with how many errors."""
    allowed = forgiven(run.spelled for run in runs if run.stem)
    found: dict[int, list[tuple[str, int]]] = {}
    for run in runs:
        for errors in range(1, allowed.get(run.spelled, 0) + 1):
            for form in _asked_as(run):
                for length in range(len(form) - errors, len(form) + errors + 1):
                    found.setdefault(length, []).append((form, errors))
    return found


def _same(word: Run, one: Run) -> bool:
    return (
        not {*word.forms}.isdisjoint(one.forms)
        or not {*word.stems}.isdisjoint(one.stems)
        or (word.number != "" and word.number == one.number)
    )


def _marked_chunk(chunk: str, meets: Callable[[Run], bool], before: str, after: str) -> tuple[str, bool]:
    pieces, whole, words = _pieces_of(chunk)
    if any(map(meets, whole)):
        inside = escape("".join(pieces[1:-1]))
        return f"{escape(pieces[0])}{before}{inside}{after}{escape(pieces[-1])}", True
    hits = {1 + 2 * place for place, runs in enumerate(words) if any(map(meets, runs))}
    shown = [
        f"{before}{escape(piece)}{after}" if place in hits else escape(piece)
        for place, piece in enumerate(pieces)
    ]
    return "".join(shown), bool(hits)


@lru_cache(4_096)
def _pieces_of(chunk: str) -> tuple[Sequence[str], Sequence[Run], Sequence[Sequence[Run]]]:
    """Return what divides a chunk, with its words at odd places; what all of it is in one; and what each word is."""
    pieces = _RUNS.split(chunk)
    words = [read(piece).runs for piece in pieces[1::2]]
    return pieces, _in_one(read(chunk)) if len(words) > 1 else (), words


def _in_one(found: AnalysedText) -> Sequence[Run]:
    """Return what all of a chunk is in one: initials, or words that its signs join."""
    return found.words if len(found.words) == 1 else [join.run for join in found.joins]
