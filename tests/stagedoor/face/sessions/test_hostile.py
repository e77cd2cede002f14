"""Whatever comes: what reads addresses, callbacks, cookies and fields of a browser says no, and nothing else."""

import contextlib
import json
import re
from urllib.parse import unquote, urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from stagedoor._guards.denials import Denied
from stagedoor._guards.sessions import cookies
from stagedoor._guards.sessions.addresses import is_local
from stagedoor._guards.sessions.discovery import metadata_of
from stagedoor._guards.sessions.login import Returned, finished, logins_of
from stagedoor._guards.sessions.sealing import Seal
from stagedoor._guards.sessions.session import read_session
from stagedoor._guards.sessions.tokens import token_set

SEAL = Seal([b"k" * 32])
TRICKY = st.text(alphabet="/\\%25cfF09adA.:?#@e;\t\n\r \x00é", max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(TRICKY.map("/".__add__) | TRICKY)
@example("/\t/evil.example")
@example("/%5c%5cevil.example")
def test_an_address_that_is_let_through_stays_on_this_site_however_it_is_read(address: str) -> None:
    """W4: as browsers do (URL standard: tabs go, a backslash is a slash), decoded as often as one likes."""
    if not is_local(address):
        return
    for _ in range(6):
        read = re.sub(r"[\t\r\n]", "", address).strip("\x00 ").replace("\\", "/")
        joined = urlsplit(urljoin("https://shop.example/auth/callback", read))

        assert joined.netloc == "shop.example"
        assert not joined.path.startswith("//")
        address = unquote(address)


@given(st.binary(max_size=80) | st.text(alphabet="stateco=&%d+;?x1", max_size=60).map(str.encode))
def test_any_callback_is_read_or_refused(query: bytes) -> None:
    """W3: and one that is read has a state, and either a code or a refusal."""
    try:
        found = finished(query)
    except Denied:
        return

    assert isinstance(found, Returned)
    assert found.state
    assert bool(found.code) != found.refused


@given(st.binary(max_size=400))
def test_any_cookie_that_we_did_not_make_holds_no_login_and_opens_no_session(value: bytes) -> None:
    """W1, W3: whatever it is."""
    fields = ((b"cookie", value), (b"cookie", b"__Host-web=" + value))
    kept = cookies.without(fields, frozenset({b"__Host-web"}))

    assert logins_of(value, SEAL, "__Host-web", 0.0) == []
    assert SEAL.open(value, b"session:x") is None
    assert not any(
        one.strip(b" \t").startswith(b"__Host-web=") for _, said in kept for one in said.split(b";")
    )


@given(
    JSON, st.sampled_from(["access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"])
)
def test_any_answer_of_a_token_endpoint_is_read_or_is_none(said: object, name: str) -> None:
    """T18: a provider is a service like others, and may be broken into."""
    whole: dict[str, object] = {"access_token": "a", "token_type": "Bearer"}
    found = token_set({**whole, name: said})

    assert found is None or (found.access.isascii() and found.expires_in >= 0)


@given(
    JSON,
    st.sampled_from(
        [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "end_session_endpoint",
            "authorization_response_iss_parameter_supported",
            "token_endpoint_auth_methods_supported",
        ]
    ),
)
@example(7, "token_endpoint_auth_methods_supported")
def test_any_word_of_a_provider_is_believed_or_refused(said: object, name: str) -> None:
    """T18: one that is none of its kind is no error of ours."""
    issuer = "https://login.example"
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    whole: dict[str, object] = {"issuer": issuer, **dict.fromkeys(names, f"{issuer}/x")}
    with contextlib.suppress(ValueError):
        found = metadata_of(json.dumps({**whole, name: said}).encode(), issuer)

        assert found.issuer == issuer
        assert found.token.startswith("https://")


@given(st.binary(max_size=60), JSON)
def test_any_document_is_metadata_or_refused(document: bytes, said: object) -> None:
    """T18: as the discovery of a provider, and as what a store holds."""
    with contextlib.suppress(ValueError):
        metadata_of(document, "https://login.example")
        raise AssertionError

    assert read_session(document) is None
    assert read_session(repr(said).encode()) is None
