"""A parameter accepts what its schema says, and names what is wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagedoor.web.parameters import Invalid, Text

USER_ID = Text(name="user_id", description="An id", example="user1", never=(".", ".."))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("", "length"),
        ("x" * 129, "length"),
        ("a\x00b", "characters"),
        ("a\x9f", "characters"),
        ("..", "value"),
    ],
)
def test_a_wrong_text_names_the_parameter_and_the_rule(raw: str, kind: str) -> None:
    """The client learns which parameter broke which rule."""
    with pytest.raises(Invalid) as caught:
        USER_ID.parse(raw)

    fault = caught.value.faults[0]
    assert fault.as_json() == {"loc": ["path", "user_id"], "msg": fault.msg, "type": kind}


@given(st.text(max_size=140))
def test_schema_and_parser_accept_the_same_texts(raw: str) -> None:
    """The documentation is a promise: what fits the schema is accepted, and nothing else."""
    schema = USER_ID.schema()
    fits = (
        schema["minLength"] <= len(raw) <= schema["maxLength"]
        and re.fullmatch(schema["pattern"], raw) is not None
        and raw not in schema["not"]["enum"]
    )

    try:
        accepted = USER_ID.parse(raw) == raw
    except Invalid:
        accepted = False
    assert fits == accepted
