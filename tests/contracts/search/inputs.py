"""What anybody may send as a query string: known names and unknown ones, with values of every kind of trouble."""

from urllib.parse import quote

from hypothesis import strategies as st

from stagedoor.search.filters import FilterSet

__all__ = ["queries", "query_strings"]

ID = "3d8d9bf5-0d90-4353-88ba-4ccc5d2c07ff"
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-1, 120).map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "NaN",
            "Infinity",
            "-inf",
            "1e308",
            "1e999",
            "9" * 5_000,
            "0" * 300 + "7",
            "\u0661",
            "1_0",
            "+1",
            "-0",
        ]
    ),
)
WORDS = st.one_of(
    st.sampled_from(
        ["the", "star", "\u0438\u0306\u043e", "ёлка", "a", "\u0e2a\u0e15\u0e32\u0e23\u0e4c", "\u6771\u4eac"]
    ),
    st.text(min_size=1, max_size=8),
    st.characters(min_codepoint=0x2000).map(lambda sign: sign * 40),
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "x" * 255,
            "x" * 256,
            "ы" * 255,
            "🎬" * 255,
            "".join(map(chr, range(0x1F300, 0x1F3FF))),
            "".join(map(chr, range(0xAC00, 0xAC00 + 64))),
            "я" * 10_240,
            "N/A",
            '"',
            "*",
            "/.*/~9",
        ]
    ),
)
IDS = st.one_of(st.just(ID), st.just(ID.upper()), st.uuids().map(str), st.just(ID[:-1]), st.just(f"{{{ID}}}"))
ORDERS = st.sampled_from(
    ["id", "-id", "title", "-imdb_rating", "name", "-full_name", "--id", "id,-id", "_score"]
)
VALUES = st.one_of(NUMBERS, TEXTS, IDS, ORDERS)


def queries(filters: type[FilterSet]) -> st.SearchStrategy[bytes]:
    """Return query strings for a set: mostly of its own names, often with a value that fits one of them."""
    names = st.one_of(st.sampled_from(sorted(filters.known)), st.text(max_size=5))
    fitting = {name: _fitting(name) for name in filters.known}
    one = names.flatmap(lambda name: st.tuples(st.just(name), st.one_of(VALUES, fitting.get(name, VALUES))))
    return query_strings(st.lists(one, max_size=8))


def _fitting(name: str) -> st.SearchStrategy[str]:
    if name in {"page_number", "page_size", "pagination", "imdb_rating"}:
        return NUMBERS
    if name in {"id", "ids", "excluded_ids", "genre"}:
        return IDS
    return ORDERS if name in {"sort", "order"} else TEXTS


def query_strings(pairs: st.SearchStrategy[list[tuple[str, str]]]) -> st.SearchStrategy[bytes]:
    """Return pairs as a client may write them: encoded, half encoded, in another charset, or as they are."""
    spellings = st.sampled_from(
        [
            _encoded,
            lambda text: quote(text.encode("utf-16", "surrogatepass"), safe="").encode(),
            lambda text: text.encode("utf-8", "surrogatepass"),
            lambda text: _encoded(text).replace(b"%", b"%25"),
        ]
    )
    return st.tuples(pairs, st.one_of(st.just(_encoded), spellings)).map(
        lambda both: b"&".join(both[1](name) + b"=" + both[1](value) for name, value in both[0])
    )


def _encoded(text: str) -> bytes:
    return quote(text, safe="", errors="surrogatepass").encode()
