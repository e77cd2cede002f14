"""The analyzer `ru_en`, the same on every engine: text in, words to compare out.

    yo as ye ▸ standard tokenizer (UAX 29) ▸ lower case ▸ English possessive, stop, stem ▸ Russian stop, stem

Elasticsearch and OpenSearch are told to build it (`SETTINGS`); here it is built of Tantivy's parts, which come from
the same sources: Lucene's stop words and Snowball's stemmers. Tantivy has no standard tokenizer, so UAX 29 is given
as a regular expression; texts in which it cannot matter take the simple tokenizer, which is five times as fast.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Protocol

from stagedoor.search.query import MAX_WORDS

__all__ = [
    "SETTINGS",
    "analyze",
    "analyze_word",
    "edits",
    "first_words",
    "forgiven",
    "words_as_written",
]

# Snowball 3, which Tantivy has, tells these words apart where Lucene's older one does not: for Lucene they are listed.
_NEWER: Final = {
    "add": "added adding",
    "apolog": "apologist apologists",
    "archaeolog": "archaeologist archaeologists",
    "biolog": "biologist biologists",
    "emergenc": "emergence emergences emergency emergencies",
    "emergent": "emergent",
    "evening": "evening evenings",
    "geolog": "geologist geologists",
    "internal": "internal internally internals",
    "internat": "international internationally internationals",
    "internment": "internment",
    "interstat": "interstate",
    "interval": "interval intervals",
    "lateral": "lateral laterally",
    "organic": "organic organically",
    "organism": "organism organisms",
    "organiz": "organize organizes organized organizer organizers organizing organization organizations",
    "paste": "paste pasted pasting",
    "psycholog": "psychologist psychologists",
    "universal": "universal universals universally universality",
    "universiti": "university universities",
}

SETTINGS: Final[dict[str, Any]] = {
    "char_filter": {"yo": {"type": "mapping", "mappings": ["\u0451=>\u0435", "\u0401=>\u0415"]}},
    "filter": {
        "english_possessive": {"type": "stemmer", "language": "possessive_english"},
        "english_stop": {"type": "stop", "stopwords": "_english_"},
        "english_newer": {
            "type": "stemmer_override",
            "rules": [f"{', '.join(words.split())} => {stem}" for stem, words in _NEWER.items()],
        },
        "english_stemmer": {"type": "stemmer", "language": "porter2"},
        "russian_stop": {"type": "stop", "stopwords": "_russian_"},
        "russian_stemmer": {"type": "stemmer", "language": "russian"},
    },
    "analyzer": {
        "ru_en": {
            "type": "custom",
            "char_filter": ["yo"],
            "tokenizer": "standard",
            "filter": [
                "lowercase",
                "english_possessive",
                "english_stop",
                "english_newer",
                "english_stemmer",
                "russian_stop",
                "russian_stemmer",
            ],
        },
        "plain": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
        "divided": {"type": "custom", "tokenizer": "whitespace"},  # words that are analysed already
    },
}

_MORE = r"[\p{wb=Extend}\p{wb=Format}\p{wb=ZWJ}]*"
_LETTER = rf"[\p{{wb=ALetter}}\p{{wb=Hebrew_Letter}}]{_MORE}"
_DIGIT = rf"\p{{wb=Numeric}}{_MORE}"
_JOINER = rf"\p{{wb=ExtendNumLet}}{_MORE}"
_KATAKANA = rf"\p{{wb=Katakana}}{_MORE}"
_IN_WORD = rf"[\p{{wb=MidLetter}}\p{{wb=MidNumLet}}']{_MORE}"
_IN_NUMBER = rf"[\p{{wb=MidNum}}\p{{wb=MidNumLet}}']{_MORE}"
_RUN = rf"(?:{_LETTER}(?:(?:{_IN_WORD})?{_LETTER})*|{_DIGIT}(?:(?:{_IN_NUMBER})?{_DIGIT})*|(?:{_KATAKANA})+)"
# Line_Break=Complex_Context: Thai, Lao, Burmese, Khmer and their neighbours, a run of which is one word to Lucene.
_COMPLEX = (
    r"[\x{e01}-\x{e3a}\x{e40}-\x{e4e}\x{e81}-\x{ebd}\x{ec0}-\x{ecd}\x{edc}-\x{edf}\x{1000}-\x{103f}\x{1050}-\x{108f}"
    r"\x{109a}-\x{109f}\x{1780}-\x{17d3}\x{17d7}\x{17dc}\x{17dd}\x{1950}-\x{19c9}\x{19da}-\x{19df}\x{1a20}-\x{1a7c}"
    r"\x{1aa0}-\x{1aad}\x{a9e0}-\x{a9ef}\x{a9fa}-\x{a9fe}\x{aa60}-\x{aadf}\x{11700}-\x{1172b}\x{1173a}-\x{1173f}]"
)
_STANDARD = (
    rf"(?:{_JOINER})*{_RUN}(?:(?:{_JOINER})*{_RUN})*(?:{_JOINER})*"
    rf"|[\p{{Han}}\p{{Hiragana}}]{_MORE}|(?:{_COMPLEX}{_MORE})+"
)

# What the two tokenizers may see differently: signs that hold words together, and scripts beyond Latin and Cyrillic.
_TRICKY = re.compile(
    r"\w['.,:;\u00b7\u2018\u2019\u2024\u2027]\w|[_\xb2\xb3\xb9\xbc-\xbe]|[^\x00-\xac\xae-\u024f\u0400-\u0482\u048a-\u052f]"
)
_SUSPECT = re.compile(r"[_'.,:;]")  # all that can be tricky in ASCII, and found five times as fast
_POSSESSIVE = re.compile(r"(?<=[^\W\d_])['\u2019\uff07][sS](?!\w)")


# Old and new Snowball disagree about yo, and so do people; Rust makes two signs of a small Turkish I.
_ALIKE = str.maketrans("\u0451\u0401\u0130", "\u0435\u0415I")
# What accepts all that is near a word costs by its letters: a node needs seconds for one of 255, or gives up (T9).
_LONGEST: Final = 32  # letters of a word that forgives typing errors
_FORGIVEN: Final = 96  # letters of all of them in a text


class _Analyzer(Protocol):
    def analyze(self, text: str) -> list[str]: ...


def analyze(text: str) -> list[str]:
    """Return the words of a text as they are indexed: stemmed, without stop words, in order."""
    if not text.isascii():
        text = text.translate(_ALIKE)
    if _is_plain(text):
        return _analyzers()[0].analyze(text)
    return _analyzers()[1].analyze(_POSSESSIVE.sub("", text))


def analyze_word(word: str) -> list[str]:
    """Return the stem of a word of ASCII letters and digits; nothing for a stop word."""
    return _english().analyze(word)


def _is_plain(text: str) -> bool:
    return (text.isascii() and _SUSPECT.search(text) is None) or _TRICKY.search(text) is None


def first_words(text: str) -> list[str]:
    """Return the first 16 words of a text, as they are written: all that is asked for, however long it is (T9).

    What is no word to the analyzer is none here, so that signs, such as pictures, ask for nothing on any engine.
    """
    if not text.isascii():
        text = text.translate(_ALIKE)
    return _analyzers()[2 if _is_plain(text) else 3].analyze(text)[:MAX_WORDS]


def words_as_written(text: str) -> dict[str, str]:
    """Return the words a match asks for, each with how the text has it: for engines that analyse by themselves."""
    written: dict[str, str] = {}
    for word in first_words(text):
        for stem in analyze(word):
            written.setdefault(stem, word)
    return written


def edits(word: str) -> int:
    """Return how many typing errors a word forgives: 0 up to 2 letters, 1 for 3 to 5, 2 beyond."""
    return 0 if len(word) <= 2 else 1 if len(word) <= 5 else 2


def forgiven(words: Iterable[str]) -> dict[str, int]:
    """Return how many typing errors each of a text's words forgives.

    A word of more than 32 letters forgives none, nor does any once 96 letters are spent (T9).
    """
    allowed, left = {}, _FORGIVEN
    for word in words:
        errors = edits(word) if len(word) <= min(left, _LONGEST) else 0
        left -= len(word) if errors else 0
        allowed[word] = errors
    return allowed


@cache
def _english() -> _Analyzer:
    """Return what analyses a word in small ASCII letters, which the Russian half leaves as it is."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer  # noqa: PLC0415 - only where search is used

    builder = TextAnalyzerBuilder(Tokenizer.raw())
    return builder.filter(Filter.stopword("english")).filter(Filter.stemmer("english")).build()


@cache
def _analyzers() -> tuple[_Analyzer, ...]:
    """Return what analyses, quick and careful, and what only divides, quick and careful."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer  # noqa: PLC0415 - only where search is used

    def built(tokenizer: Tokenizer) -> _Analyzer:
        chain = TextAnalyzerBuilder(tokenizer).filter(Filter.lowercase())
        for language in ("english", "russian"):
            chain = chain.filter(Filter.stopword(language)).filter(Filter.stemmer(language))
        return chain.build()

    dividing = (Tokenizer.simple(), Tokenizer.regex(_STANDARD))
    return (*map(built, dividing), *(TextAnalyzerBuilder(tokenizer).build() for tokenizer in dividing))
