"""Documents in their physical form."""

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor.search.analysis import analyze
from stagedoor.search.schema import Index, Keyword, Text
from stagedoor.search.tantivy.fields import builder, encoded

_INDEX = Index("texts", (Keyword(name="id"), Text(name="text"), Text(name="texts", many=True)))
_build = builder(_INDEX)
# Letters of both languages, and what joins or divides words in one way or another.
_SIGNS = "abcSxyzйёЯ09 \t\n\xa0\u202f\u2028'\u2019\uff07._,:;-_\u0301\u200d\u00b2ßİκカ漢あ\u05d0"
_texts = st.text(st.sampled_from(_SIGNS), max_size=30) | st.text(max_size=20)


@given(_texts)
@example("the dogs' cat's don't 1,000.5 a_b yo\u0301 \u0301x")
def test_words_between_spaces_are_the_words_of_the_text(text: str) -> None:
    """Words are looked up run by run, which must find what the analyzer finds in the whole."""
    texts = (text, "and more", text)
    physical = orjson.loads(_build({"id": "1", "text": text, "texts": [*texts]}))

    assert _words(physical.get("text", "")) == [encoded(word) for word in analyze(text)]
    assert _words(physical["texts"]) == [encoded(word) for part in texts for word in analyze(part)]


def _words(text: str) -> list[str]:
    return [word for word in text.split(" ") if word]
