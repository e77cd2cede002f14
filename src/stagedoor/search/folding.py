"""Which texts count as one: characters folded, scripts told apart, Cyrillic written in Latin letters.

    clean ▸ NFKC ▸ lower case ▸ no apostrophes            what is divided into words, and how a word is spelled
    fold  ▸ no accents, no ligatures, one form a letter   how words compare (Unicode 3.13, D145; UAX 15)
    latin ▸ Cyrillic in Latin letters                     a second form of a word, beside its own

Marks are dropped where they are accents (Latin, Greek, Cyrillic, Hebrew points, Arabic vowels), not where they are the
vowels of a script. A letter that no decomposition makes plain (a stroke, a ligature) has a line in `_PLAIN`.
"""

from functools import lru_cache
from typing import Final
from unicodedata import normalize

__all__ = ["clean", "fold", "in_english", "latin", "other_layout"]

# Apostrophes and what stands for them; soft hyphens, joiners and marks of direction, which nobody sees.
_NOTHING: Final = dict.fromkeys(
    map(
        ord,
        "'`\u2018\u2019\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u02c8\u00b4\uff07\u05f3\u00ad\u00ae\u2122\u2120",
    ),
    None,
) | dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF], None)
# A fraction is a word of its own: "8 1/2", which compatibility would glue to the number before it.
_FRACTIONS: Final = {code: f" {chr(code)}" for code in (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F))}
_CLEANED: Final = {**_NOTHING, **_FRACTIONS}

_PLAIN: Final = str.maketrans(
    {
        "\u00e6": "ae",
        "\u0153": "oe",
        "\u00f8": "o",
        "\u0142": "l",
        "\u0111": "d",
        "\u00f0": "d",
        "\u00fe": "th",
        "\u0127": "h",
        "\u0131": "i",
        "\u014b": "n",
        "\u0167": "t",
        "\u0259": "a",
        "\u0180": "b",
        "\u0268": "i",
        "\u0197": "i",
    }
)
_ACCENTS: Final = dict.fromkeys(
    [
        *range(0x300, 0x370),
        *range(0x483, 0x488),
        *range(0x591, 0x5C8),
        *range(0x610, 0x61B),
        *range(0x64B, 0x660),
        0x670,
        *range(0x1AB0, 0x1B00),
        *range(0x1DC0, 0x1E00),
        *range(0x20D0, 0x2100),
        *range(0xFE20, 0xFE30),
    ],
    None,
)

_LATIN: Final = str.maketrans(
    dict(zip("абвгдезийклмнопрстуфыэіјѕґђћ", "abvgdeziiklmnoprstufyeijzgdc", strict=True))
    | dict(
        zip(
            "жхцчшщъьюяєљњџ",
            "zh kh ts ch sh shch ' ' yu ya e lj nj dz".replace("'", "").split(" "),
            strict=True,
        )
    )
)

_KEYS: Final = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_CYRILLIC_KEYS: Final = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_UPPER_KEYS: Final = '~QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>'
_TO_CYRILLIC: Final = str.maketrans(_KEYS + _UPPER_KEYS, _CYRILLIC_KEYS + _CYRILLIC_KEYS.upper())
_TO_LATIN: Final = str.maketrans(_CYRILLIC_KEYS + _CYRILLIC_KEYS.upper(), _KEYS + _UPPER_KEYS)


def clean(text: str) -> str:
    """Return a text in small letters and compatible forms, without apostrophes: as it is divided into words."""
    if text.isascii():
        return text.replace("'", "").replace("`", "").lower()
    return normalize("NFKC", text.translate(_CLEANED)).lower().translate(_NOTHING)


def fold(word: str) -> str:
    """Return a clean word as it is compared: plain letters."""
    return word if word.isascii() else _folded(word)


@lru_cache(65_536)
def _folded(word: str) -> str:
    bare = normalize("NFD", word.casefold()).translate(_ACCENTS)
    return normalize("NFC", bare).translate(_PLAIN)


def latin(word: str) -> str:
    """Return a folded word with its Cyrillic letters in Latin ones; a word without any is itself."""
    return word if word.isascii() else word.translate(_LATIN)


_ENGLISH: Final = (("dzh", "j"), ("kk", "cK"), ("kh", "h"), ("ks", "x"), ("ts", "c"), ("k", "c"))


def in_english(word: str) -> str:
    """Return how English may have a word that `latin` gives: "casablanca" for "kasablanka"."""
    for ours, theirs in _ENGLISH:
        word = word.replace(ours, theirs)
    return word.lower()


def other_layout(text: str) -> str:
    """Return what the keys give in the other keyboard layout, Russian or English; "" for one of both or none."""
    in_cyrillic = any("\u0400" <= letter <= "\u04ff" for letter in text)
    in_latin = any("a" <= letter <= "z" for letter in text.lower())
    if in_cyrillic == in_latin:
        return ""
    return text.translate(_TO_LATIN if in_cyrillic else _TO_CYRILLIC)
