"""Physical fields: numbers that order as the values do from which they are made."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.search import Index, Keyword, Nested, Number, Text
from stagedoor.search.elastic.fields import id_key, keys_of, mapping_of
from stagedoor.search.elastic.mapping import body_of, declaration

INDEX = Index(
    "movies",
    (
        Keyword(name="id"),
        Text(name="title", sortable=True),
        Text(name="names", many=True),
        Number(name="imdb_rating"),
        Nested(name="actors", fields=(Keyword(name="id"), Text(name="name"))),
    ),
)
ONE_TEXT = Index("persons", (Keyword(name="id"), Text(name="full_name", sortable=True, title=True)))
TEXTS = st.one_of(
    st.text(max_size=40), st.text("\0-/09:`afgz\u0451\uffff\U0001f3ac", max_size=30), st.uuids().map(str)
)


@given(TEXTS, TEXTS)
def test_keys_of_ids_order_as_their_code_points(one: str, other: str) -> None:
    """A key may be equal where texts differ, never the other way round: what it says of the order is so."""
    less, more = sorted((one, other))

    assert id_key(less) <= id_key(more)


@given(st.uuids(), st.uuids())
def test_keys_of_ids_tell_uuids_apart(one: object, other: object) -> None:
    """Ten hexadecimal digits are in a key: of 200,000 films hardly two share it."""
    mine, theirs = str(one), str(other)

    assert (id_key(mine) == id_key(theirs)) == (mine[:11] == theirs[:11])


def test_every_key_is_a_long_of_the_mapping() -> None:
    """The mapping is strict: one key too many and the node takes no document."""
    keys = keys_of(INDEX)({"id": "a", "title": "Star", "imdb_rating": None})

    assert keys.keys() < mapping_of(INDEX)["properties"].keys()
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys.values() if not isinstance(key, str))
    assert keys["imdb_rating_up"] == keys["imdb_rating_down"] > 0


def test_a_missing_text_has_no_keys() -> None:
    """A node puts it last, whichever way it sorts."""
    found = keys_of(INDEX)({"id": "a"})

    assert found.keys() == {"all", "id", "prior", "imdb_rating_up", "imdb_rating_down"}


@pytest.mark.parametrize("odd", [{"title": 7}, {"title": ["a"]}, {"imdb_rating": "x" * 9, "title": {}}])
def test_a_value_of_another_type_has_no_keys_at_all(odd: dict[str, Any]) -> None:
    """The writer refuses that document, with the reason, and writes the others."""
    with pytest.raises(TypeError):
        keys_of(INDEX)({"id": "a", **odd})


def test_words_have_fields_of_their_own() -> None:
    """They are analysed before they are written: the contract's fields are as they were, for whoever asks them."""
    films = body_of(INDEX)["mappings"]["properties"]
    persons = body_of(ONE_TEXT)["mappings"]["properties"]
    keys = keys_of(ONE_TEXT)({"id": "a", "full_name": "J.J. O'Neil"})

    assert films["title"]["analyzer"] == "ru_en"
    assert films["own6"]["properties"]["names~words"]["analyzer"] == "divided"
    assert "full_name~whole" in persons["own6"]["properties"]
    assert keys["full_name~words"] == "jj oneil"


def test_an_index_says_its_form_and_gives_back_what_was_written() -> None:
    """An index of another form is built anew; physical fields are no part of documents, nor of a node's own answers."""
    mappings = body_of(INDEX)["mappings"]

    assert mappings["_meta"] == {"declaration": declaration(INDEX)}
    assert declaration(INDEX) != INDEX.fingerprint
    assert mappings["_source"] == {"excludes": ["own6"]}
