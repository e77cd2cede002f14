"""The rendered answer of an aggregate, and the codec of whole answers."""

import pytest

from stagedoor._aggregate.verdict import PartVerdict
from stagedoor._web.aggregated import Rendered
from stagedoor._web.cached import KeptCodec


@pytest.mark.parametrize(
    "rendered",
    [
        Rendered(b'{"a":1', {"b": None}, {}, True),
        Rendered(b"{", None, {"a": PartVerdict("fallback", "timeout", 1.5)}, False, ("films", "film:1")),
    ],
)
def test_k8_what_is_kept_comes_back_as_it_was(rendered: Rendered) -> None:
    """K8: verdicts and bytes survive the store; a stored answer decodes to an equal one."""
    codec = KeptCodec(Rendered)

    assert codec.decode(codec.encode(rendered)) == rendered


def test_k8_the_form_of_what_is_kept_stays() -> None:
    """K8: answers that an earlier version kept in Redis are read, byte for byte."""
    kept = b'[{"b":null},{"a":["fresh",null,1.5,null]},true,["films"]]\n{"a":1'
    rendered = Rendered(b'{"a":1', {"b": None}, {"a": PartVerdict("fresh", None, 1.5)}, True, ("films",))

    assert KeptCodec(Rendered).encode(rendered) == kept
    assert KeptCodec(Rendered).schema == "rendered2"
