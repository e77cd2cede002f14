"""What of a text met a question: marked for whoever reads it, and put right where only something near was met.

A chunk between blanks is marked as a whole where it is one word to a reader ("S.W.A.T.", "Spider-Man" for `spiderman`),
else word by word. Texts are escaped for HTML (WHATWG HTML 13.3), so that what is returned is safe to insert.
"""

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from stagedoor.search.analysis import forgiven
from stagedoor.search.folding import other_layout
from stagedoor.search.nearness import is_near
from stagedoor.search.words import AnalysedText, Run, read, read_first

__all__ = ["marked", "meant"]

_PARTS: Final = re.compile(r"(\s+)")
_RUNS: Final = re.compile(r"((?:[^\W_]|['\u2019\u0300-\u036f])+)")


def marked(text: str, asked: str, *, before: str = "<em>", after: str = "</em>") -> str | None:
    """Return a text with the words marked that a question met, escaped for HTML; None if it met none."""
    for said in (asked, other_layout(asked)):
        meets = _meeting(read_first(said))
        parts = [_marked_chunk(part, meets, before, after) for part in _PARTS.split(text)]
        if any(found for _, found in parts):
            return "".join(part for part, _ in parts)
    return None


def meant(asked: str, texts: Iterable[str]) -> str | None:
    """Return a question as it was meant, where these texts of the best document have only words that are near its own.

    None where a word is there as it was typed: then the question was understood.
    """
    question = read_first(asked)
    known = [run for text in texts for run in _runs(read(text))]
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
            if one.stem and any(is_near(form, one.folded, allowed) for form in word.forms):
                return one.spelled
    return ""


def _meeting(question: AnalysedText) -> Callable[[Run], bool]:
    """Return what tells whether a word was met, as it is or with errors; stop words where there is no other."""
    runs = [run for run in _runs(question) if run.stem or not question.significant]
    allowed = forgiven(run.spelled for run in runs if run.stem)

    def meets(one: Run) -> bool:
        return any(
            _same(run, one)
            or (
                one.stem != ""
                and any(
                    is_near(form, one.folded, errors) for form in run.forms for errors in _steps(allowed, run)
                )
            )
            for run in runs
        )

    return meets


def _steps(allowed: dict[str, int], run: Run) -> range:
    return range(1, allowed.get(run.spelled, 0) + 1)


def _same(word: Run, one: Run) -> bool:
    return (
        not {*word.forms}.isdisjoint(one.forms)
        or not {*word.stems}.isdisjoint(one.stems)
        or (word.number != "" and word.number == one.number)
    )


def _runs(text: AnalysedText) -> list[Run]:
    return [*text.words, *(join.run for join in text.joins)]


def _marked_chunk(chunk: str, meets: Callable[[Run], bool], before: str, after: str) -> tuple[str, bool]:
    found = read(chunk)
    pieces = _RUNS.split(chunk)  # what divides, and words at odd places
    if len(pieces) > 3 and any(meets(run) for run in _of_all(found)):
        inside = escape("".join(pieces[1:-1]))
        return f"{escape(pieces[0])}{before}{inside}{after}{escape(pieces[-1])}", True
    hits = [place for place in range(1, len(pieces), 2) if any(map(meets, _runs(read(pieces[place]))))]
    shown = [
        f"{before}{escape(piece)}{after}" if place in hits else escape(piece)
        for place, piece in enumerate(pieces)
    ]
    return "".join(shown), bool(hits)


def _of_all(found: AnalysedText) -> list[Run]:
    """Return what all of a chunk is in one: initials, or words that its signs join."""
    return [*found.words] if len(found.words) == 1 else [join.run for join in found.joins]
