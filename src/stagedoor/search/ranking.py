"""How relevant a document is to a text: the one place that says so, for every engine.

Theory. A text is up to 16 words. Each of them that a document has, in whatever way, counts first (`each`); only among
documents with as many of the words it matters how near they are, and in which text. So the score is a sum over words of
the best way in which each is met, all of them whole numbers: exact in single precision, in any order of addition, and
the same on every engine, since nothing depends on how frequent a word is, here or there.

    main text (of the greatest weight)     exact 34   joined 32   number 30   stem 28   neighbours joined 24
                                           one error 18   two errors 11
    the others                             exact 24   joined 23   stem 16   one error 6   two errors 2

`each` is more than all that these can differ by, whatever the number of words. A title that is the text as a whole
counts as every word met exactly, and 40; one that begins with it, and 12; one that is a single error away, as every
word met with an error, and 10. Of four words or fewer, one that is a title without blanks, or begins one, is met as
neighbours joined. What another keyboard layout makes of the text counts words exactly, and less than any word counts
otherwise. Beside all that, without making a match: 4 for a stop word, 1 for a word spelled as it was typed, 1 for a
title that has the article that was typed before all of it, and of one word, for titles of one word that begin with its
first letter, how likely it is that they were meant: 4 where two letters were left out, 3 for one, 2 for a wrong one, 3
where two neighbours were exchanged, 1 for one too many. Few ways lead to a letter left out, 26 times as many to a wrong
one.

A text of stop words alone, or of signs, is met by titles that equal it, and by nothing else.

What is met is said by three kinds of condition, which an engine translates; what a document has, in `places`. Equal
scores are told apart by the index's `ties`.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from stagedoor._value import value
from stagedoor.search.analysis import edits, forgiven
from stagedoor.search.folding import in_english, other_layout
from stagedoor.search.places import (
    ARTICLES,
    EXACT,
    FEW_LETTERS,
    WHOLE,
    WORDS,
    first_letters,
    of_length,
    part,
    stops_of,
    wholes,
)
from stagedoor.search.query import Begins, Words
from stagedoor.search.schema import Index, WordPlace
from stagedoor.search.words import AnalysedText, Run, read_first, run_of

__all__ = ["LEAST", "Condition", "Has", "Near", "Ranking", "Starts", "Word", "Worth", "members", "ranking_of"]

_WHOLE, _BEGINNING, _WHOLE_NEAR = 40, 12, 10
_STOP, _SPELLED = 4, 1
_LENGTHS: Final = {-2: 1, -1: 1, 0: 2, 1: 3, 2: 4}  # letters that a title of one word has more: points
_EXCHANGED: Final = 1
_LAYOUT, _LAYOUT_BESIDE = 3, 2
LEAST: Final = 100  # points of a word that is met
_LEAST_LATIN: Final = 5  # letters of a Cyrillic word
_SHORTEST, _LONGEST = 6, 16  # letters of a joined text that forgives an error, or may be a title
_FEW: Final = 4  # words of a text of which one may be such a title


@value()
class Has:
    """The part has this word."""

    part: str
    word: str


@value()
class Near:
    """The part has a word that is so many typing errors away, or fewer; with two, the first letter is right."""

    part: str
    word: str
    errors: int


@value()
class Starts:
    """The part has a word that starts with this."""

    part: str
    word: str


Condition: TypeAlias = Has | Near | Starts


@value()
class Worth:
    """Any of these conditions is worth so many points."""

    points: int
    conditions: tuple[Condition, ...]


Word: TypeAlias = tuple[Worth, ...]  # the best of which counts


@value()
class Ranking:
    """What a document scores: the best of the sum over words, a title met whole, and the other layout's sum; and more.

    Without any of the first three it is no match, whatever else it has; if `every`, without any of the words.
    """

    words: tuple[Word, ...]
    whole: tuple[Worth, ...]
    layout: tuple[Word, ...]
    more: tuple[Worth, ...]
    every: bool = False


@value()
class _Table:
    """What meeting a word is worth in one kind of text; 0: it is not met so."""

    exact: int
    joined: int
    number: int
    stem: int
    neighbours: int
    one: int
    two: int


_MAIN: Final = _Table(exact=34, joined=32, number=30, stem=28, neighbours=24, one=18, two=11)
_BESIDE: Final = _Table(exact=24, joined=23, number=0, stem=16, neighbours=0, one=6, two=2)
_SPREAD: Final = _MAIN.exact - _BESIDE.two + _SPELLED + max(_LENGTHS.values())


@lru_cache(64)
def ranking_of(match: Words, index: Index) -> Ranking | None:
    """Return how documents of an index meet a text, which is remembered for what counts them; None if none can."""
    places = index.places_of(name for name, _ in match.fields)
    plain = any(place.plain for place in places)  # then all are
    text = read_first(match.text, plain=plain)
    if isinstance(match, Begins):
        return _typed(text, places)
    heaviest = max(weight for _, weight in match.fields)
    main = index.places_of(name for name, weight in match.fields if weight == heaviest)
    others = [name for name, weight in match.fields if weight != heaviest]
    beside = index.places_of(others) if others else ()
    titles = [place for place in main if place.title]
    if not text.significant:
        return _whole_of_stops(text, titles)
    count = len({word.folded for word in text.words if word.stem})
    each = max(LEAST, _SPREAD * count + _STOP * (len(text.words) - count) + _BEGINNING)
    other = read_first(other_layout(match.text), plain=plain)
    return Ranking(
        words=_words(text, main, beside, each),
        whole=(*_whole(text, titles, each, count), *_whole_in_layout(other, titles)),
        layout=_other_layout(other, main, beside),
        more=(*_more(text, main), *_likely(text, titles), *_with_article(text, titles)),
    )


def members(ranking: Ranking) -> tuple[Condition, ...]:
    """Return the conditions of which a match meets any, each once, without those that another includes."""
    worths = [
        *(worth for words in (ranking.words, ranking.layout) for word in words for worth in word),
        *ranking.whole,
    ]
    found = dict.fromkeys(condition for worth in worths for condition in worth.conditions)
    near = {(one.part, one.word) for one in found if isinstance(one, Near)}
    return tuple(one for one in found if isinstance(one, Near) or (one.part, one.word) not in near)


def _whole_of_stops(text: AnalysedText, titles: Sequence[WordPlace]) -> Ranking | None:
    said = stops_of(text)
    if not (said and titles):
        return None
    has = tuple(Has(part(place.name, EXACT), "$" + said) for place in titles)
    return Ranking((), (Worth(LEAST, has),), (), ())


def _typed(text: AnalysedText, places: Sequence[WordPlace]) -> Ranking | None:
    """Return how titles meet a text that is being typed: every word as it is, of the last one the beginning."""
    names, exact = ([part(place.name, one) for place in places] for one in (WORDS, EXACT))
    if not text.words:
        return None
    each = max(LEAST, _SPREAD * len(text.words))
    met = [
        Worth(
            each + _MAIN.exact,
            (
                *_has(names, word.forms),
                *_has(exact, ["-" + word.folded, *(["#" + word.number] * bool(word.number))]),
            ),
        )
        for word in text.words
    ]
    last = text.words[-1]
    starts = [Starts(name, form) for name in names for form in last.forms]
    starts += [Starts(name, "-" + last.folded) for name in exact]
    words = [(one,) for one in met[:-1]] + [(met[-1], Worth(each + _MAIN.stem, tuple(starts)))]
    own, other = ("".join(getattr(word, form) for word in text.words) for form in ("folded", "latin"))
    titles = [place.name for place in places if place.title]
    whole = [_begun(title, form) for title in titles for form in dict.fromkeys((own, other or own))]
    worth = Worth((each + _MAIN.exact) * len(text.words) + _WHOLE, tuple(whole))
    return Ranking(tuple(words), (worth,) if whole else (), (), _spelled_so(text, exact), every=True)


def _spelled_so(text: AnalysedText, exact: Iterable[str]) -> tuple[Worth, ...]:
    """Return what it is worth to be spelled as it was typed, where that is not how words compare."""
    *before, last = text.words
    found = [
        Worth(_SPELLED, _has(exact, ["=" + word.spelled])) for word in before if word.spelled != word.folded
    ]
    if last.spelled != last.folded:
        found.append(Worth(_SPELLED, tuple(Starts(name, "=" + last.spelled) for name in exact)))
    return tuple(found)


def _begun(title: str, form: str) -> Condition:
    """Return how a title is met that begins with this, in one."""
    if len(form) <= FEW_LETTERS:
        return Has(part(title, EXACT), first_letters(form))
    return Starts(part(title, WHOLE), form)


# --- words --------------------------------------------------------------------------------------------------------


def _words(
    text: AnalysedText, main: Sequence[WordPlace], beside: Sequence[WordPlace], each: int
) -> tuple[Word, ...]:
    allowed = forgiven(word.spelled for word in text.words if word.stem)
    joined = _joined(text)
    made: dict[str, Word] = {}
    for position, word in enumerate(text.words):
        if not word.stem or word.folded in made:
            continue
        runs, errors = joined.get(position, []), allowed[word.spelled]
        ways = [
            Worth(each + points, conditions)
            for table, places in ((_MAIN, main), (_BESIDE, beside))
            for points, conditions in _met(word, runs, table, places, errors)
            if points
        ]
        if len(text.words) <= _FEW:
            ways.append(_blank_left_out(word, main, each))
        made[word.folded] = _each_once(ways)
    return tuple(made.values())


def _each_once(ways: Iterable[Worth]) -> Word:
    """Return ways in which a word is met, the best first in each text, without what a better one is met by already."""
    known: set[Condition] = set()
    left = []
    for way in ways:
        if conditions := tuple(one for one in dict.fromkeys(way.conditions) if one not in known):
            left.append(Worth(way.points, conditions))
            known.update(conditions)
    return tuple(left)


def _met(
    word: Run, joined: Sequence[tuple[bool, Run]], table: _Table, places: Sequence[WordPlace], errors: int
) -> Iterable[tuple[int, tuple[Condition, ...]]]:
    """Yield how a word may be met in these places, and what each is worth."""
    names = [part(place.name, WORDS) for place in places]
    exact = [part(place.name, EXACT) for place in places]
    yield table.exact, _has(names, word.forms)
    yield table.joined, _has(names, [form for divided, run in joined if not divided for form in run.forms])
    numbers = dict.fromkeys(one.number for one in (word, *[run for _, run in joined]) if one.number)
    yield table.number, _has(exact, ["#" + number for number in numbers])
    yield table.stem, _has([*names, *exact], word.stems)
    apart = [form for divided, run in joined if divided for form in run.forms]
    yield table.neighbours, _has(names, [*_in_english(word), *apart])
    if errors:
        yield table.one, _near(names, _forgiving(word), 1)
    if errors > 1:
        yield table.two, _near(names, [form for form in _forgiving(word) if edits(form) > 1], 2)


def _blank_left_out(word: Run, places: Sequence[WordPlace], each: int) -> Worth:
    """Return how a word is met that may be a title, or its beginning, without blanks: "killbill" for "Kill Bill 2"."""
    titles = [place.name for place in places if place.title] if len(word.folded) >= _SHORTEST else []
    beginnings = _has((part(name, EXACT) for name in titles), ["^" + form for form in word.forms])
    whole = _has((part(name, WHOLE) for name in titles), word.forms)
    return Worth(each + _MAIN.neighbours, (*whole, *beginnings))


def _forgiving(word: Run) -> Sequence[str]:
    """Return the forms of a word that forgive errors: a short one in Latin letters would be near too much."""
    if len(word.folded) < _LEAST_LATIN:
        return word.forms[:1]
    return list(dict.fromkeys([*word.forms, *_in_english(word)]))


def _in_english(word: Run) -> Sequence[str]:
    """Return how English may have a Cyrillic word, which counts as neighbours joined."""
    return [in_english(word.latin)] if word.latin not in ("", word.folded) else []


def _joined(text: AnalysedText) -> dict[int, list[tuple[bool, Run]]]:
    """Return, by the place of a word, what it is together with others: signs may divide them, or a blank (True)."""
    found: dict[int, list[tuple[bool, Run]]] = {}
    spans = set()
    for join in text.joins:
        spans.add((join.start, join.stop))
        for place in range(join.start, join.stop):
            found.setdefault(place, []).append((False, join.run))
    for place, (one, other) in enumerate(zip(text.words, text.words[1:], strict=False)):
        if one.stem and other.stem and (place, place + 2) not in spans:
            both = one.folded + other.folded
            run = Run("", both, one.latin + other.latin, "", run_of(both).number)
            found.setdefault(place, []).append((True, run))
            found.setdefault(place + 1, []).append((True, run))
    return found


def _has(names: Iterable[str], words: Iterable[str]) -> tuple[Condition, ...]:
    said = tuple(words)
    return tuple(Has(name, word) for name in names for word in said)


def _near(names: Iterable[str], words: Iterable[str], errors: int) -> tuple[Condition, ...]:
    said = tuple(words)
    return tuple(Near(name, word, errors) for name in names for word in said)


# --- texts as a whole ---------------------------------------------------------------------------------------------


def _whole(text: AnalysedText, titles: Sequence[WordPlace], each: int, count: int) -> tuple[Worth, ...]:
    forms = wholes(text)
    names = [part(place.name, WHOLE) for place in titles]
    exact = [part(place.name, EXACT) for place in titles]
    own = "".join(word.folded for word in text.words)
    met = (each + _MAIN.exact) * count
    found = [
        Worth(met + _WHOLE, _has(names, forms)),
        Worth(met + _BEGINNING, _has(exact, ["^" + form for form in forms])),
    ]
    if _SHORTEST <= len(own) <= _LONGEST:
        other = "".join(word.latin for word in text.words)
        near = _near(names, [own] if other in ("", own) else [own, other], 1)
        found.append(Worth((each + _MAIN.one) * count + _WHOLE_NEAR, near))
    return tuple(found) if names else ()


def _whole_in_layout(read: AnalysedText, titles: Sequence[WordPlace]) -> tuple[Worth, ...]:
    names = [part(place.name, WHOLE) for place in titles]
    return (Worth(_LAYOUT * len(read.words) + 1, _has(names, wholes(read))),) if names and read.words else ()


def _other_layout(
    read: AnalysedText, main: Sequence[WordPlace], beside: Sequence[WordPlace]
) -> tuple[Word, ...]:
    """Return what the words are worth that the other keyboard layout makes of a text."""
    names = [part(place.name, WORDS) for place in main]
    others = [part(place.name, WORDS) for place in beside]
    words = dict.fromkeys(word.folded for word in read.words if word.stem)
    ways = [(_LAYOUT, names), *([(_LAYOUT_BESIDE, others)] if others else [])]
    return tuple(tuple(Worth(points, _has(texts, [word])) for points, texts in ways) for word in words)


def _more(text: AnalysedText, main: Sequence[WordPlace]) -> tuple[Worth, ...]:
    exact = [part(place.name, EXACT) for place in main if not place.shared]  # which has neither
    said = dict.fromkeys(
        ("=" + word.spelled, _SPELLED) if word.stem else ("-" + word.folded, _STOP) for word in text.words
    )
    return tuple(Worth(points, _has(exact, [word])) for word, points in said if exact)


def _likely(text: AnalysedText, titles: Sequence[WordPlace]) -> tuple[Worth, ...]:
    """Return what titles of one word are worth for how the word that was typed may have come of them."""
    word = text.words[0].folded
    if len(text.words) > 1 or not titles or len(word) > _LONGEST:
        return ()
    exact = [part(place.name, EXACT) for place in titles]
    lengths = ((of_length(word[0], len(word) + more), points) for more, points in _LENGTHS.items())
    found = [Worth(points, _has(exact, [length])) for length, points in lengths]
    if exchanged := _exchanged(word):
        found.append(Worth(_EXCHANGED, _has((part(place.name, WHOLE) for place in titles), exchanged)))
    return tuple(found)


def _with_article(text: AnalysedText, titles: Sequence[WordPlace]) -> tuple[Worth, ...]:
    """Return what a title is worth that was typed with its article: there may be another without."""
    if not titles or len(text.words) < 2 or text.words[0].folded not in ARTICLES:
        return ()
    whole = "".join(word.folded for word in text.words)
    return (Worth(_SPELLED, _has((part(place.name, WHOLE) for place in titles), [whole])),)


def _exchanged(word: str) -> Sequence[str]:
    """Return what a word may have been before two neighbours were exchanged, but for its first letter."""
    return [
        f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}"
        for place in range(1, len(word) - 1)
        if word[place] != word[place + 1]
    ]
