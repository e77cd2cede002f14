"""Questions of many kinds, made of titles and people by chance, the same ones for the same seed.

A question is a text and the films that it may mean: those of the title that it was made of.
"""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, TypeAlias
from unicodedata import combining, normalize

from bench.search.films import Films
from stagedoor.search.folding import latin, other_layout
from stagedoor.search.words import read

__all__ = ["KINDS", "Ask", "asks"]

Ask: TypeAlias = tuple[str, frozenset[str]]
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_LONG: Final = 7  # letters of a long word


def asks(kind: str, films: Films, count: int) -> list[Ask]:
    """Return so many questions of a kind, or as many as the films give; none twice."""
    rng = Random(f"search {kind}")
    made: dict[str, frozenset[str]] = {}
    source = list(KINDS[kind](films, rng))
    rng.shuffle(source)
    for text, means in source:
        made[text] = made.get(text, frozenset()) | means
        if len(made) == count:
            break
    return list(made.items())


def mistyped(word: str, rng: Random) -> str:
    """Return a word with one letter left out, put in, replaced, or exchanged with the next; the first one stays."""
    place = rng.randrange(1, len(word))
    front, back = word[:place], word[place:]
    letter = rng.choice(_LETTERS)
    typed = rng.choice(
        [
            front + back[1:],
            front + letter + back,
            front + letter + back[1:],
            front + back[1:2] + back[:1] + back[2:],
        ]
    )
    return typed if typed != word else mistyped(word, rng)


def _titles(films: Films, pattern: str = "") -> list[str]:
    return [title for title in films.titles if re.search(pattern, title)]


def _exact(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        yield title, films.by_title[title]


def _error_in_long_word(films: Films, rng: Random) -> Iterator[Ask]:
    for title in films.titles:
        words = title.split()
        long = [place for place, word in enumerate(words) if len(word) >= _LONG and word.isalpha()]
        if len(words) > 1 and long:
            place = rng.choice(long)
            words[place] = mistyped(words[place].lower(), rng)
            yield " ".join(words), films.by_title[title]


def _errors(count: int, least: int) -> Callable[[Films, Random], Iterator[Ask]]:
    def made(films: Films, rng: Random) -> Iterator[Ask]:
        for title in films.titles:
            if title.isalpha() and title.isascii() and len(title) >= least:
                typed = title.lower()
                for _ in range(count):
                    typed = mistyped(typed, rng)
                if typed != title.lower():
                    yield typed, films.by_title[title]

    return made


def _without_accents(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        plain = "".join(letter for letter in normalize("NFD", title) if not combining(letter))
        if plain != title:
            yield plain, films.by_title[title]


def _stop_words(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        if not read(title).significant:
            yield title, films.by_title[title]


def _two_words(films: Films, rng: Random) -> Iterator[Ask]:
    for title in films.titles:
        words = [word for word in re.findall(r"\w+", title) if len(word) > 3]
        if len(words) > 2:
            yield " ".join(rng.sample(words, 2)), films.by_title[title]


def _director_and_word(films: Films, rng: Random) -> Iterator[Ask]:
    for document, name in films.directed():
        words = [word for word in re.findall(r"\w+", document["title"]) if len(word) > 3]
        if words:
            yield f"{name.split()[-1]} {rng.choice(words)}", films.by_title[document["title"]]


def _hyphens_joined(films: Films, _: Random) -> Iterator[Ask]:
    for title in _titles(films, r"\w-\w"):
        yield re.sub(r"(\w)-(\w)", r"\1\2", title), films.by_title[title]


def _hyphens_divided(films: Films, _: Random) -> Iterator[Ask]:
    for title in _titles(films, r"\w-\w"):
        yield re.sub(r"(\w)-(\w)", r"\1 \2", title), films.by_title[title]


def _initials(films: Films, _: Random) -> Iterator[Ask]:
    for title in _titles(films, r"\b\w[.*]\w\b"):
        yield re.sub(r"[.*]", "", title), films.by_title[title]


def _apostrophes_left_out(films: Films, _: Random) -> Iterator[Ask]:
    for title in _titles(films, r"\w['\u2019]\w"):
        yield re.sub(r"['\u2019]", "", title), films.by_title[title]


def _possessives_left_out(films: Films, _: Random) -> Iterator[Ask]:
    for title in _titles(films, r"\w['\u2019]s\b"):
        yield re.sub(r"['\u2019]s\b", "", title), films.by_title[title]


_WORDS_OF: Final = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_NUMBERS: Final = dict(zip(_WORDS_OF, map(str, range(1, 13)), strict=True))
_DIGITS: Final = {number: word for word, number in _NUMBERS.items()}


def _numbers(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        words = title.lower().split()
        said = [_NUMBERS.get(word) or _DIGITS.get(word, word) for word in words]
        if said != words and len(words) > 1:
            yield " ".join(said), films.by_title[title]


_BACK: Final = (
    ("shch", "щ"),
    ("sh", "ш"),
    ("ch", "ч"),
    ("zh", "ж"),
    ("kh", "\u0445"),
    ("ts", "ц"),
    ("yu", "ю"),
    ("ya", "я"),
)
_ONE: Final = str.maketrans("abvgdeziklmnoprstufy", "абвгдезиклмнопрстуфы")


def _transliterated(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        typed = title.lower()
        for few, one in _BACK:
            typed = typed.replace(few, one)
        typed = typed.translate(_ONE)
        if latin(typed) == title.lower() and not re.search("[a-z]", typed) and len(typed) > 3:
            yield typed, films.by_title[title]


def _other_layout(films: Films, _: Random) -> Iterator[Ask]:
    for title in films.titles:
        if re.fullmatch(r"[A-Za-z ]{4,}", title):
            yield other_layout(title.lower()), films.by_title[title]


KINDS: Final[dict[str, Callable[[Films, Random], Iterator[Ask]]]] = {
    "exact titles": _exact,
    "one error in a long word": _error_in_long_word,
    "one error, one-word title": _errors(1, 4),
    "two errors, one-word title": _errors(2, 6),
    "accents left out": _without_accents,
    "titles of stop words": _stop_words,
    "two words of a title": _two_words,
    "director and a word": _director_and_word,
    "hyphen joined": _hyphens_joined,
    "hyphen divided": _hyphens_divided,
    "initials joined": _initials,
    "apostrophe left out": _apostrophes_left_out,
    "possessive left out": _possessives_left_out,
    "number words and digits": _numbers,
    "Latin title in Cyrillic": _transliterated,
    "wrong keyboard layout": _other_layout,
}
